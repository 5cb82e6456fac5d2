"""At which levels of noise a model is trained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import log, sqrt

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from genloom.diffusion.process import Level, Process
from genloom.errors import ConfigError
from genloom.limits import Positive
from genloom.part import Part

_GOLDEN = (sqrt(5) - 1) / 2


@dataclass(frozen=True)
class NoiseLevels(Part, ABC):
    """A distribution of levels, given by its quantiles.

    Args:
        stratified: spread the levels of a batch evenly over the distribution, from a random one on, which makes the
            loss vary less: Kingma et al., Variational Diffusion Models, 2021, https://arxiv.org/abs/2107.00630,
            appendix I. Here by steps of the golden ratio, which are even for any number of examples.
    """

    stratified: bool = True

    @abstractmethod
    def quantile(self, share: Float[Tensor, " num"], process: Process) -> Level:
        """Return the levels below which, in noise, these shares of the distribution lie; shares are inside [0, 1]."""

    def parts(self, level: Level, process: Process, num: int) -> Int64[Tensor, " batch"]:
        """Return in which of ``num`` equally probable parts of the distribution each level lies; 0 has least noise."""
        shares = torch.arange(1, num, device=level.sigma.device) / num
        return torch.bucketize(level.ratio.flatten(), self.quantile(shares, process).ratio.to(level.sigma))

    def draw(self, num: int, process: Process, rng: torch.Generator) -> Level:
        """Return ``num`` levels, on the device of ``rng``; fewer are the first of these."""
        if self.stratified:
            start = torch.rand(1, generator=rng, device=rng.device)
            share = (start + torch.arange(num, device=rng.device) * _GOLDEN) % 1
        else:
            share = torch.rand(num, generator=rng, device=rng.device)
        return self.quantile(share.clamp(1e-6, 1 - 1e-6), process)


@dataclass(frozen=True)
class Uniform(NoiseLevels):
    """Uniform in the process's time."""

    def quantile(self, share: Float[Tensor, " num"], process: Process) -> Level:
        """Return the levels at these times."""
        return process.level(share)


@dataclass(frozen=True)
class LogNormal(NoiseLevels):
    """log σ/α has a normal distribution, beside the process's shift.

    With mean −1.2 and std 1.2 that is EDM's (Karras et al., 2022, https://arxiv.org/abs/2206.00364). With mean 0 and
    std 1 the σ of a rectified flow is logit-normal, as in Esser et al., Scaling Rectified Flow Transformers, 2024,
    https://arxiv.org/abs/2403.03206.

    Args:
        mean: of log σ/α.
        std: of log σ/α.
        stratified: see :class:`NoiseLevels`.

    Raises:
        ConfigError: ``std`` is not above 0.
    """

    mean: float = -1.2
    std: Positive = 1.2

    def __post_init__(self) -> None:
        if not 0 < self.std < float("inf"):
            raise ConfigError(f"noise_levels.std: {self.std} is not above 0 and finite; 1.2 is usual")

    def quantile(self, share: Float[Tensor, " num"], process: Process) -> Level:
        """Return the levels at these quantiles."""
        normal = torch.special.ndtri(share.double()).to(share)
        return process.level_of((self.mean + log(process.shift) + self.std * normal).exp())


@dataclass(frozen=True)
class LogUniform(NoiseLevels):
    """Uniform in log σ/α, and so in the logarithm of the signal-to-noise ratio.

    Args:
        sigma_min: the lowest σ/α.
        sigma_max: the highest σ/α, unless the process ends before.
        stratified: see :class:`NoiseLevels`.

    Raises:
        ConfigError: ``sigma_min`` is not below ``sigma_max``.
    """

    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < float("inf"):
            raise ConfigError(
                f"noise_levels.sigma_min: {self.sigma_min} is not above 0 and below "
                f"noise_levels.sigma_max={self.sigma_max}; 0.002 and 80 are usual"
            )

    def quantile(self, share: Float[Tensor, " num"], process: Process) -> Level:
        """Return the levels at these shares of the way."""
        low, high = process.within(self.sigma_min, self.sigma_max)
        return process.level_of(low * (high / low) ** share)
