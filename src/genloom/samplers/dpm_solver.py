"""DPM-Solver++."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.diffusion.process import Denoise, Level, Process
from genloom.models.abilities import Denoises
from genloom.samplers.base import sampler_of
from genloom.samplers.denoising import DenoisingSampler


@dataclass(frozen=True)
class DpmSolver(DenoisingSampler):
    """DPM-Solver++(2M): follows the probability flow exactly but for the content, which it takes to be linear in
    log α/σ by this guess and the one before; the error is of order 2, at one call of the network in each step.

    Lu et al., DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models, 2023,
    https://arxiv.org/abs/2211.01095, algorithm 2. The first and the last step are of order 1.

    Args:
        steps: see :class:`~genloom.samplers.denoising.DenoisingSampler`, as the others.
    """

    def follow(
        self, denoise: Denoise, noised: Tensor, levels: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, "batch ..."]:
        """Return what noised content, of the first level, is at the last."""
        half_log_snr = levels.log_snr / 2
        before, steps = None, len(levels.sigma) - 1
        for step in range(steps):
            here, there = levels.at(step), levels.at(step + 1)
            clean = denoise(noised, here.like(noised)).clean
            guess = clean
            if before is not None and step < steps - 1:
                past, coming = half_log_snr[step - 1 : step + 2].diff()
                ahead = (coming / past / 2).to(noised)  # 0 where the step before came from pure noise
                guess = clean + ahead * (clean - before)
            shrunk = there.sigma / here.sigma
            content = there.alpha - here.alpha * shrunk
            noised = shrunk.to(noised) * noised + content.to(noised) * guess
            before = clean
        return noised


def denoising_sampler_of(model: Denoises) -> DenoisingSampler:
    """Return the sampler of a model that denoises; this one for a model that is drawn from plainly.

    Raises:
        CapabilityError: it has a sampler of another kind.
    """
    return sampler_of(model, DenoisingSampler, DpmSolver(), does="go from noise to content in steps")
