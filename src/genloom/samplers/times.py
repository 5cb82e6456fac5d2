"""Which levels of noise a sampler of a diffusion model stops at, from noise to content."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from genloom.diffusion.process import Level, Process
from genloom.errors import ConfigError
from genloom.limits import Count, Positive
from genloom.part import Part


@dataclass(frozen=True)
class Times(Part, ABC):
    """A choice of levels."""

    @abstractmethod
    def ratios(self, process: Process, steps: int) -> Float64[Tensor, " steps"]:
        """Return σ/α where each step begins, in descending order, in double precision; the last step ends at 0."""

    def levels(self, process: Process, steps: int) -> Level:
        """Return ``steps`` levels, and that of clean content."""
        ratios = self.ratios(process, steps)
        return process.level_of(torch.cat([ratios, torch.zeros_like(ratios[:1])]))


@dataclass(frozen=True)
class Uniform(Times):
    """Uniform in the process's time, from its last one on: 1, 1 − 1/steps, …"""

    def ratios(self, process: Process, steps: int) -> Float64[Tensor, " steps"]:
        """Return those at uniform times."""
        return process.level(_falling(steps, include_last=False)).ratio


@dataclass(frozen=True)
class Trailing(Times):
    """Some of a number of discrete times that models of discrete time were trained at, 1/num … 1, from the last one on.

    Lin et al., Common Diffusion Noise Schedules and Sample Steps are Flawed, 2024, https://arxiv.org/abs/2305.08891.

    Args:
        num: discrete times.

    Raises:
        ConfigError: there are fewer of them than steps.
    """

    num: Count = 1000

    def ratios(self, process: Process, steps: int) -> Float64[Tensor, " steps"]:
        """Return those at the discrete times next to uniform ones."""
        if steps > self.num:
            raise ConfigError(f"sampler.steps: {steps} is above the limit of sampler.times.num={self.num}; raise that")
        return process.level((_falling(steps, include_last=False) * self.num).round() / self.num).ratio


@dataclass(frozen=True)
class Limited(Times):
    """Times that have no first or last one of their own, as their scale is endless at both ends.

    Args:
        sigma_min: σ/α of the last level before clean content.
        sigma_max: σ/α of the first level, unless the process ends before.

    Raises:
        ConfigError: ``sigma_min`` is not below ``sigma_max``.
    """

    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < float("inf"):
            raise ConfigError(
                f"sampler.times.sigma_min: {self.sigma_min} is not above 0 and below "
                f"sampler.times.sigma_max={self.sigma_max}"
            )


@dataclass(frozen=True)
class Rho(Limited):
    """The ρ-th root of σ/α is uniform.

    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models, 2022,
    https://arxiv.org/abs/2206.00364.

    Args:
        rho: the more, the more steps at little noise.
        sigma_min: see :class:`Limited`.
        sigma_max: see :class:`Limited`.
    """

    rho: Positive = 7.0

    def ratios(self, process: Process, steps: int) -> Float64[Tensor, " steps"]:
        """Return those whose roots are uniform."""
        low, high = (bound ** (1 / self.rho) for bound in process.within(self.sigma_min, self.sigma_max))
        return (low + (high - low) * _falling(steps)) ** self.rho


@dataclass(frozen=True)
class LogSnr(Limited):
    """The logarithm of σ/α is uniform, and so is that of the signal-to-noise ratio.

    Lu et al., DPM-Solver, 2022, https://arxiv.org/abs/2206.00927.

    Args:
        sigma_min: see :class:`Limited`.
        sigma_max: see :class:`Limited`.
    """

    def ratios(self, process: Process, steps: int) -> Float64[Tensor, " steps"]:
        """Return those whose logarithms are uniform."""
        low, high = process.within(self.sigma_min, self.sigma_max)
        return low * (high / low) ** _falling(steps)


def _falling(steps: int, *, include_last: bool = True) -> Float64[Tensor, " steps"]:
    """Return ``steps`` numbers from 1 down to 0, or to what is one step before."""
    if include_last:
        return torch.linspace(1, 0, steps, dtype=torch.float64)
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1]
