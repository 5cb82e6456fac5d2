"""Averages whose weight on each iteration is a power of its number, and what can be made of some of them afterwards.

After iteration t such an average of exponent γ holds each earlier iteration τ by a weight in proportion to τ^γ: its
profile. How wide that is depends on t alone, so it is said as a share of the run: σ_rel, the standard deviation of the
profile over t. A profile is nearly the sum of a few others with the right coefficients, whatever the weights of a
network did; so a few averages, kept at some iterations, give any other.

Karras et al., Analyzing and Improving the Training Dynamics of Diffusion Models (EDM2), 2024,
https://arxiv.org/abs/2312.02696, section 3 and appendix C.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64


class Profile(NamedTuple):
    """Of an average.

    Args:
        iteration: after which it was taken, from 1 on.
        gamma: its exponent.
    """

    iteration: int
    gamma: float


def gamma_of(sigma_rel: float) -> float:
    """Return the exponent of a profile as wide as this share of the run: the root of (γ + 1) = σ² (γ + 2)² (γ + 3).

    Args:
        sigma_rel: above 0, at most 0.28; from 0.29 on there is none.
    """
    inverse = sigma_rel**-2
    return float(np.roots([1, 7, 16 - inverse, 12 - inverse]).real.max())


def share_of_new(iteration: int, gamma: float) -> float:
    """Return by what share of the way an average moves towards its source in an iteration, from 1 on."""
    return 1.0 - (1.0 - 1.0 / iteration) ** (gamma + 1)


def coefficients(kept: Sequence[Profile], wanted: Profile) -> tuple[Float64[np.ndarray, " kept"], float]:
    """Return by what each average is to be multiplied, so that their sum has nearly the wanted profile.

    Returns:
        The coefficients of least squares, which are made to sum to 1; and the error of the profile that they give, over
        the wanted one, as norms.
    """
    inner = _products(kept, kept)
    against = _products(kept, [wanted])[:, 0]
    found = np.linalg.lstsq(inner, against, rcond=1e-12)[0]
    found /= found.sum()
    own = _products([wanted], [wanted]).item()
    left = own - 2 * found @ against + found @ inner @ found
    return found, float(np.sqrt(max(left, 0.0) / own))


def _products(ones: Sequence[Profile], others: Sequence[Profile]) -> Float64[np.ndarray, "ones others"]:
    """Return ∫ p q of each pair of profiles p(τ) = (γ + 1) τ^γ / t^(γ + 1), which end at their own iteration."""
    t, gamma = (column[:, None] for column in np.array(ones, dtype=float).T)
    u, delta = np.array(others, dtype=float).T
    earlier, later = np.minimum(t, u), np.maximum(t, u)
    exponent = np.where(t < u, delta, gamma)  # of the one that ends later
    return (gamma + 1) * (delta + 1) / (gamma + delta + 1) * (earlier / later) ** exponent / later
