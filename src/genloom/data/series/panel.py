"""Several series on one regular grid of time: what a table holds once its gaps are found, and refused or filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from genloom.data.series import time_column
from genloom.data.series.time_grid import Clock, Times
from genloom.data.tables.table import Table
from genloom.errors import DataError

Gaps = Literal["error", "fill"]
_MOST_FILLED = 10  # a series may grow by this factor


@dataclass(frozen=True)
class Panel:
    """Rows of several series, one series after the other, each on the grid of ``clock``.

    Args:
        names: of the series.
        bounds: series ``s`` has the rows from ``bounds[s]`` to before ``bounds[s + 1]``.
        times: of each row.
        clock: the grid; None if no series has two rows.
        numbers: columns; NaN where nothing was observed.
        texts: columns of statics that are no numbers.
        source: row of the table that each row comes from; -1 where a gap was filled.
        time: the column of times.
        series_id: the column that names the series; None if there is but one.
        table: that the rows come from; None if they were made in code.
    """

    names: tuple[str, ...]
    bounds: Int64[np.ndarray, " bounds"]
    times: Times
    clock: Clock | None
    numbers: Mapping[str, Float64[np.ndarray, " rows"]]
    texts: Mapping[str, np.ndarray]
    source: Int64[np.ndarray, " rows"]
    time: str
    series_id: str | None = None
    table: Table | None = None

    @property
    def lengths(self) -> Int64[np.ndarray, " series"]:
        """Rows of each series."""
        return np.diff(self.bounds)

    @property
    def series(self) -> Int64[np.ndarray, " rows"]:
        """The series that each row belongs to."""
        return np.repeat(np.arange(len(self.names)), self.lengths)

    def called(self, series: int) -> str:
        """Return how a message names a series."""
        file = f"{self.table.path}: " if self.table else ""
        return f"{file}series {self.names[series]!r}" if self.names[series] else f"{file}the series"

    def check_observed(self, columns: Sequence[str], rows: Bool[np.ndarray, " rows"]) -> None:
        """Refuse empty cells among ``rows``.

        Raises:
            DataError: naming the first.
        """
        for column in columns:
            empty = np.isnan(self.numbers[column]) & rows & (self.source >= 0)
            if empty.any():
                assert self.table is not None
                place = self.table.place(int(self.source[empty].min()))
                raise DataError(
                    f"{place}, column {column!r}: the cell is empty; fill it, or set data.gaps=fill, which repeats the "
                    "value before and leaves it out of the loss and the metrics"
                )

    def constant(self, column: str) -> list[Any]:
        """Return a static column's value of each series; NaN where it has none.

        Raises:
            DataError: it changes within a series.
        """
        values = self.texts[column] if column in self.texts else self.numbers[column]
        known = (self.source >= 0) & (values == values)  # NaN is none
        found = []
        for name, start, end in zip(self.names, self.bounds, self.bounds[1:], strict=False):
            rows = np.flatnonzero(known[start:end]) + start
            changed = rows[values[rows] != values[rows[:1]]]
            if len(changed):
                assert self.table is not None
                raise DataError(
                    f"{self.table.place(int(self.source[changed[0]]))}, column {column!r}: {values[changed[0]]} comes "
                    f"after {values[rows[0]]} in series {name!r}; a static covariate does not change within a series: "
                    "name it among data.past_covariates or data.future_covariates"
                )
            found.append(values[rows[0]].item() if len(rows) else float("nan"))
        return found


def read_panel(
    table: Table,
    *,
    time: str,
    series_id: str | None,
    numbers: Sequence[str],
    texts: Sequence[str] = (),
    gaps: Gaps = "error",
    time_format: str | None = None,
) -> Panel:
    """Read columns of a table, and bring its rows in order.

    Args:
        table: the file.
        time: the column of times; they ascend within a series.
        series_id: the column that names the series, whose rows may alternate; None if there is but one.
        numbers: columns to read as numbers.
        texts: columns to read as texts.
        gaps: what to do with missing rows: ``error``, or ``fill`` to make empty ones.
        time_format: of the times, see :func:`genloom.data.series.time_column.times`.

    Raises:
        DataError: naming file, row and column.
    """
    columns = {name: table.numbers(name) for name in numbers}
    words = {name: table.texts(name, "data.static_covariates") for name in texts}
    times = time_column.times(table, time, time_format)
    if series_id is None:
        names, codes = ("",), np.zeros(len(table), dtype=np.int64)
    else:
        found, first, inverse = np.unique(
            table.texts(series_id, "data.series_id"), return_index=True, return_inverse=True
        )
        rank = np.argsort(np.argsort(first))  # in the order in which they come
        names, codes = tuple(found[np.argsort(first)].tolist()), rank[inverse]
    order = np.argsort(codes, kind="stable")
    codes, times = codes[order], times[order]
    bounds = np.searchsorted(codes, np.arange(len(names) + 1))
    firsts = bounds[codes]
    _check_ascending(table, time, series_id, times, codes, order)
    clock = Clock.of(times, firsts)
    if clock is None:
        return Panel(
            names, bounds, times, None, _taken(columns, order), _taken(words, order), order, time, series_id, table
        )
    positions = clock.positions(times, firsts)
    _check_regular(table, time, clock, positions, times, codes, order, gaps)
    steps = positions.astype(np.int64)
    lengths = steps[bounds[1:] - 1] + 1
    if (excess := lengths > _MOST_FILLED * np.diff(bounds)).any():
        series = int(excess.argmax())
        raise DataError(
            f"{table.path}: filling the gaps would make {lengths[series]:,} rows of the {np.diff(bounds)[series]:,} of "
            f"series {names[series]!r}; look for a wrong time in column {time!r}"
        )
    filled = np.concatenate([[0], lengths.cumsum()])
    source = np.full(filled[-1], -1)
    source[filled[codes] + steps] = order
    last_known = np.maximum.accumulate(np.where(source >= 0, np.arange(len(source)), 0))
    before = np.searchsorted(filled[codes] + steps, last_known, side="right") - 1  # row of the table's order
    stamps = clock.after(times[before], np.arange(len(source)) - last_known)
    return Panel(
        names, filled, stamps, clock, _taken(columns, source), _taken(words, source), source, time, series_id, table
    )


def _taken(columns: Mapping[str, np.ndarray], source: Int64[np.ndarray, " rows"]) -> dict[str, np.ndarray]:
    """Return the rows of each column; numbers of rows that are not in the table are NaN."""
    missing = source < 0
    taken = {name: values[source] for name, values in columns.items()}
    for values in taken.values():
        if values.dtype == np.float64:
            values[missing] = np.nan
    return taken


def _check_ascending(
    table: Table, time: str, series_id: str | None, times: Times, codes: np.ndarray, order: np.ndarray
) -> None:
    wrong = np.flatnonzero((np.diff(times.ticks) <= 0) & (codes[1:] == codes[:-1])) + 1
    if not len(wrong):
        return
    at = wrong[order[wrong].argmin()]
    text = times[at : at + 1].texts()[0]
    place = f"{table.place(int(order[at]))}, column {time!r}: {text}"
    several = "" if series_id else ", or set data.series_id to the column that names the series, if there are several"
    if times.ticks[at] < times.ticks[at - 1]:
        before = times[at - 1 : at].texts()[0]
        raise DataError(f"{place} comes after {before}; sort the rows by time{several}")
    within = " in its series" if series_id else ""
    zone = "" if times.numbered or times.offsets is not None else "; where clocks were put back, write +HH:MM behind it"
    raise DataError(f"{place} is there twice{within}; remove one row{several}{zone}")


def _check_regular(
    table: Table,
    time: str,
    clock: Clock,
    positions: Float64[np.ndarray, " rows"],
    times: Times,
    codes: np.ndarray,
    order: np.ndarray,
    gaps: Gaps,
) -> None:
    off = positions != np.round(positions)  # NaN too
    skipped = np.concatenate([[False], (np.diff(positions) > 1) & (codes[1:] == codes[:-1])])
    wrong = off if gaps == "fill" else off | skipped
    if not wrong.any():
        return
    at = np.flatnonzero(wrong)[order[wrong].argmin()]
    before, here = times[at - 1 : at + 1].texts()
    place = f"{table.place(int(order[at]))}, column {time!r}"
    if off[at]:
        raise DataError(
            f"{place}: {here} after {before} is not on the grid of {clock.named()}, the most frequent step; resample "
            "the table to regular steps, or number the rows and set data.time to that column"
        )
    num = int(positions[at] - positions[at - 1]) - 1
    raise DataError(
        f"{place}: {num} row{'s are' if num > 1 else ' is'} missing between {before} and {here}, in steps of "
        f"{clock.named()}; add {'them' if num > 1 else 'it'}, or set data.gaps=fill, which repeats the values before "
        "and leaves them out of the loss and the metrics"
    )
