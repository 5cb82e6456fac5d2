"""The normal distribution by its log-variance, as networks give it: density, draws, divergence."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LOG_2_PI = math.log(2 * math.pi)


def log_density(squared_errors: Tensor, log_variance: Tensor) -> Tensor:
    """Return −½ ((x − μ)²/σ² + log σ² + log 2π), nats, of each value.

    Args:
        squared_errors: (x − μ)².
        log_variance: log σ², broadcast against them.
    """
    return -0.5 * (squared_errors * (-log_variance).exp() + log_variance + LOG_2_PI)


@dataclass
class Normal:
    """N(mean, diag(exp(log_variance))).

    Args:
        mean: μ.
        log_variance: log σ².
    """

    mean: Float[Tensor, "*batch dim"]
    log_variance: Float[Tensor, "*batch dim"]

    def draw(self, k: int, rng: torch.Generator | None) -> Float[Tensor, "k *batch dim"]:
        """Return μ + σε; the gradient passes. Without ``rng`` the mean."""
        mean = self.mean.expand(k, *self.mean.shape)
        if rng is None:
            return mean
        noise = torch.randn(mean.shape, generator=rng, device=rng.device, dtype=mean.dtype).to(mean.device)
        return mean + (0.5 * self.log_variance).exp() * noise

    def log_prob(self, z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the log-density of each unit of z, whose leading axes are broadcast."""
        return log_density((z - self.mean).square(), self.log_variance)

    def kl(self, other: "Normal | None" = None) -> Float[Tensor, "*batch dim"]:
        """Return KL(self ‖ other) of each unit, nats; without another, to N(0, I)."""
        if other is None:
            return 0.5 * (self.mean.square() + self.log_variance.expm1() - self.log_variance)
        ratio = self.log_variance - other.log_variance
        shift = (self.mean - other.mean).square() * (-other.log_variance).exp()
        return 0.5 * (ratio.expm1() - ratio + shift)

    def detached(self) -> "Normal":
        """Return it without gradients."""
        return Normal(self.mean.detach(), self.log_variance.detach())
