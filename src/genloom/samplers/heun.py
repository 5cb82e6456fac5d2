"""Heun's method, and the stochastic sampler that is made of it."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.diffusion.process import Denoise, Level, Process
from genloom.errors import ConfigError
from genloom.limits import NonNegative
from genloom.samplers.denoising import DenoisingSampler


@dataclass(frozen=True)
class Heun(DenoisingSampler):
    """Follows the probability flow by the mean of its directions at both ends of each step; the error is of order 2.

    Algorithms 1 and 2 of Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models, 2022,
    https://arxiv.org/abs/2206.00364. A step calls the network twice; the last one, to clean content, once.

    Args:
        steps: see :class:`~genloom.samplers.denoising.DenoisingSampler`, as the others.
        churn: how much new noise replaces old, over all steps; 0 adds none. A step raises σ/α by a share of
            churn/steps, at most √2 − 1.
        churn_from: σ/α above which no noise is added.
        churn_to: σ/α below which no noise is added.
        churn_std: standard deviation of added noise, 1 or a little above, against details that were lost.

    Raises:
        ConfigError: a value is out of its limits.
    """

    churn: NonNegative = 0.0
    churn_from: NonNegative = 50.0
    churn_to: NonNegative = 0.05
    churn_std: NonNegative = 1.003

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.churn < math.inf:
            raise ConfigError(f"sampler.churn: {self.churn} is not at least 0 and finite; 0 adds no noise")

    def calls(self, steps: int) -> int:
        """Return two for each step but the last."""
        return 2 * steps - 1

    def follow(
        self, denoise: Denoise, noised: Tensor, levels: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, "batch ..."]:
        """Return what noised content, of the first level, is at the last."""
        steps = len(levels.sigma) - 1
        for step in range(steps):
            here, there = levels.at(step), levels.at(step + 1)
            if self.churn and self.churn_to <= float(here.ratio) <= self.churn_from:
                raised = process.level_of(here.ratio * (1 + min(self.churn / steps, math.sqrt(2) - 1)))
                noised = self._raised(noised, here, raised, rng)
                here = raised
            distance = (process.coordinate(there) - process.coordinate(here)).to(noised)
            here, there = here.like(noised), there.like(noised)
            velocity = process.velocity(denoise(noised, here), here)
            ahead = noised + distance * velocity
            if step < steps - 1:
                velocity = (velocity + process.velocity(denoise(ahead, there), there)) / 2
                ahead = noised + distance * velocity
            noised = ahead
        return noised

    def _raised(self, noised: Tensor, here: Level, raised: Level, rng: torch.Generator) -> Float[Tensor, "batch ..."]:
        """Return noised content with more noise; ``noised`` has the level ``here``."""
        scale = raised.alpha / here.alpha
        variance = raised.sigma.square() - (scale * here.sigma).square()
        fresh = torch.randn(noised.shape, generator=rng).to(noised)
        return scale.to(noised) * noised + (self.churn_std * variance.clamp(min=0).sqrt()).to(noised) * fresh
