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

    Of a model that has learned to jump it is the mean direction of the step, and few steps are enough.

    Args:
        steps: see :class:`~genloom.samplers.denoising.DenoisingSampler`, as the others.
    """

    def follow(
        self, denoise: Denoise, noised: Tensor, levels: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, "batch ..."]:
        """Return what noised content, of the first level, is at the last."""
        places = process.coordinate(levels)
        for step in range(len(places) - 1):
            here, there = levels.at(step).like(noised), levels.at(step + 1).like(noised)
            distance = (places[step + 1] - places[step]).to(noised)
            noised = noised + distance * process.velocity(denoise(noised, here, there), here)
        return noised
