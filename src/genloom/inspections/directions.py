"""What a generator has learned to change, found in its weights alone."""

from collections.abc import Callable

import torch

from genloom import randomness
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook, arranged
from genloom.limits import Count, Positive
from genloom.models.abilities import HasDirections


class LatentDirections(PictureLook):
    """Each row moves the same sample along another direction, those that change most first; it stands in the middle.

    Args:
        num_directions: rows, at most; a latent has as many directions as dimensions.
        steps: images per row.
        distance: from the middle to either end, in units of the embedded latent.
        every_iterations: how often; None is the end only.
    """

    name = "directions"
    requires = HasDirections

    def __init__(
        self,
        *,
        num_directions: Count = 4,
        steps: Count = 7,
        distance: Positive = 3.0,
        every_iterations: Count | None = None,
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        for name, value, limit in (("num_directions", num_directions, 1), ("steps", steps, 2)):
            if value < limit:
                raise ValueError(f"{name}: {value} is below the limit of {limit}")
        self.num_directions = num_directions
        self.steps = steps
        self.distance = distance

    def picture(self, model: HasDirections, data: Callable[[], InMemoryData]) -> Shown:
        """Draw one row per direction."""
        rng = randomness.generator(model.seed, self.name)
        latent, given = model.draw_latent(1, rng), model.draw_given(1, rng)
        still = {name: part.expand(self.steps, *part.shape[1:]) for name, part in model.embed(latent, given).items()}
        given = given.map(lambda values: values.expand(self.steps, *values.shape[1:]))
        name, directions = model.latent_directions(self.num_directions)
        middle = (self.steps - 1) / 2
        offsets = (torch.arange(self.steps, device=directions.device) - middle) * (self.distance / middle)
        rows = []
        for direction in directions:  # (dim): the same for each of a latent's styles, which lie between batch and dim
            shift = (offsets.unsqueeze(1) * direction).view(self.steps, *[1] * (still[name].ndim - 2), -1)
            rows.append(model.decode({**still, name: still[name] + shift}, given).content)
        return arranged(model, torch.cat(rows), columns=self.steps)
