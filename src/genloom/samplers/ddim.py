"""Denoising by a guess of the content: DDIM, and ancestral sampling."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.diffusion.process import Denoise, Level, Process
from genloom.errors import ConfigError
from genloom.limits import Share
from genloom.samplers.denoising import DenoisingSampler


@dataclass(frozen=True)
class Ddim(DenoisingSampler):
    """Makes noised content of the next level of the guess of content and noise, and of new noise.

    Song et al., Denoising Diffusion Implicit Models, 2021, https://arxiv.org/abs/2010.02502, equation 12.

    Args:
        steps: see :class:`~genloom.samplers.denoising.DenoisingSampler`, as the others.
        eta: how much of the noise is new: 0 none; 1 as much as the process itself would have lost on its way, which
            is the ancestral sampler of Ho et al., Denoising Diffusion Probabilistic Models, 2020,
            https://arxiv.org/abs/2006.11239.

    Raises:
        ConfigError: a value is out of its limits.
    """

    eta: Share = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.eta <= 1:
            raise ConfigError(f"sampler.eta: {self.eta} is not within 0 and 1")

    def follow(
        self, denoise: Denoise, noised: Tensor, levels: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, "batch ..."]:
        """Return what noised content, of the first level, is at the last."""
        for step in range(len(levels.sigma) - 1):
            here, there = levels.at(step), levels.at(step + 1)
            denoised = denoise(noised, here.like(noised))
            # of the noise at the higher level, what came since the lower one
            since = here.sigma.square() - (here.alpha / there.alpha * there.sigma).square()
            fresh = self.eta * (there.sigma / here.sigma) * since.clamp(min=0).sqrt()
            kept = (there.sigma.square() - fresh.square()).clamp(min=0).sqrt()
            noised = there.alpha.to(noised) * denoised.clean + kept.to(noised) * denoised.noise
            if float(fresh) > 0:
                noised = noised + fresh.to(noised) * torch.randn(noised.shape, generator=rng).to(noised)
        return noised
