"""What is left of real examples after encoding and decoding."""

from collections.abc import Callable

import torch

from genloom.contents.image import ImageContent
from genloom.contents.shown import Shown, grid
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook
from genloom.limits import Count
from genloom.models.abilities import Reconstructs


class Reconstructions(PictureLook):
    """Held-out examples in the odd rows, as the model sees them; below each, its reconstruction.

    Args:
        num: examples.
        columns: of the picture.
        every_iterations: how often; None is the end only.
    """

    name = "reconstructions"
    requires = Reconstructs
    kind = ImageContent

    def __init__(self, *, num: Count = 32, columns: Count = 8, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        for name, value in (("num", num), ("columns", columns)):
            if value < 1:
                raise ValueError(f"{name}: {value} is below the limit of 1")
        self.num = num
        self.columns = columns

    def picture(self, model: Reconstructs, data: Callable[[], InMemoryData]) -> Shown:
        """Reconstruct the first examples of the test split."""
        real = data().modelled("test")[slice(0, self.num)]
        batch = next(model.spec.batches(real, len(real)))
        ours = model.spec.content.decode(model.reconstruct(batch).content).cpu()
        rows = [
            part
            for pair in zip(real.content.split(self.columns), ours.split(self.columns), strict=True)
            for part in pair
        ]
        return grid(torch.cat(rows), columns=self.columns)
