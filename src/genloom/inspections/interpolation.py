"""Walks through the latent space."""

from collections.abc import Callable

import torch

from genloom import randomness
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook, arranged
from genloom.limits import Count
from genloom.models.abilities import HasLatents


class Interpolation(PictureLook):
    """Each row goes from one latent to another; a model that memorises jumps, one that has learned moves smoothly.

    Args:
        rows: walks; each keeps its class, where the model asks for one.
        steps: examples per walk.
        every_iterations: how often; None is the end only.
    """

    name = "interpolation"
    requires = HasLatents

    def __init__(self, *, rows: Count = 6, steps: Count = 10, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        for name, value in (("rows", rows), ("steps", steps)):
            if value < 1:
                raise ValueError(f"{name}: {value} is below the limit of 1")
        self.rows = rows
        self.steps = steps

    def picture(self, model: HasLatents, data: Callable[[], InMemoryData]) -> Shown:
        """Interpolate as the model's latent distribution wants it."""
        rng = randomness.generator(model.seed, self.name)
        start, end = model.draw_latent(self.rows, rng), model.draw_latent(self.rows, rng)
        given = model.draw_given(self.rows, rng)
        walks = [model.interpolate(start, end, weight) for weight in torch.linspace(0, 1, self.steps).tolist()]
        latent = {name: torch.stack([walk[name] for walk in walks], dim=1).flatten(0, 1) for name in start}
        given = given.map(lambda values: values.repeat_interleave(self.steps, dim=0))
        content = model.decode(latent, given).content
        return arranged(model, content, columns=self.steps)
