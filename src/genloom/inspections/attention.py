"""Which past step a forecast, or a character, looked at."""

from collections.abc import Callable

import torch

from genloom import figures
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook
from genloom.limits import Count
from genloom.models.abilities import Attends


class Attention(PictureLook):
    """The attention of each layer, averaged over heads, for one example of the validation split.

    Args:
        positions: of a text, from the example's start.
        every_iterations: how often; None is the end only.
    """

    name = "attention"
    requires = Attends

    def __init__(self, *, positions: Count = 48, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        if positions < 1:
            raise ValueError(f"positions: {positions} is below the limit of 1")
        self.positions = positions

    def picture(self, model: Attends, data: Callable[[], InMemoryData]) -> Shown:
        """Draw a map per layer."""
        content = model.spec.content
        batch = model.spec.batch(data().split("val"), torch.tensor([0]))
        ticks = content.positions(batch)[: self.positions]
        maps = model.attention(batch)[:, 0]
        if ticks:
            maps = maps[:, : self.positions, : self.positions]
        return figures.attention(maps, titles=[f"layer {layer}" for layer in range(1, len(maps) + 1)], ticks=ticks)
