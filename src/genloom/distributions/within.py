"""Correlated normal numbers of which some are known to lie within limits."""

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from genloom.limits import Count

_JITTER = 1e-5  # added to variances, so that numbers that all but determine each other can be told apart


def draw_within(
    covariance: Float64[Tensor, "dim dim"],
    low: Float64[Tensor, "num dim"],
    high: Float64[Tensor, "num dim"],
    rng: torch.Generator,
    *,
    sweeps: Count = 20,
) -> Float64[Tensor, "num dim"]:
    """Return draws of N(0, Σ) with every number within its limits; infinite ones are none.

    Those with limits by Gibbs sampling, each given the others with limits (Geweke, Efficient Simulation from the
    Multivariate Normal and Student-t Distributions Subject to Linear Constraints, 1991); then the rest given these, by
    moving a free draw w to w + Σ Σ⁻¹ (u − w) over the numbers u with limits.

    Args:
        covariance: Σ.
        low: of each number of each draw.
        high: above ``low``, or the same, where a number is known.
        rng: on the CPU, as all tensors are.
        sweeps: over all numbers with limits.
    """
    held: Bool[Tensor, "num dim"] = low.isfinite() | high.isfinite()
    both = held.unsqueeze(1) & held.unsqueeze(2)
    eye = torch.eye(len(covariance), dtype=covariance.dtype)
    precision = torch.linalg.inv(torch.where(both, covariance + _JITTER * eye, eye))
    floor, ceiling = torch.special.ndtr(low), torch.special.ndtr(high)
    found = torch.special.ndtri((floor + ceiling) / 2).masked_fill(~held, 0.0)
    for _ in range(sweeps):
        for place in held.any(0).nonzero().squeeze(1).tolist():
            variance = 1 / precision[:, place, place]
            mean = found[:, place] - (precision[:, place] * found).sum(1) * variance
            drawn = _truncated(mean, variance.sqrt(), low[:, place], high[:, place], rng)
            found[:, place] = torch.where(held[:, place], drawn, 0.0)
    free = torch.randn(low.shape, generator=rng, dtype=low.dtype) @ torch.linalg.cholesky(covariance + _JITTER * eye).T
    apart = torch.einsum("nij,nj->ni", precision, (found - free) * held) * held
    return torch.where(held, found, free + apart @ covariance)


def _truncated(
    mean: Float64[Tensor, " num"],
    std: Float64[Tensor, " num"],
    low: Float64[Tensor, " num"],
    high: Float64[Tensor, " num"],
    rng: torch.Generator,
) -> Float64[Tensor, " num"]:
    """Return draws of N(mean, std²) between limits; of the tail beyond 8 standard deviations the nearer limit."""
    a, b = torch.special.ndtr((low - mean) / std), torch.special.ndtr((high - mean) / std)
    level = a + (b - a) * torch.rand(mean.shape, generator=rng, dtype=mean.dtype)
    drawn = mean + std * torch.special.ndtri(level.clamp(1e-15, 1 - 1e-15))
    return drawn.maximum(low).minimum(high)
