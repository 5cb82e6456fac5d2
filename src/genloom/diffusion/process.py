"""How content is noised: x_t = α_t x + σ_t ε, with ε of a standard normal distribution.

A level of noise is the pair (α, σ). All that the levels of a process differ in is their ratio σ/α, of which each path
makes its own pair: on a circle (variance preserving), on a straight line (rectified flow), or upwards with α = 1
(variance exploding). A time t from 0, clean, to 1, noise, is a name for a level: the schedule, which decides where
"uniform" levels lie and nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.errors import ConfigError
from genloom.limits import NonNegative, Positive
from genloom.part import Part


class Level(NamedTuple):
    """Levels of noise.

    Args:
        alpha: what content is multiplied by.
        sigma: what noise is multiplied by.
    """

    alpha: Float[Tensor, "..."]
    sigma: Float[Tensor, "..."]

    @property
    def ratio(self) -> Float[Tensor, "..."]:
        """σ/α, infinite where there is nothing but noise."""
        return self.sigma / self.alpha

    @property
    def log_snr(self) -> Float[Tensor, "..."]:
        """2 log(α/σ), the logarithm of the signal-to-noise ratio."""
        return 2 * (self.alpha.log() - self.sigma.log())

    def at(self, index: int | slice) -> "Level":
        """Return one or some of the levels."""
        return Level(self.alpha[index], self.sigma[index])

    def like(self, content: Float[Tensor, "batch ..."]) -> "Level":
        """Return one level, or one per example, in the shape, type and place of ``content``."""
        return Level(*(each.to(content).view(-1, *[1] * (content.ndim - 1)) for each in (self.alpha, self.sigma)))

    def noised(self, content: Float[Tensor, "..."], noise: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return α · content + σ · noise."""
        return self.alpha * content + self.sigma * noise


class Denoised(NamedTuple):
    """What a denoiser makes of noised content: the two sides of one opinion, x_t = α · clean + σ · noise.

    Args:
        clean: the expected content.
        noise: the expected noise.
    """

    clean: Float[Tensor, "batch ..."]
    noise: Float[Tensor, "batch ..."]


#: A denoiser: of noised content, its level and possibly one to jump to, both sides of it.
Denoise = Callable[..., Denoised]


