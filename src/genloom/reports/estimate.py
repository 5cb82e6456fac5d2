"""Means over seeds, and how far they may be off."""

import math
import statistics
from dataclasses import dataclass
from functools import cache, cached_property

CONFIDENCE = 0.95


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


@dataclass(frozen=True)
class Estimate:
    """One quantity over the seeds of a group.

    Args:
        values: of the runs that state it, at least one; None where it was undefined.
    """

    values: tuple[float | None, ...]

    @cached_property
    def mean(self) -> float | None:
        """The mean; None if any value is undefined, since the mean of the others would flatter or slander."""
        known = [value for value in self.values if value is not None]
        return statistics.fmean(known) if len(known) == len(self.values) else None

    @cached_property
    def half_width(self) -> float | None:
        """Half the width of the mean's 95 % t interval; None for fewer than two values or an undefined one."""
        known = [value for value in self.values if value is not None]
        if len(known) < 2 or self.mean is None:
            return None
        return t_quantile(len(known) - 1) * statistics.stdev(known) / math.sqrt(len(known))
