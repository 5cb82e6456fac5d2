"""How variety is given up for typicality."""

from collections.abc import Callable, Sequence

import torch

from genloom import randomness
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook, arranged
from genloom.limits import Count
from genloom.models.abilities import Truncates


class TruncationSweep(PictureLook):
    """Each row keeps another share of the distance from the mean latent; a column is one latent.

    Args:
        psis: the shares; 0 is the mean itself, 1 leaves the samples as they are.
        columns: latents.
        every_iterations: how often; None is the end only.
    """

    name = "truncation"
    requires = Truncates

    def __init__(
        self,
        *,
        psis: Sequence[float] = (0, 0.25, 0.5, 0.75, 1),
        columns: Count = 8,
        every_iterations: Count | None = None,
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        if not psis:
            raise ValueError("psis: none given; give at least one share, as in [0.5, 1]")
        if columns < 1:
            raise ValueError(f"columns: {columns} is below the limit of 1")
        self.psis = psis
        self.columns = columns

    def picture(self, model: Truncates, data: Callable[[], InMemoryData]) -> Shown:
        """Draw one row per share."""
        rng = randomness.generator(model.seed, self.name)
        latent, given = model.draw_latent(self.columns, rng), model.draw_given(self.columns, rng)
        embedded = model.embed(latent, given)
        rows = [model.decode(model.truncate(embedded, psi), given).content for psi in self.psis]
        return arranged(model, torch.cat(rows), columns=self.columns)