@dataclass(frozen=True)
class Process(Part, ABC):
    """A path of levels and a schedule on it.

    Args:
        shift: factor of σ/α at every time. At more pixels of the same picture the same σ hides less of it, so it grows
            with the side: side/64, say. Hoogeboom et al., Simple Diffusion, 2023, https://arxiv.org/abs/2301.11093;
            Esser et al., Scaling Rectified Flow Transformers, 2024, https://arxiv.org/abs/2403.03206.

    Raises:
        ConfigError: a value is out of its limits.
    """

    shift: Positive = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.shift < float("inf"):
            raise ConfigError(f"process.shift: {self.shift} is not above 0 and finite; 1 shifts nothing")

    @abstractmethod
    def scheduled(self, time: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return σ/α at times in [0, 1], before the shift; it rises."""

    @abstractmethod
    def level_of(self, ratio: Float[Tensor, "..."]) -> Level:
        """Return the levels that have these σ/α, which may be infinite."""

    @abstractmethod
    def coordinate(self, level: Level) -> Float[Tensor, "..."]:
        """Return how far along the path the levels lie, in which the path is smooth at both of its ends."""

    @abstractmethod
    def at_coordinate(self, coordinate: Float[Tensor, "..."]) -> Level:
        """Return the levels that lie so far along the path."""

    @abstractmethod
    def slope(self, level: Level) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Return the derivatives of α and of σ by the coordinate, of which α · slope of σ − σ · slope of α = 1."""

    def level(self, time: Float[Tensor, "..."]) -> Level:
        """Return the levels at times in [0, 1]."""
        return self.level_of(self.shift * self.scheduled(time))

    def within(self, lowest: float, highest: float) -> tuple[float, float]:
        """Return these two σ/α, brought below the process's last one where they are beyond it."""
        last = float(self.level(torch.ones((), dtype=torch.float64)).ratio)
        return min(lowest, last / 2), min(highest, last)

    def velocity(self, denoised: Denoised, level: Level) -> Float[Tensor, "..."]:
        """Return dx/du along the path of a denoised example: the slope of α · clean + the slope of σ · noise.

        That is the probability flow: Song et al., Score-Based Generative Modeling through Stochastic Differential
        Equations, 2021, https://arxiv.org/abs/2011.13456.
        """
        alpha, sigma = self.slope(level)
        return alpha * denoised.clean + sigma * denoised.noise


@dataclass(frozen=True)
class VariancePreserving(Process):
    """α² + σ² = 1: the levels lie on a circle, and the coordinate is their angle."""

    def level_of(self, ratio: Float[Tensor, "..."]) -> Level:
        """Return cosine and sine of the angle."""
        hypotenuse = (1 + ratio.square()).sqrt()
        return Level(1 / hypotenuse, torch.where(ratio.isinf(), 1.0, ratio / hypotenuse))

    def coordinate(self, level: Level) -> Float[Tensor, "..."]:
        """Return the angle, 0 to π/2."""
        return torch.atan2(level.sigma, level.alpha)

    def at_coordinate(self, coordinate: Float[Tensor, "..."]) -> Level:
        """Return cosine and sine of the angle."""
        return Level(coordinate.cos(), coordinate.sin())

    def slope(self, level: Level) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Return the derivatives of cosine and sine."""
        return -level.sigma, level.alpha


@dataclass(frozen=True)
class Linear(VariancePreserving):
    """β rises linearly with time: α² = exp(−∫β).

    Ho et al., Denoising Diffusion Probabilistic Models, 2020, https://arxiv.org/abs/2006.11239, whose 1,000 steps these
    values are the limit of (Song et al., 2021, https://arxiv.org/abs/2011.13456, appendix C).

    Args:
        beta_first: β at time 0.
        beta_last: β at time 1.
        shift: see :class:`Process`.
    """

    beta_first: NonNegative = 0.1
    beta_last: Positive = 20.0

    def scheduled(self, time: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return √(1/α² − 1)."""
        integral = self.beta_first * time + (self.beta_last - self.beta_first) * time.square() / 2
        return integral.expm1().sqrt()


@dataclass(frozen=True)
class Cosine(VariancePreserving):
    """The angle rises linearly with time, from the offset on.

    Nichol and Dhariwal, Improved Denoising Diffusion Probabilistic Models, 2021, https://arxiv.org/abs/2102.09672.

    Args:
        offset: of time, so that the first noise is not too little to be seen; theirs is 0.008. The level at time 1 is
            pure noise, whatever it is.
        shift: see :class:`Process`.
    """

    offset: NonNegative = 0.0

    def scheduled(self, time: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the tangent of the angle, or what the offset makes of it."""
        first = torch.as_tensor(self.offset / (1 + self.offset) * pi / 2, dtype=time.dtype)
        angle = (time + self.offset) / (1 + self.offset) * pi / 2
        alpha = angle.cos().clamp(min=0.0) / first.cos()
        alpha = torch.where(time >= 1, 0.0, alpha)  # the cosine of a rounded right angle is not zero
        return (1 - alpha.square()).clamp(min=0.0).sqrt() / alpha


@dataclass(frozen=True)
class RectifiedFlow(Process):
    """α = 1 − σ: the levels lie on a straight line, and both the coordinate and the time are σ.

    Liu et al., Flow Straight and Fast, 2023, https://arxiv.org/abs/2209.03003; Lipman et al., Flow Matching for
    Generative Modeling, 2023, https://arxiv.org/abs/2210.02747.
    """

    def scheduled(self, time: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return t/(1 − t)."""
        return time / (1 - time)

    def level_of(self, ratio: Float[Tensor, "..."]) -> Level:
        """Return 1/(1 + ratio), and what is missing to 1."""
        alpha = 1 / (1 + ratio)
        return Level(alpha, torch.where(ratio.isinf(), 1.0, ratio * alpha))

    def coordinate(self, level: Level) -> Float[Tensor, "..."]:
        """Return σ."""
        return level.sigma

    def at_coordinate(self, coordinate: Float[Tensor, "..."]) -> Level:
        """Return what is missing to 1, and σ."""
        return Level(1 - coordinate, coordinate)

    def slope(self, level: Level) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Return −1 and 1."""
        return -torch.ones_like(level.sigma), torch.ones_like(level.sigma)


@dataclass(frozen=True)
class VarianceExploding(Process):
    """α = 1, and σ rises from ``sigma_min`` to ``sigma_max`` so that its ρ-th root is linear in time.

    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (EDM), 2022,
    https://arxiv.org/abs/2206.00364.

    Args:
        sigma_min: σ at time 0, in units of content.
        sigma_max: σ at time 1.
        rho: the more, the nearer to 0 are the levels at uniform times.
        shift: see :class:`Process`.

    Raises:
        ConfigError: ``sigma_min`` is not below ``sigma_max``.
    """

    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_min >= self.sigma_max:
            raise ConfigError(
                f"process.sigma_min: {self.sigma_min} is not below process.sigma_max={self.sigma_max}; lower it"
            )

    def scheduled(self, time: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return σ."""
        first, last = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (first + time * (last - first)) ** self.rho

    def level_of(self, ratio: Float[Tensor, "..."]) -> Level:
        """Return 1 and the ratio."""
        return Level(torch.ones_like(ratio), ratio)

    def coordinate(self, level: Level) -> Float[Tensor, "..."]:
        """Return σ."""
        return level.sigma

    def at_coordinate(self, coordinate: Float[Tensor, "..."]) -> Level:
        """Return 1 and σ."""
        return Level(torch.ones_like(coordinate), coordinate)

    def slope(self, level: Level) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Return 0 and 1."""
        return torch.zeros_like(level.sigma), torch.ones_like(level.sigma)
