"""Which column of a table holds points in time, and what these are; every refusal names file, line and column."""

from collections.abc import Sequence

import numpy as np

from genloom.data.series.time_grid import Times
from genloom.data.tables import stamps
from genloom.data.tables.table import Table, listed, shown
from genloom.errors import DataError

_NAMES = ("time", "timestamp", "datetime", "date", "ds")


def found(table: Table, excluded: Sequence[str] = (), form: str | None = None) -> str:
    """Return the column that holds the times: by its name, or because no other looks like one.

    Args:
        table: to be looked at.
        excluded: columns that have another use.
        form: how times are written, see :func:`times`.

    Raises:
        DataError: there is none, or there are several.
    """
    candidates = [name for name in table.columns if name not in excluded]
    named = [name for name in candidates if name.strip().lower() in _NAMES]
    fitting = named or [name for name in candidates if _looks_like_times(table, name, form)]
    if len(fitting) != 1:
        several = f"{' and '.join(fitting[:5])} could be it" if fitting else "none looks like it"
        both = ",".join(f'"{name}"' for name in fitting[:2])
        together = f", or set 'data.time=[{both}]' where they say it together" if fitting else ""
        raise DataError(
            f"{table.path}: which column holds the time? Of {listed(table.columns)}, {several}; set data.time{together}"
        )
    return fitting[0]


def joined(table: Table, columns: Sequence[str]) -> str:
    """Add a column of what several hold together, parted by blanks, as date and time; return its name."""
    import polars as pl

    name = " ".join(columns)
    texts = [table.as_texts(column).fill_null("") for column in columns]
    table.frame = table.frame.with_columns(pl.concat_str(texts, separator=" ").str.strip_chars().alias(name))
    return name


def _looks_like_times(table: Table, column: str, form: str | None) -> bool:
    import polars as pl

    cells = table.frame[column]
    if cells.dtype.is_temporal():
        return True
    if cells.dtype != pl.String or column in table.numeric:
        return False
    first = table.as_texts(column).drop_nulls()
    return len(first) > 0 and (stamps.parsed(first[0], form) if form is None or "%" in form else None) is not None


def times(table: Table, column: str, form: str | None = None) -> Times:
    """Return the times of all rows.

    Args:
        table: that has them.
        column: of ISO time stamps, with or without distance from UTC; or of whole numbers.
        form: how they are written, for ``strptime``; None is ISO 8601.

    Raises:
        DataError: a cell is empty, holds something else, or has a zone where others have none.
    """
    import polars as pl

    cells = table.frame[column]
    if cells.null_count():
        row = int(cells.is_null().to_numpy().argmax())
        raise DataError(f"{table.place(row)}, column {column!r}: the time is missing; every row needs one")
    if cells.dtype.is_integer() and form is None:
        _check_steps(table, column, [str(cell) for cell in cells.to_list()])
        return Times(cells.cast(pl.Int64).to_numpy(), numbered=True)
    if cells.dtype == pl.Date:
        cells = cells.cast(pl.Datetime("us"))
    if isinstance(cells.dtype, pl.Datetime):
        offsets = None
        if cells.dtype.time_zone is not None:
            ahead = cells.dt.base_utc_offset() + cells.dt.dst_offset()
            offsets = ahead.dt.total_microseconds().to_numpy()
        return Times(cells.dt.epoch("us").to_numpy(), offsets)
    texts = table.as_texts(column).fill_null("").to_list()
    if form in stamps.EPOCHS:
        return _counted_times(table, texts, column, form)
    if form in (None, "steps") and stamps.are_whole(texts):
        if form is None:
            _check_steps(table, column, texts)
        return Times(np.array([int(text) for text in texts], dtype=np.int64), numbered=True)
    return _parsed_times(table, texts, column, form)


def _check_steps(table: Table, column: str, texts: list[str]) -> None:
    """Refuse whole numbers that look like dates."""
    if form := stamps.look_like(texts):
        raise DataError(
            f"{table.place(0)}, column {column!r}: {texts[0]!r} looks like a time; set data.time_format={form}, "
            "or data.time_format=steps if the rows are numbered so"
        )


def _counted_times(table: Table, texts: list[str], column: str, form: str) -> Times:
    ticks = [stamps.counted(text, form) for text in texts]
    if None in ticks:
        row = ticks.index(None)
        raise DataError(
            f"{table.place(row)}, column {column!r}: {shown(texts[row])} is no number, as data.time_format={form} "
            "says; correct it, or set data.time_format to what it is"
        )
    return Times(np.array(ticks, dtype=np.int64))


def _parsed_times(table: Table, texts: list[str], column: str, form: str | None) -> Times:
    known = {text: stamps.parsed(text, form) for text in dict.fromkeys(texts)}
    first = known[texts[0]]
    zoned = first is not None and first[1] is not None
    unfit = {text for text, stamp in known.items() if stamp is None or (stamp[1] is not None) != zoned}
    if unfit:
        row = next(row for row, text in enumerate(texts) if text in unfit)
        where = f"{table.place(row)}, column {column!r}: {shown(texts[row])}"
        if known[texts[row]] is None:
            wanted = "YYYY-MM-DD HH:MM:SS" if form is None else form
            fitting = [f"'data.time_format=\"{each}\"'" for each in stamps.fitting(known)]
            remedy = (
                f"set {' or '.join(fitting)}"
                if fitting
                else ("correct it, or set data.time_format, as 'data.time_format=%d.%m.%Y %H:%M'")
            )
            raise DataError(f"{where} is no time of the form {wanted}; {remedy}")
        one, other = ("no distance from UTC", "has one") if zoned else ("a distance from UTC", "has none")
        raise DataError(f"{where} has {one}, {texts[0]!r} in the first row {other}; write all times in the same way")
    moments = [known[text] for text in texts]
    ticks = np.array([stamp[0] for stamp in moments if stamp is not None], dtype=np.int64)
    offsets = np.array([stamp[1] or 0 for stamp in moments if stamp is not None], dtype=np.int64)
    return Times(ticks, offsets if zoned else None)
