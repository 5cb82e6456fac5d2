"""95 % intervals: of a mean, by the jackknife, and of a ratio; plain numbers, so that a report needs no torch.

The delete-a-block jackknife cuts a sample into B blocks and takes the quantity θ without each of them: the variance of
θ is about (B − 1)/B Σ_b (θ₋b − mean θ₋)². It needs no image twice, as the bootstrap does, which raises every distance
that is biased upwards for few images. Where θ is nearly quadratic in the deviation of the sample from its distribution,
as a distance between two samples of one distribution is, the jackknife's variance is up to twice the true one on
average (Efron and Stein, The Jackknife Estimate of Variance, 1981, https://doi.org/10.1214/aos/1176345462): intervals
are then too wide rather than too narrow.
"""

import math
import statistics
from collections.abc import Sequence
from functools import cache

CONFIDENCE = 0.95
NUM_BLOCKS = 20  # of the jackknife

Interval = tuple[float, float]


def half_width(interval: Interval) -> float:
    """Return half the distance between the ends."""
    return (interval[1] - interval[0]) / 2


@cache
def t_quantile(degrees: int) -> float:
    """Return the t that Student's distribution exceeds in absolute value with probability 1 - ``CONFIDENCE``.

    For whole degrees of freedom its distribution function is a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4),
    which is inverted by bisection: exact to rounding, without scipy's second of importing.

    Args:
        degrees: of freedom, at least 1.
    """

    def inside(angle: float) -> float:  # the probability of |T| < sqrt(degrees) tan(angle)
        odd = degrees % 2
        term = math.cos(angle) if odd else 1.0
        total = term if degrees > 1 else 0.0
        for k in range(2 + odd, degrees - 1, 2):
            term *= math.cos(angle) ** 2 * (k - 1) / k
            total += term
        return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total

    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < CONFIDENCE else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def of_mean(values: Sequence[float]) -> Interval:
    """Return the interval of the mean of at least 2 independent values, by Student's t."""
    mean, half = statistics.fmean(values), t_quantile(len(values) - 1) * statistics.stdev(values)
    return mean - half / math.sqrt(len(values)), mean + half / math.sqrt(len(values))


def jackknife(value: float, without: Sequence[float], *, is_square: bool = False) -> Interval:
    """Return the interval of ``value`` from its values without one block each, by Student's t.

    Args:
        value: of everything.
        without: of everything but one block each.
        is_square: whether it is a square, or of that kind: never negative, and skewed near zero. Then the interval is
            that of its root, squared, so it never reaches below zero.
    """
    if is_square:
        return _squared(math.sqrt(max(value, 0.0)), _spread([math.sqrt(max(each, 0.0)) for each in without]))
    half = _spread(without)
    return value - half, value + half


def _spread(without: Sequence[float]) -> float:
    return t_quantile(len(without) - 1) * math.sqrt((len(without) - 1) * statistics.pvariance(without))


def _squared(root: float, half: float) -> Interval:
    return max(root - half, 0.0) ** 2, (root + half) ** 2


def of_ratio(
    numerator: float, its_interval: Interval | None, denominator: float, other_interval: Interval | None
) -> Interval | None:
    """Return the interval of a ratio of independent numbers, by the delta method; None if neither has one.

    A positive ratio's is that of its root, squared.

    Args:
        numerator: any number.
        its_interval: None if it is exact.
        denominator: a positive number.
        other_interval: None if it is exact.
    """
    if its_interval is None and other_interval is None:
        return None
    ratio = numerator / denominator
    above, below = (half_width(each) if each else 0.0 for each in (its_interval, other_interval))
    half = math.hypot(above, ratio * below) / denominator
    if ratio <= 0:
        return ratio - half, ratio + half
    return _squared(math.sqrt(ratio), half / (2 * math.sqrt(ratio)))
