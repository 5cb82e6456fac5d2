"""How content comes out of noise."""

from collections.abc import Callable

import torch
from torch import Tensor

from genloom import randomness
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.diffusion.process import Denoised, Level
from genloom.inspections.base import side_by_side
from genloom.inspections.denoising import DenoisingLook
from genloom.limits import Count
from genloom.models.abilities import Denoises
from genloom.samplers.dpm_solver import denoising_sampler_of


class DenoisingPath(DenoisingLook):
    """A few samples on their way: a column is a level of noise, from noise on the left to content on the right; above
    the noised content, below the clean content that the model expects in it. The last of these are the samples.

    Noised content is divided by √(α² + σ²), so that noise alone stays within what can be shown; of latent diffusion
    it is what noised codes are decoded to. It costs one draw.

    Args:
        num: samples; None is what is enough to judge such content by, a sixteenth of it.
        levels: columns, at most: those of the sampler's network calls whose angles, of tangent σ/α, are nearest to even
            ones.
        every_iterations: how often; None is the end only.
    """

    name = "denoising_path"

    def __init__(self, *, num: Count | None = None, levels: Count = 9, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        if levels < 1:
            raise ValueError(f"levels: {levels} is below the limit of 1")
        self.num = num
        self.levels = levels

    def picture(self, model: Denoises, data: Callable[[], InMemoryData]) -> Shown:
        """Draw, and keep what the network sees and says."""
        seen: dict[float, tuple[Tensor, Tensor]] = {}  # by angle: of several calls at one level the last

        def watch(noised: Tensor, level: Level, denoised: Denoised) -> None:
            size = (level.alpha.square() + level.sigma.square()).sqrt()
            seen[float(torch.atan2(level.sigma, level.alpha).max())] = noised / size, denoised.clean

        num = self.num or max(1, model.spec.content.seen_at_once // 16)
        rng = randomness.generator(model.seed, self.name)
        drawn = denoising_sampler_of(model).draw(model, num, rng=rng, watch=watch)
        angles = sorted(seen, reverse=True)
        wanted = torch.linspace(angles[0], angles[-1], self.levels)
        places = (wanted.unsqueeze(1) - torch.tensor(angles)).abs().argmin(1).unique().tolist()
        noised, clean = (
            [model.of_codes(codes, drawn.given).content for codes in side]
            for side in zip(*(seen[angles[place]] for place in places), strict=True)
        )
        return side_by_side(model, noised).above(side_by_side(model, clean))
