"""Holding on to what is known of content while the rest of it comes out of noise."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genloom.diffusion.process import Denoised, Level


@dataclass(frozen=True, eq=False)
class Holding:
    """Content of which a part is known.

    Of that part a denoiser knows both sides exactly, so that whatever follows the denoiser ends at what is known. What
    is known has its effect on the rest only as far as it shows through the noise; so each step is taken several times,
    with new noise in between: Lugmayr et al., RePaint, 2022, https://arxiv.org/abs/2201.09865, with jumps of one step.

    Args:
        content: whatever it is where it is not known.
        known: where it is.
    """

    content: Float[Tensor, "batch ..."]
    known: Bool[Tensor, "batch ..."]

    def begun(self, level: Level, noise: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Return noised content at a first level, at which nothing is seen of what is not known."""
        return torch.where(self.known, level.noised(self.content, noise), level.sigma * noise)

    def corrected(self, denoised: Denoised, noised: Float[Tensor, "batch ..."], level: Level) -> Denoised:
        """Return what a denoiser says of noised content, with what is known."""
        noise = (noised - level.alpha * self.content) / level.sigma
        return Denoised(
            torch.where(self.known, self.content, denoised.clean), torch.where(self.known, noise, denoised.noise)
        )

    def completed(
        self,
        denoise: Callable[[Tensor, Level], Denoised],
        noise: Float[Tensor, "batch ..."],
        levels: Level,
        times: int,
        rng: torch.Generator,
    ) -> Float[Tensor, "batch ..."]:
        """Return the content with the rest of it drawn, by steps of order 1.

        Args:
            denoise: a model.
            noise: to begin with.
            levels: in descending order, in double precision, the last one clean.
            times: that each step is taken.
            rng: on the CPU.
        """
        noised = self.begun(levels.at(0).like(noise), noise)
        for step in range(len(levels.sigma) - 1):
            here, there = levels.at(step), levels.at(step + 1)
            for again in range(times):
                noised = raised(noised, there, here, rng) if again else noised
                level = here.like(noised)
                noised = there.like(noised).noised(*self.corrected(denoise(noised, level), noised, level))
        return noised


def raised(noised: Float[Tensor, "batch ..."], here: Level, there: Level, rng: torch.Generator) -> Tensor:
    """Return noised content of a level as it is at a higher one of the same process, by new noise.

    Args:
        noised: of the level ``here``.
        here: one level, in double precision, as ``there``.
        there: the higher one.
        rng: on the CPU.
    """
    scale = there.alpha / here.alpha
    std = (there.sigma.square() - (scale * here.sigma).square()).clamp(min=0).sqrt()
    return scale.to(noised) * noised + std.to(noised) * torch.randn(noised.shape, generator=rng).to(noised)


def chosen(content: Float[Tensor, "batch ..."], allowed: Bool[Tensor, "batch ..."] | None) -> Tensor:
    """Return content in which no choice is the largest value that is not allowed."""
    return content if allowed is None else content.masked_fill(~allowed.to(content.device), -torch.inf)
