"""The integral by which a distribution on an interval is normalised, right in single precision at any rate."""

import torch
from jaxtyping import Float
from torch import Tensor

_SERIES_BELOW = 0.5  # there e⁻ᵃ − 1 and the slope of its logarithm would lose digits; the series is right to 2e-12


def log_mean_decay(rate: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return log ∫₀¹ e⁻ᵃᵗ dt = log((1 − e⁻ᵃ) / a) of each rate a, at least 0; its gradient is finite everywhere."""
    small = rate < _SERIES_BELOW
    a = torch.where(small, rate, torch.zeros_like(rate))
    squares = a.square()
    # −a/2 + log(sinh(a/2) / (a/2))
    series = -a / 2 + squares / 24 * (1 - squares / 120 * (1 - squares / 63 * (1 - 3 * squares / 160)))
    b = torch.where(small, torch.ones_like(rate), rate)
    return torch.where(small, series, torch.log(-torch.expm1(-b)) - b.log())
