"""What a diffusion model minimises: the weighted squared error of what its network says of noised content."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genloom.batch import Given
from genloom.diffusion.noise_levels import LogNormal, NoiseLevels
from genloom.diffusion.prediction import Prediction
from genloom.diffusion.process import Level, Process
from genloom.diffusion.weighting import Unit, Weighting
from genloom.objectives.loss import Loss

_PARTS = 8  # of the noise levels, whose losses are told apart


@runtime_checkable
class Denoiser(Protocol):
    """What an objective asks of a model.

    Attributes:
        process: how content is noised.
        prediction: what the network says.
    """

    process: Process
    prediction: Prediction

    def said(
        self, noised: Tensor, level: Level, given: Given, until: Level | None = None
    ) -> Float[Tensor, "batch ..."]:
        """Return what the network says of noised content, or on the way to ``until`` if it jumps, with gradients."""
        ...


class Denoising(nn.Module):
    """E ‖said − target‖² · weight, averaged over observed values, at random levels of noise.

    Ho et al., Denoising Diffusion Probabilistic Models, 2020, https://arxiv.org/abs/2006.11239; Lipman et al., Flow
    Matching for Generative Modeling, 2023, https://arxiv.org/abs/2210.02747, which is the same of a straight path.

    Args:
        noise_levels: at which ones.
        weighting: how much each counts.
    """

    def __init__(self, *, noise_levels: NoiseLevels | None = None, weighting: Weighting | None = None) -> None:
        super().__init__()
        self.noise_levels = noise_levels or LogNormal()
        self.weighting = weighting or Unit()

    def check(self, prediction: Prediction, network: nn.Module) -> None:
        """Refuse parts of a model that it cannot train; both keys are named.

        Raises:
            ConfigError: there are some.
        """

    def draw(self, num: int, process: Process, rng: torch.Generator) -> tuple[Level, ...]:
        """Return ``num`` levels, or as many of each of several, on the device of ``rng``."""
        return (self.noise_levels.draw(num, process, rng),)

    def forward(
        self,
        model: Denoiser,
        content: Tensor,
        levels: tuple[Level, ...],
        noise: Tensor,
        given: Given,
        mask: Bool[Tensor, "batch ..."] | None = None,
    ) -> Loss:
        """Return the loss; its terms are the means at each eighth of the noise levels, from the least noise on.

        Args:
            model: whose network learns.
            content: of a batch, or codes of it.
            levels: of each example, as :meth:`draw` returns them.
            noise: of a standard normal distribution, in the shape of the content.
            given: what the content is given.
            mask: false where nothing was observed; None if all was.
        """
        (level,) = (each.like(content) for each in levels)
        target = model.prediction.target(content, noise, level, model.process)
        error = model.said(level.noised(content, noise), level, given) - target
        return self.loss(model, error, level, mask)

    def loss(
        self, model: Denoiser, error: Float[Tensor, "batch ..."], level: Level, mask: Bool[Tensor, "batch ..."] | None
    ) -> Loss:
        """Return the loss of what the network said too much at some levels, where something was observed."""
        weighted = self.weighting.of_said(level, model.prediction, model.process) * error.square()
        if mask is not None:
            weighted = weighted * mask / mask.float().mean().clamp_min(1 / mask.numel())

        def by_level() -> dict[str, Tensor]:
            losses = weighted.detach().flatten(1).mean(1)
            part = self.noise_levels.parts(level, model.process, _PARTS)
            within = {f"level_{each + 1}": part == each for each in range(_PARTS)}
            return {name: (losses * mask).sum() / mask.sum() for name, mask in within.items()}  # NaN of no example

        return Loss(weighted.mean(), by_level)
