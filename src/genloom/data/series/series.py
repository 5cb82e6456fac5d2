"""Time series from a CSV or Parquet file, as windows; without a file, series made in code whose optimum is known."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from genloom.contents.series import CovariateScale, HistoryCondition, SeriesContent, SeriesWindows
from genloom.data.base import InMemoryData, Split
from genloom.data.series import time_column
from genloom.data.series.panel import Gaps, Panel, read_panel
from genloom.data.series.seasonal_process import SeasonalProcess, synthetic_panel
from genloom.data.series.windows import deviation, scaler, series_windows
from genloom.data.tables.table import Table, listed
from genloom.errors import ConfigError, DataError
from genloom.limits import Count
from genloom.spec import Spec

Calendar = Literal["hour", "weekday", "month"]
_log = logging.getLogger(__name__)
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Series(InMemoryData):
    """One series or many, windows of which are the examples: ``look_back`` steps of the past, ``horizon`` to forecast.

    Each series is divided by time, first training, then validation, then test rows. The content of a window lies within
    its split; its past may reach back into the split before. Targets are scaled by mean and standard deviation of the
    series' own training rows, numeric covariates by those of the training rows of all series.

    Without ``path``, ``num_series`` hourly series of ``length`` steps are made by
    :class:`~genloom.data.series.seasonal_process.SeasonalProcess`, and the windows know the errors of the best
    forecasts.

    Args:
        path: a .csv or .parquet file; its first line names the columns.
        time: the column of times, or several that say it together, as date and time of day; None finds it by name or
            content.
        time_format: how times are written, for ``strptime``; None is ISO 8601.
        separator: between the cells of a CSV; None is a comma, for .tsv a tab.
        decimal: how numbers are written, see :class:`~genloom.data.tables.table.Table`.
        series_id: the column that names the series; None if there is but one.
        targets: columns to forecast; None takes all numeric columns that have no other use.
        past_covariates: numeric columns, known up to the present.
        future_covariates: numeric columns, known ahead.
        static_covariates: columns that do not change within a series: numbers, or texts, which become one column for
            each value.
        calendar: which features of the time stamps are further columns known ahead: ``hour``, ``weekday``, ``month``.
        splits: shares of the rows of each series, or numbers of rows: training, validation, test.
        look_back: steps of the past that a model sees.
        horizon: steps that are forecast.
        season: steps after which the series repeats; None goes by the distance of the rows: a day for hours and less,
            a week for days, a year for weeks, months and quarters.
        gaps: what to do with missing rows and empty cells: ``error``; or ``fill`` to repeat the value before (the mean,
            if there is none), which is left out of the loss and the metrics.
        num_series: of those made in code.
        length: steps of those made in code.
        **in_memory: see :class:`~genloom.data.base.InMemoryData`.

    Raises:
        ConfigError: for an impossible argument.
        DataError: on reading, naming file, line and column.
    """

    def __init__(
        self,
        *,
        path: str | os.PathLike[str] | None = None,
        name: str = "series",
        time: str | Sequence[str] | None = None,
        time_format: str | None = None,
        separator: str | None = None,
        decimal: str | None = None,
        series_id: str | None = None,
        targets: Sequence[str] | None = None,
        past_covariates: Sequence[str] = (),
        future_covariates: Sequence[str] = (),
        static_covariates: Sequence[str] = (),
        calendar: Sequence[Calendar] = (),
        splits: Sequence[float] = (0.7, 0.1, 0.2),
        look_back: Count = 48,
        horizon: Count = 24,
        season: Count | None = None,
        gaps: Gaps = "error",
        num_series: Count = 1000,
        length: Count = 600,
        **in_memory: Any,
    ) -> None:
        super().__init__(name=name, **in_memory)
        for key, value in (
            *(("look_back", look_back), ("horizon", horizon), ("season", season or 1)),
            *(("num_series", num_series), ("length", length)),
        ):
            if value < 1:
                raise ConfigError(f"data.{key}: {value} is below the limit of 1")
        shares = all(0 < part < 1 for part in splits) and sum(splits) < 1 + 1e-9
        counts = all(part >= 1 and part == int(part) for part in splits)
        if len(splits) != 3 or not (shares or counts):
            raise ConfigError(
                f"data.splits: {list(splits)} must be three shares above 0 whose sum is at most 1, or three numbers of "
                "rows: of training, validation, test"
            )
        self.path = path
        self.time = (time,) if isinstance(time, str) else tuple(time or ())
        self.time_format = time_format
        self.separator = separator
        self.decimal = decimal
        self.series_id = series_id
        self.targets = None if targets is None else tuple(targets)
        self.past_covariates = tuple(past_covariates)
        self.future_covariates = tuple(future_covariates)
        self.static_covariates = tuple(static_covariates)
        self.calendar = tuple(calendar)
        self.splits = tuple(splits)
        self.look_back = look_back
        self.horizon = horizon
        self.season = season
        self.gaps: Gaps = gaps
        self.num_series = num_series
        self.length = length

    @property
    def classes(self) -> None:
        """Series have none."""
        return None

    def content(self) -> SeriesContent:
        """The targets, and how they are scaled."""
        return SeriesContent.of(self._whole.spec.content)

    def describe(self) -> Spec:
        """Return the specification; the same on every call and every rank."""
        return self._whole.spec

    def split(self, name: Split) -> SeriesWindows:
        """Return a split, reading the file at the first call."""
        windows = super().split(name)
        assert isinstance(windows, SeriesWindows)
        return windows

    def read(self, split: Split) -> SeriesWindows:
        """Return the windows whose content lies in a split, those of the first series first.

        Raises:
            DataError: a series is too short.
        """
        whole = self._whole
        starts = []
        for series, (start, bounds) in enumerate(zip(whole.panel.bounds, whole.bounds, strict=False)):
            begin, end = bounds[_SPLITS.index(split)], bounds[_SPLITS.index(split) + 1]
            first = max(begin - self.look_back, 0)
            if (num := end - first - self.look_back - self.horizon + 1) < 1:
                raise DataError(
                    f"{whole.panel.called(series)} has {bounds[-1]} rows, {end - begin} of them in the {split} split, "
                    f"which are too few for a window: data.look_back={self.look_back} and data.horizon={self.horizon} "
                    f"need {self.horizon + (self.look_back if split == 'train' else 0)} there; lower them, change "
                    "data.splits, or leave the series out"
                )
            starts.append(start + first + np.arange(num))
        return series_windows(whole.panel, whole.spec, starts=np.concatenate(starts), innovations=whole.innovations)

    @cached_property
    def _whole(self) -> "_Whole":
        panel, innovations = self._panel()
        targets = self._targets(panel)
        bounds = np.stack([self._divided(panel, series) for series in range(len(panel.names))])
        trained = np.arange(panel.bounds[-1]) < (panel.bounds[:-1] + bounds[:, 1])[panel.series]
        numeric = (*targets, *self.past_covariates, *self.future_covariates)
        if self.gaps == "error":
            panel.check_observed([*numeric, *self._numeric_statics(panel)], np.ones(len(trained), dtype=bool))
        clock = panel.clock
        if clock is None:
            raise DataError(f"{self.path}: no series has two rows; a forecast needs some past")
        if clock.numbered and self.calendar:
            raise DataError(f"data.calendar: {self.calendar[0]} is not known of numbered times; set data.calendar=[]")
        season = self.season or clock.season
        values = np.stack([panel.numbers[name] for name in targets], axis=1)
        scalers = []
        for series, (start, end) in enumerate(zip(panel.bounds, panel.bounds[:-1] + bounds[:, 1], strict=False)):
            scalers.append(scaler(panel.names[series], values[start:end], season))
            if (empty := np.isnan(values[start:end]).all(axis=0)).any():
                raise DataError(
                    f"{panel.called(series)} has no value of {targets[empty.argmax()]!r} in its {end - start} training "
                    "rows; leave the series or the target out"
                )
        condition = HistoryCondition(
            self.look_back,
            self.past_covariates,
            (*self.future_covariates, *(f"{name}_{part}" for name in self.calendar for part in ("sin", "cos"))),
            tuple(name for column in self.static_covariates for name in _static_names(panel, column)),
            self._scales(panel, trained),
            self.calendar,
            panel.time,
            panel.series_id,
            self.time if len(self.time) > 1 else (),
        )
        content = SeriesContent(self.horizon, targets, season, clock.frequency, tuple(scalers))
        if innovations is not None:
            innovations = innovations / np.array([each.std for each in scalers])[panel.series]
        return _Whole(panel, Spec(self.name, content, {"history": condition}), bounds, innovations)

    # Reading

    def _panel(self) -> tuple[Panel, Float64[np.ndarray, "rows channels"] | None]:
        if self.path is None:
            if self.past_covariates or self.future_covariates or self.static_covariates or self.series_id:
                raise ConfigError("data.path: null makes series without covariates; name a file")
            panel, sigma = synthetic_panel(SeasonalProcess(), self.num_series, self.length)
            innovations = sigma[:, None] * SeasonalProcess().innovations(self.num_series, self.length)
            return panel, innovations.reshape(-1, 1)
        table = Table(self.path, separator=self.separator, decimal=self.decimal)
        named = {
            "data.time": list(self.time),
            "data.series_id": [self.series_id] if self.series_id else [],
            "data.targets": list(self.targets or ()),
            "data.past_covariates": list(self.past_covariates),
            "data.future_covariates": list(self.future_covariates),
            "data.static_covariates": list(self.static_covariates),
        }
        uses: dict[str, str] = {}
        for key, columns in named.items():
            table.check(columns, key)
            for column in columns:
                if column in uses:
                    raise ConfigError(f"{key}: {column!r} is named in {uses[column]} already; it can have one use")
                uses[column] = key
        time = self._time(table, list(uses))
        uses[time] = "data.time"
        targets = self.targets or self._found(table, uses)
        if not targets:
            raise DataError(
                f"{table.path}: no column of {listed(table.columns)} is left to forecast that holds numbers; set "
                "data.targets"
            )
        texts = [name for name in self.static_covariates if name not in table.numeric]
        if unfit := [name for name in texts if "=" in name]:
            raise DataError(
                f"{table.path}: the name of column {unfit[0]!r} holds '=', which one-hot names use; rename it"
            )
        numbers = [*targets, *self.past_covariates, *self.future_covariates]
        numbers += [name for name in self.static_covariates if name not in texts]
        panel = read_panel(
            table,
            time=time,
            series_id=self.series_id,
            numbers=numbers,
            texts=texts,
            gaps=self.gaps,
            time_format=self.time_format,
        )
        return panel, None

    def _time(self, table: Table, uses: Sequence[str]) -> str:
        """Return the column of times; one more where several say it together."""
        if len(self.time) > 1:
            return time_column.joined(table, self.time)
        return self.time[0] if self.time else time_column.found(table, uses, self.time_format)

    def _found(self, table: Table, uses: Mapping[str, str]) -> tuple[str, ...]:
        """Return the numeric columns that have no other use; refuse one that would vanish for how it is written."""
        free = [name for name in table.columns if name not in uses]
        indices = [name for name in free if table.counts_rows(name)]
        for name in free:
            otherwise = "name the columns to forecast in data.targets"
            if name not in indices and (refusal := table.almost_numeric(name, otherwise)):
                raise DataError(refusal)
        if indices:
            _log.warning(
                f"{table.path}: {indices[0]!r} is taken for a row index, not for a target; data.targets names others"
            )
        found = tuple(name for name in table.numeric if name in free and name not in indices)
        others = [name for name in free if name not in found and name not in indices]
        if found and others:
            _log.warning(f"{table.path}: forecast is {listed(found, 5)}, and not, without numbers, {listed(others, 5)}")
        return found

    def _targets(self, panel: Panel) -> tuple[str, ...]:
        other = {*self.past_covariates, *self.future_covariates, *self.static_covariates}
        return tuple(name for name in panel.numbers if name not in other)

    def _numeric_statics(self, panel: Panel) -> list[str]:
        return [name for name in self.static_covariates if name in panel.numbers]

    def _divided(self, panel: Panel, series: int) -> Int64[np.ndarray, " bounds"]:
        """Return where in a series training, validation and test begin, and where the last ends."""
        length = int(panel.lengths[series])
        parts = np.array([0, *self.splits])
        if self.splits[0] < 1:
            return np.round(np.cumsum(parts) * length).astype(np.int64)
        if (wanted := int(parts.sum())) > length:
            raise DataError(
                f"data.splits: {list(self.splits)} are {wanted} rows; {panel.called(series)} has {length}; lower them, "
                "or give shares, as [0.7, 0.1, 0.2]"
            )
        return np.cumsum(parts).astype(np.int64)

    def _scales(self, panel: Panel, trained: Bool[np.ndarray, " rows"]) -> tuple[CovariateScale, ...]:
        samples = {name: panel.numbers[name][trained] for name in (*self.past_covariates, *self.future_covariates)}
        samples |= {name: np.array(panel.constant(name)) for name in self._numeric_statics(panel)}
        scales = []
        for name, values in samples.items():
            known = values[~np.isnan(values)]
            if not len(known):
                raise DataError(f"{self.path}: column {name!r} has no value in the training rows; leave it out")
            scales.append(CovariateScale(name, float(known.mean()), deviation(known)))
        return tuple(scales)


@dataclass(frozen=True)
class _Whole:
    """What was read: all rows, what they are, where the splits of each series begin and end, and what is known."""

    panel: Panel
    spec: Spec
    bounds: Int64[np.ndarray, "series bounds"]
    innovations: Float64[np.ndarray, "rows channels"] | None


def _static_names(panel: Panel, column: str) -> list[str]:
    if column in panel.numbers:
        return [column]
    return [f"{column}={value}" for value in sorted({str(value) for value in panel.constant(column)})]
