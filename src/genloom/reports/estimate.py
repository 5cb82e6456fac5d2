"""Means over seeds, and how far they may be off."""

import statistics
from dataclasses import dataclass
from functools import cached_property

from genloom.intervals import Interval, half_width, of_mean


@dataclass(frozen=True)
class Estimate:
    """One quantity over the seeds of a group.

    Args:
        values: of the runs that state it, at least one; None where it was undefined.
        stated: 95 % interval of the mean, where it is known otherwise than by the spread of the values.
    """

    values: tuple[float | None, ...]
    stated: Interval | None = None

    @cached_property
    def mean(self) -> float | None:
        """The mean; None if any value is undefined, since the mean of the others would flatter or slander."""
        known = [value for value in self.values if value is not None]
        return statistics.fmean(known) if len(known) == len(self.values) else None

    @cached_property
    def interval(self) -> Interval | None:
        """95 % interval of the mean: the stated one, or else by Student's t over the values; None if unknown."""
        known = [value for value in self.values if value is not None]
        if self.mean is None or self.stated is not None:
            return None if self.mean is None else self.stated
        return of_mean(known) if len(known) > 1 else None

    @cached_property
    def half_width(self) -> float | None:
        """Half the width of the interval; None if there is none."""
        return None if self.interval is None else half_width(self.interval)
