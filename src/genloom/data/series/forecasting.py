"""From a new table to what a model forecasts from, and back: forecasts as a table in the user's units."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from genloom.batch import History
from genloom.contents.series import HistoryCondition, Scaler, SeriesContent, SeriesWindows
from genloom.data.series import time_column
from genloom.data.series.panel import Gaps, Panel, read_panel
from genloom.data.series.time_grid import Times
from genloom.data.series.windows import scaler, series_windows
from genloom.data.tables.table import Table
from genloom.errors import DataError
from genloom.outlook import Forecast
from genloom.spec import Spec

if TYPE_CHECKING:
    import polars as pl

OnUnknown = Literal["error", "ignore"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Present:
    """Where each series of a table stands, and what a model sees of it.

    Args:
        spec: of the model.
        windows: the last ``look_back`` rows of each series, one window each; of the content nothing is observed.
        names: of the series.
        times: of the rows of all windows, one window after the other.
        scalers: of each series.
    """

    spec: Spec
    windows: SeriesWindows
    names: tuple[str, ...]
    times: Times
    scalers: Mapping[str, Scaler]

    @property
    def content(self) -> SeriesContent:
        """What is forecast."""
        return SeriesContent.of(self.spec.content)

    @property
    def history(self) -> History:
        """What a model sees of each series, as one batch."""
        return self.spec.batch(self.windows, torch.arange(len(self.windows))).given["history"]

    def stamps(self, series: int) -> tuple[list[str], list[str]]:
        """Return the times of the past and of the horizon of a series, in ISO form."""
        length = self.windows.past + self.windows.length
        texts = self.times[slice(series * length, (series + 1) * length)].texts()
        return texts[: self.windows.past], texts[self.windows.past :]

    def unscaled(
        self, values: Float[Tensor, "*any series steps channels"]
    ) -> Float[Tensor, "*any series steps channels"]:
        """Return values of each series in the user's units, in double precision."""
        mean, std = (
            torch.tensor([getattr(self.scalers[name], part) for name in self.names], dtype=torch.float64).unsqueeze(1)
            for part in ("mean", "std")
        )
        return values.detach().cpu().double() * std + mean

    def table(self, forecast: Forecast) -> "pl.DataFrame":
        """Return a row for each step of each series: its name, the time, then ``TARGET`` (the mean) and
        ``TARGET_LEVEL`` for each quantile, in the user's units.
        """
        import polars as pl

        condition, horizon = HistoryCondition.of(self.spec.given["history"]), self.content.horizon
        names: list[str] = []
        columns: list[np.ndarray | list[str]] = []

        def add(name: str, values: np.ndarray | list[str]) -> None:
            names.append(name)
            columns.append(values)

        if condition.series_id is not None:
            add(condition.series_id, np.repeat(np.array(self.names), horizon))
        length = self.windows.past + self.windows.length
        ahead = np.arange(len(self.names) * length) % length >= self.windows.past
        add(condition.time or "time", self.times[ahead].texts())
        mean = self.unscaled(forecast.mean)
        levels = [] if forecast.levels is None else forecast.levels.tolist()
        quantiles = [] if forecast.quantiles is None else self.unscaled(forecast.quantiles)
        for place, target in enumerate(self.content.channels):
            add(target, mean[..., place].flatten().numpy())
            for level, quantile in zip(levels, quantiles, strict=True):
                add(f"{target}_{level:.4g}", quantile[..., place].flatten().numpy())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(
                f"sampler.levels: the written table would have two columns called {twice[0]!r}; choose others, or "
                "train with that target renamed"
            )
        return pl.DataFrame(dict(zip(names, columns, strict=True)))


def read_present(
    path: str | os.PathLike[str],
    spec: Spec,
    *,
    gaps: Gaps = "error",
    time_format: str | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    on_unknown: OnUnknown = "error",
) -> Present:
    """Read a table with the columns that a model was trained on.

    The present of a series is its last row that holds a target. Rows after it give covariates that are known ahead. A
    series that the model was trained on keeps its scale; another is scaled by its rows up to the present.

    Args:
        path: a .csv or .parquet.
        spec: of the model.
        gaps: see :class:`~genloom.data.series.series.Series`, as the next two.
        time_format: how times are written.
        separator: between the cells of a CSV.
        decimal: how numbers are written, see :class:`~genloom.data.tables.table.Table`.
        on_unknown: whether a category that the model never saw is refused, or said and taken for none (``ignore``).

    Raises:
        DataError: naming file, line and column: a column is missing, a series is too short, its steps are others than
            those that the model was trained on, or what has to be known ahead is not.
    """
    content, condition = SeriesContent.of(spec.content), HistoryCondition.of(spec.given["history"])
    table = Table(path, separator=separator, decimal=decimal)
    known = condition.future_covariates[: len(condition.future_covariates) - 2 * len(condition.calendar)]
    scaled = {each.column for each in condition.scales}
    statics = list(dict.fromkeys(n if n in scaled else n.partition("=")[0] for n in condition.static_covariates))
    numbers = [*content.channels, *condition.past_covariates, *known, *(n for n in statics if n in scaled)]
    texts = [name for name in statics if name not in scaled]
    if condition.time_parts:
        table.check(condition.time_parts, "data.path")
        time_column.joined(table, condition.time_parts)
    time, series_id = condition.time or time_column.found(table), condition.series_id
    table.check([time, *([series_id] if series_id else []), *numbers, *texts], "data.path")
    panel = read_panel(
        table, time=time, series_id=series_id, numbers=numbers, texts=texts, gaps=gaps, time_format=time_format
    )
    _check_clock(panel, content)
    _check_categories(panel, condition, texts, on_unknown)
    presents = _presents(panel, content, condition.look_back)
    rows = np.arange(len(panel.source))
    after = rows - presents[panel.series]
    if gaps == "error":
        in_past = (after <= 0) & (after > -condition.look_back)
        panel.check_observed([*content.channels, *condition.past_covariates], in_past)
        panel.check_observed(known, (after <= content.horizon) & (after > -condition.look_back))
    scalers = _scalers(panel, presents, content)
    ahead = np.minimum(panel.bounds[1:] - 1 - presents, content.horizon)
    if known and ahead.min() < content.horizon:
        series = int(ahead.argmin())
        last = panel.times[presents[series : series + 1]].texts()[0]
        raise DataError(
            f"{panel.called(series)} ends {ahead[series]} rows after {last}, the last with a target; add rows up to "
            f"{content.horizon} after it that hold {', '.join(known)}, with empty targets"
        )
    extended = _extended(panel, presents, content.horizon)
    starts = extended.bounds[1:] - content.horizon - condition.look_back
    windows = series_windows(extended, spec, starts=starts, scalers=scalers)
    length = condition.look_back + content.horizon
    at = (starts[:, None] + np.arange(length)).reshape(-1)
    return Present(spec, windows, panel.names, extended.times[at], scalers)


