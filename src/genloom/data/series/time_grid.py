"""Time stamps, and the regular grid that they stand on: so many seconds, so many calendar months, or numbered steps."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

SECOND = 1_000_000  # ticks
DAY = 86_400 * SECOND
MONTH_SECONDS = 2_629_746.0  # a twelfth of the Gregorian calendar's mean year

Ticks = Int64[np.ndarray, " rows"]


@dataclass(frozen=True)
class Times:
    """When each row was.

    Args:
        ticks: microseconds since 1970, in UTC if the zone is known, else as the clock showed it; or step numbers.
        offsets: microseconds by which local clocks were ahead of UTC; None without a zone.
        numbered: whether ``ticks`` are step numbers.
    """

    ticks: Ticks
    offsets: Ticks | None = None
    numbered: bool = False

    def __getitem__(self, index: np.ndarray | slice) -> "Times":
        return replace(self, ticks=self.ticks[index], offsets=None if self.offsets is None else self.offsets[index])

    @property
    def wall(self) -> Ticks:
        """What local clocks showed, in ticks."""
        return self.ticks if self.offsets is None else self.ticks + self.offsets

    def texts(self) -> list[str]:
        """Return them in ISO form; days alone where all are midnights."""
        if self.numbered:
            return [str(tick) for tick in self.ticks]
        wall = self.wall
        if self.offsets is None and not (wall % DAY).any():
            return np.datetime_as_string(wall.astype("M8[us]"), unit="D").tolist()
        unit = "s" if not (wall % SECOND).any() else "us"
        stamps = [text.replace("T", " ") for text in np.datetime_as_string(wall.astype("M8[us]"), unit=unit)]
        if self.offsets is None:
            return stamps
        minutes = (self.offsets // (60 * SECOND)).tolist()
        zones = [f"{'-' if ahead < 0 else '+'}{abs(ahead) // 60:02}:{abs(ahead) % 60:02}" for ahead in minutes]
        return [stamp + zone for stamp, zone in zip(stamps, zones, strict=True)]

    def calendar(self, feature: str) -> Float64[np.ndarray, "rows 2"]:
        """Return sine and cosine of where in the day (``hour``), week (``weekday``) or year (``month``) each row is."""
        wall = self.wall
        share = {
            "hour": (wall % DAY) / DAY,
            "weekday": (wall // DAY + 3) % 7 / 7,  # 1970 began on a Thursday; Monday is 0
            "month": wall.astype("M8[us]").astype("M8[M]").astype(np.int64) % 12 / 12,
        }[feature]
        return np.stack([np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)], axis=1)


@dataclass(frozen=True)
class Clock:
    """A regular grid.

    Args:
        step: ticks between two rows; calendar months between them if ``months``.
        months: whether steps are calendar months, to the same day and hour.
        day: of the month, counted from 0, on which rows stand; the last one in months that are too short.
        numbered: whether times are step numbers.
    """

    step: int
    months: bool = False
    day: int = 0
    numbered: bool = False

    @classmethod
    def of(cls, times: Times, firsts: Ticks) -> "Clock | None":
        """Return the most frequent step of ascending ``times``; None if no two rows belong together.

        Args:
            times: of each row.
            firsts: the first row of the series that each row belongs to.
        """
        differences = np.diff(times.ticks)[firsts[1:] == firsts[:-1]]
        if not len(differences):
            return None
        values, counts = np.unique(differences, return_counts=True)
        step = int(values[counts.argmax()])
        if not times.numbered and step >= 28 * DAY:
            month, day, _ = _parts(times.wall)
            months = np.diff(month)[firsts[1:] == firsts[:-1]]
            values, counts = np.unique(months, return_counts=True)
            monthly = cls(int(values[counts.argmax()]), True, int(day.max()))
            if monthly.step > 0 and not np.isnan(monthly.positions(times, firsts)).any():
                return monthly
        return cls(step, numbered=times.numbered)

    @property
    def frequency(self) -> float | None:
        """Seconds between two rows; None if they are numbered."""
        if self.numbered:
            return None
        return self.step * MONTH_SECONDS if self.months else self.step / SECOND

    @property
    def season(self) -> int:
        """Steps of the natural season: a day, a week, a year; 1 where there is none."""
        if self.numbered:
            return 1
        if self.months:
            return 12 // self.step if self.step < 12 and 12 % self.step == 0 else 1
        for length, up_to in ((DAY, DAY // 2), (7 * DAY, DAY), (364 * DAY, 7 * DAY)):
            if self.step <= up_to:
                return length // self.step if length % self.step == 0 else 1
        return 1

    def positions(self, times: Times, firsts: Ticks) -> Float64[np.ndarray, " rows"]:
        """Return how many steps each row is after the first of its series; no integers off the grid."""
        if not self.months:
            # a local day has 23 to 25 hours where clocks are changed
            ticks = times.ticks if self.numbered or self.step % DAY else times.wall
            positions = (ticks - ticks[firsts]) / self.step
            if times.offsets is not None and not self.step % DAY and _is_an_hour_apart(ticks % DAY):
                return positions.round()
            return positions
        month, day, rest = _parts(times.wall)
        expected = np.minimum(self.day, _last_day(month))
        on_grid = (day == expected) & (rest == rest[firsts])
        return np.where(on_grid, (month - month[firsts]) / self.step, np.nan)

    def after(self, start: Times, steps: Int64[np.ndarray, " rows"]) -> Times:
        """Return the times so many steps after ``start``, row by row; a local clock keeps its distance from UTC."""
        if not self.months:
            return replace(start, ticks=start.ticks + steps * self.step)
        month, _, rest = _parts(start.wall)
        month = month + steps * self.step
        days = month.astype("M8[M]").astype("M8[D]").astype(np.int64) + np.minimum(self.day, _last_day(month))
        wall = days * DAY + rest
        return replace(start, ticks=wall if start.offsets is None else wall - start.offsets)

    def named(self) -> str:
        """Return the step as a person says it."""
        if self.numbered:
            return f"{self.step}"
        if self.months:
            return f"{self.step} month{'s' * (self.step > 1)}"
        seconds = self.step / SECOND
        for length, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
            if seconds >= length and seconds % length == 0:
                return f"{seconds / length:.0f} {unit}{'s' * (seconds > length)}"
        return f"{seconds:g} s"


def _is_an_hour_apart(of_day: Ticks) -> bool:
    """Whether rows stand at two times of day, an hour apart: the same local time in summer and in winter, as UTC."""
    found = np.unique(of_day)
    return len(found) == 2 and found[1] - found[0] in (DAY // 24, DAY - DAY // 24)


def _parts(wall: Ticks) -> tuple[Ticks, Ticks, Ticks]:
    """Return months since 1970, the day of the month from 0, and ticks of the day."""
    stamps = wall.astype("M8[us]")
    months = stamps.astype("M8[M]")
    day = (stamps.astype("M8[D]") - months.astype("M8[D]")).astype(np.int64)
    return months.astype(np.int64), day, wall % DAY


def _last_day(month: Ticks) -> Ticks:
    return ((month + 1).astype("M8[M]").astype("M8[D]") - month.astype("M8[M]").astype("M8[D]")).astype(np.int64) - 1
