"""Euler's method."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.diffusion.process import Denoise, Level, Process
from genloom.samplers.denoising import DenoisingSampler


@dataclass(frozen=True)
class Euler(DenoisingSampler):
    """Follows the probability flow by its direction at the beginning of each step; the error is of order 1.

    Args:
        steps: see :class:`~genloom.samplers.denoising.DenoisingSampler`, as the others.
    """

    def follow(
        self, denoise: Denoise, noised: Tensor, levels: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, "batch ..."]:
        """Return what noised content, of the first level, is at the last."""
        places = process.coordinate(levels)
        for step in range(len(places) - 1):
            level = levels.at(step).like(noised)
            distance = (places[step + 1] - places[step]).to(noised)
            noised = noised + distance * process.velocity(denoise(noised, level), level)
        return noised