def _check_categories(panel: Panel, condition: HistoryCondition, columns: Sequence[str], on_unknown: OnUnknown) -> None:
    assert panel.table is not None
    for column in columns:
        known = [n.partition("=")[2] for n in condition.static_covariates if n.partition("=")[0] == column]
        found = [str(value) for value in panel.constant(column)]
        if not (unknown := sorted(set(found) - set(known))):
            continue
        count = sum(value not in known for value in found)
        said = (
            f"{panel.table.path}, column {column!r}: {', '.join(map(repr, unknown[:5]))} "
            f"({count} of {len(found)} series) {'is' if len(unknown) == 1 else 'are'} unknown to the model, which was "
            f"trained on {', '.join(map(repr, known[:10]))}"
        )
        if on_unknown == "error":
            raise DataError(f"{said}; correct it, or set data.on_unknown=ignore, which takes it for none of them")
        _log.warning(f"{said}; taken for none of them")


def _check_clock(panel: Panel, content: SeriesContent) -> None:
    assert panel.table is not None
    if panel.clock is None:
        raise DataError(f"{panel.table.path}: no series has two rows; a forecast needs some past")
    if panel.clock.frequency != content.frequency:
        trained = "numbered" if content.frequency is None else f"{content.frequency:,g} s"
        raise DataError(
            f"{panel.table.path}: its steps are {panel.clock.named()}; the model was trained on steps of {trained}; "
            "resample the table"
        )


def _presents(panel: Panel, content: SeriesContent, look_back: int) -> Int64[np.ndarray, " series"]:
    """Return the last row of each series in which a target was observed."""
    filled = np.any([~np.isnan(panel.numbers[name]) for name in content.channels], axis=0)
    presents = []
    for series, (start, end) in enumerate(zip(panel.bounds, panel.bounds[1:], strict=False)):
        rows = np.flatnonzero(filled[start:end])
        num = int(rows[-1]) + 1 if len(rows) else 0
        if num < look_back:
            raise DataError(
                f"{panel.called(series)} has {num} rows up to its last value; the model looks back on {look_back}: add "
                "rows, or leave the series out"
            )
        presents.append(start + num - 1)
    return np.array(presents, dtype=np.int64)


def _scalers(panel: Panel, presents: Int64[np.ndarray, " series"], content: SeriesContent) -> dict[str, Scaler]:
    known = {each.series: each for each in content.scalers}
    values = np.stack([panel.numbers[name] for name in content.channels], axis=1)
    found = {}
    for series, (name, start, present) in enumerate(zip(panel.names, panel.bounds, presents, strict=False)):
        given = values[start : present + 1]
        empty = np.isnan(given).all(axis=0)
        if empty.any():
            target = content.channels[int(np.argmax(empty))]
            raise DataError(f"{panel.called(series)} has no value of {target!r}; leave the series out")
        found[name] = known.get(name) or scaler(name, given, content.season)
    return found


def _extended(panel: Panel, presents: Int64[np.ndarray, " series"], horizon: int) -> Panel:
    """Return the rows up to the present, and ``horizon`` more; of those that the panel lacks, nothing is observed."""
    assert panel.clock is not None
    rows, times = [], []
    for start, end, present in zip(panel.bounds, panel.bounds[1:], presents, strict=False):
        following = present + 1 + np.arange(horizon)
        rows.append(np.concatenate([np.arange(start, present + 1), np.where(following < end, following, -1)]))
        last = panel.times[np.full(horizon, present)]
        times += [panel.times[start : present + 1], panel.clock.after(last, 1 + np.arange(horizon))]
    offsets = None if panel.times.offsets is None else np.concatenate([each.offsets for each in times])
    taken = np.concatenate(rows)
    lengths = np.array([len(each) for each in rows])
    series = np.repeat(np.arange(len(lengths)), lengths)
    return replace(
        panel,
        bounds=np.concatenate([[0], lengths.cumsum()]),
        times=Times(np.concatenate([each.ticks for each in times]), offsets, panel.times.numbered),
        numbers={name: np.where(taken < 0, np.nan, values[taken]) for name, values in panel.numbers.items()},
        texts={name: values[np.where(taken < 0, presents[series], taken)] for name, values in panel.texts.items()},
        source=np.where(taken < 0, -1, panel.source[taken]),
    )
