"""What a diffusion model minimises that shall need few steps: its network learns to jump from level to level."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genloom.batch import Given
from genloom.diffusion.noise_levels import NoiseLevels, Uniform
from genloom.diffusion.prediction import Prediction, Velocity
from genloom.diffusion.process import Level, Process
from genloom.diffusion.weighting import Weighting
from genloom.errors import ConfigError
from genloom.limits import InsideShare
from genloom.objectives.denoising import Denoiser, Denoising
from genloom.objectives.loss import Loss


class Shortcut(Denoising):
    """Denoising; and, for a share of the examples, that one jump ends where two halves of it do.

    The network is told two levels, and says the mean velocity of what is noised on its way along the probability flow
    from the one to the other; that of a jump is the mean of those of its halves, which the network itself says. Where
    both levels are the same it is the velocity there, which denoising teaches. So there is neither a teacher nor a
    second stage.

    Frans et al., One Step Diffusion via Shortcut Models, 2025, https://arxiv.org/abs/2410.12557, here between any two
    levels, as in Guo et al., SplitMeanFlow, 2025, https://arxiv.org/abs/2507.16884.

    Args:
        noise_levels: of denoising, and of both ends of jumps.
        weighting: how much each level counts; of jumps the one where they begin.
        share: of the examples that jump. They cost three calls of the network, one of which learns.

    Raises:
        ConfigError: ``share`` is not inside 0 and 1.
    """

    def __init__(
        self,
        *,
        noise_levels: NoiseLevels | None = None,
        weighting: Weighting | None = None,
        share: InsideShare = 0.25,
    ) -> None:
        super().__init__(noise_levels=noise_levels or Uniform(), weighting=weighting)
        if not 0 < share < 1:
            raise ConfigError(f"model.objective.share: {share} is not inside 0 and 1; 0.25 is usual")
        self.share = share

    def check(self, prediction: Prediction, network: nn.Module) -> None:
        """Refuse what has no mean on the way, and a network that is told one level.

        Raises:
            ConfigError: the prediction is no velocity, or the network does not jump.
        """
        own = f"model.objective={type(self).__name__}"
        if not isinstance(prediction, Velocity):
            raise ConfigError(
                f"model.prediction: {type(prediction).__name__} has no mean over a jump, which {own} needs; choose "
                "prediction@model.prediction=velocity"
            )
        if not getattr(network, "jumps", False):
            raise ConfigError(
                f"model.network: {type(network).__name__} is told one level, and {own} needs two; set "
                "model.network.jumps=true"
            )

    def draw(self, num: int, process: Process, rng: torch.Generator) -> tuple[Level, ...]:
        """Return two levels each; only the first are stratified, else all jumps of a batch were of one length."""
        others = replace(self.noise_levels, stratified=False)
        return self.noise_levels.draw(num, process, rng), others.draw(num, process, rng)

    def forward(
        self,
        model: Denoiser,
        content: Tensor,
        levels: tuple[Level, ...],
        noise: Tensor,
        given: Given,
        mask: Bool[Tensor, "batch ..."] | None = None,
    ) -> Loss:
        """Return the loss; the first examples of a batch jump, as the levels of any part of it are spread evenly."""
        jumping = max(1, round(self.share * len(content)))
        first, second = levels
        here, until = (level.like(content) for level in _ordered(first, second, model.process, jumping))
        noised, target = here.noised(content, noise), model.prediction.target(content, noise, here, model.process)
        some = slice(0, jumping)
        with torch.no_grad():
            told = given.map(lambda values: values[some])
            target[some] = _of_halves(model, noised[some], here.at(some), until.at(some), told)
        return self.loss(model, model.said(noised, here, given, until) - target, here, mask)


def _ordered(first: Level, second: Level, process: Process, jumping: int) -> tuple[Level, Level]:
    """Return where each example is, and where it goes: of those that jump to the level of less noise."""
    place = torch.arange(len(first.sigma), device=first.sigma.device)
    is_jump, falls = place < jumping, process.coordinate(second) < process.coordinate(first)
    here = Level(*(torch.where(is_jump & ~falls, b, a) for a, b in zip(first, second, strict=True)))
    until = Level(*(torch.where(is_jump & falls, b, a) for a, b in zip(first, second, strict=True)))
    return here, until


def _of_halves(model: Denoiser, noised: Tensor, here: Level, until: Level, given: Given) -> Float[Tensor, "batch ..."]:
    """Return the mean velocity of jumps, by two of half their length."""
    start, end = model.process.coordinate(here), model.process.coordinate(until)
    middle = model.process.at_coordinate((start + end) / 2)
    first = model.said(noised, here, given, middle)
    second = model.said(noised + (end - start) / 2 * first, middle, given, until)
    return (first + second) / 2
