"""What the columns of a table are: found by their cells, or as the user says."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float, Float64, Int64

from genloom.contents.columns import dtypes
from genloom.contents.columns.base import Column, stripped
from genloom.contents.columns.category import CategoryColumn, written
from genloom.contents.columns.measured import DateColumn, NumberColumn
from genloom.contents.transforms import Transform
from genloom.data.tables import stamps
from genloom.data.tables.table import Table
from genloom.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["numeric", "integer", "categorical", "boolean", "date", "skip"]
_ID = re.compile(r"(?i:(?:^|[_\s-])(?:id|uuid|guid|key|nr|no|number))$|[a-z]I[Dd]$")
_DECIMALS = 9  # more are those of computed numbers
_EXACT = 2.0**53  # whole numbers beyond have no place of their own in double precision
_CHANCE = 1e-4  # with which a step may be none
_DISTINCT = 0.9  # share of the texts that differ: more are ids, or are written freely


@dataclass(frozen=True)
class Found:
    """What a column is taken for.

    Args:
        column: its name.
        kind: ``skip`` leaves it out.
        why: what was found there, in words.
    """

    column: str
    kind: Kind
    why: str

    def forced(self, kind: str) -> str:
        """Return the setting that takes the column for another kind, to be pasted into a shell."""
        if not self.column.isascii():  # Hydra's grammar knows no such names
            return f"{{{self.column}: {kind}}} below data.columns in a yaml file of yours"
        if re.fullmatch(r"[A-Za-z_][\w-]*", self.column):
            return f"data.columns.{self.column}={kind}"
        return f"'data.columns={{{re.sub(r'([^0-9A-Za-z_ ])', _escaped, self.column)}: {kind}}}'"


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0] in "-./%+@$?|" else "\\" + found[0]


def found(table: Table, column: str, date_format: str | None = None) -> Found:
    """Return what the cells of a column are, by all of them.

    Args:
        table: that has it.
        column: its name.
        date_format: of dates; None is ISO 8601.

    Raises:
        DataError: most cells are numbers, and one is not.
    """
    import polars as pl

    cells = table.frame[column]
    if cells.dtype.is_nested() or cells.dtype in (pl.Binary, pl.Duration, pl.Object, pl.Time):
        return Found(column, "skip", f"holds {cells.dtype}")
    texts = _there(table, column)
    distinct, num = texts.n_unique(), len(texts)
    if distinct <= 1 and num == len(cells):
        return Found(column, "skip", f"constant: {texts[0]}")
    if not num:
        return Found(column, "skip", "empty")
    if table.counts_rows(column):
        return Found(column, "skip", "counts the rows")
    if cells.dtype.is_temporal() or (cells.dtype == pl.String and _are_dates(texts, date_format)):
        return Found(column, "date", f"{num} times from {texts.min()} to {texts.max()}")
    if cells.dtype != pl.Boolean and column in table.numeric:
        return _found_numbers(table, column, distinct, num)
    if distinct <= 2:
        return Found(column, "boolean", " and ".join(sorted(texts.unique().to_list())))
    if refusal := table.almost_numeric(column, f"set {Found(column, 'skip', '').forced('categorical')}"):
        raise DataError(refusal)
    if num >= 20 and distinct > _DISTINCT * num:
        length = texts.str.len_chars().mean()
        return Found(column, "skip", f"ids, or free text: {distinct:,} of {num:,} differ, {length:.0f} characters")
    return Found(column, "categorical", f"{distinct:,} levels")


def _found_numbers(table: Table, column: str, distinct: int, num: int) -> Found:
    values = _numbers(table, column)
    values = values[~np.isnan(values)]
    low, high = f"{values.min():.6g}", f"{values.max():.6g}"
    if len(np.unique(values)) == 2:
        return Found(column, "boolean", f"{low} and {high}")
    if (values != np.floor(values)).any():
        return Found(column, "numeric", f"from {low} to {high}")
    if distinct == num and num >= 20:
        ordered = np.sort(values)
        if _ID.search(column) or (np.diff(ordered) == 1).all():
            return Found(column, "skip", f"ids: {num:,} whole numbers, all different")
    return Found(column, "integer", f"whole numbers from {low} to {high}")


def fitted(
    table: Table,
    column: Found,
    *,
    trained: Int64[np.ndarray, " trained"],
    transform: Transform,
    max_levels: int,
    date_format: str | None = None,
    find_steps: bool = True,
) -> tuple[Column, Float64[np.ndarray, " rows"]]:
    """Return a column with all that is to be known of it, and its cells as they are stored.

    Levels, decimals, steps and how often cells are missing are those of all rows, so that no row has a cell that the
    column does not know; limits, how often levels are, and what the transform needs are those of the training rows.

    Args:
        table: that has it.
        column: what it is taken for.
        trained: the training rows.
        transform: of numbers and dates, not fitted yet.
        max_levels: of categories; the rarest become one, "other".
        date_format: of dates; None is ISO 8601.
        find_steps: whether numbers may be taken for multiples of a step.

    Raises:
        DataError: it is not what it is taken for.
    """
    name = column.column
    if column.kind in ("categorical", "boolean"):
        category = _category(table, name, trained, max_levels)
        if column.kind == "boolean" and len(category.levels) > 2:
            raise DataError(
                f"{table.path}, column {name!r}: {len(category.levels)} levels are no boolean's; set "
                f"{column.forced('categorical')}"
            )
        return category, category.read(written(table.frame[name]), table.place)
    values = _dates(table, name, date_format) if column.kind == "date" else _numbers(table, name)
    known = values[trained][~np.isnan(values[trained])]
    if not len(known):
        raise DataError(
            f"{table.path}: column {name!r} has no value in the training rows; leave it out by {column.forced('skip')}"
        )
    there = values[~np.isnan(values)]
    shared = {
        "name": name,
        "transform": transform.fitted(known),
        "low": float(known.min()),
        "high": float(known.max()),
        "missing": float(np.isnan(values).mean()),
        "dtype": _dtype(table, name),
    }
    if column.kind == "date":
        form = date_format or _form(table, name, there)
        return DateColumn(form=form, step=_step(there), **shared), values
    decimals = _decimals(there.astype(np.float32) if shared["dtype"] == "Float32" else there)
    if column.kind == "integer" and decimals != 0:
        row = int(np.flatnonzero(values != np.floor(values))[0])
        raise DataError(
            f"{table.place(row)}, column {name!r}: {values[row]:g} is no whole number; set {column.forced('numeric')}"
        )
    step = _multiple(there, decimals) if find_steps else None
    return NumberColumn(decimals=decimals, step=step, **shared), values


def _there(table: Table, column: str) -> "pl.Series":
    """Return the texts of the cells that are there."""
    return stripped(table.as_texts(column)).drop_nulls()


def _numbers(table: Table, column: str) -> Float64[np.ndarray, " rows"]:
    numbers, other = table.as_numbers(column)
    values = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
    wrong = other.to_numpy() | np.isinf(values)
    if wrong.any():
        row = int(wrong.argmax())
        forced = Found(column, "numeric", "").forced
        raise DataError(
            f"{table.place(row)}, column {column!r}: {table.frame[column][row]!r:.60} is no finite number; correct it, "
            f"leave the cell empty, or set {forced('categorical')} or {forced('skip')}"
        )
    return values


def _are_dates(texts: "pl.Series", form: str | None) -> bool:
    if stamps.are_whole([texts[0]]) or stamps.parsed(texts[0], form) is None:
        return False
    return all(stamps.parsed(text, form) is not None for text in texts.unique().to_list())


def _dates(table: Table, column: str, form: str | None) -> Float64[np.ndarray, " rows"]:
    """Return seconds since 1970."""
    import polars as pl

    cells = table.frame[column]
    if cells.dtype.is_temporal():
        return (cells.cast(pl.Datetime("us")).dt.epoch("us") / 1e6).fill_null(np.nan).to_numpy()
    known = {text: stamps.parsed(text, form) for text in _there(table, column).unique().to_list()}
    if wrong := [text for text, stamp in known.items() if stamp is None]:
        row = int(table.as_texts(column).is_in(wrong).fill_null(False).to_numpy().argmax())
        where = f"{table.place(row)}, column {column!r}: {table.frame[column][row]!r:.60}"
        raise DataError(
            f"{where} is no time of the form {form or 'YYYY-MM-DD'}; correct it, set data.date_format, or set "
            f"{Found(column, 'date', '').forced('categorical')}"
        )
    if len({stamp[1] is None for stamp in known.values() if stamp is not None}) > 1:
        raise DataError(
            f"{table.path}, column {column!r}: some times say their distance from UTC, others don't; write all in the "
            "same way"
        )
    seconds = {text: stamp[0] / 1e6 for text, stamp in known.items() if stamp is not None}
    return (
        table.as_texts(column)
        .replace_strict(seconds, default=None, return_dtype=pl.Float64)
        .fill_null(np.nan)
        .to_numpy()
        .astype(np.float64)
    )


def _form(table: Table, column: str, seconds: Float64[np.ndarray, " there"]) -> str:
    """Return how the first cell is written; days alone if all are days."""
    import polars as pl

    day = "%Y-%m-%d"
    cells = table.frame[column]
    if cells.dtype.is_temporal():
        return day if cells.dtype == pl.Date else f"{day} %H:%M:%S"
    first = _there(table, column)[0]
    stamp = stamps.parsed(first, None)
    day = "%Y/%m/%d" if "/" in first else day
    zone = "+00:00" if stamp is not None and stamp[1] is not None else ""
    if not zone and (seconds % 86_400 == 0).all():
        return day
    return f"{day}{'T' if 'T' in first else ' '}%H:%M:%S{'%.6f' if (seconds % 1).any() else ''}{zone}"


def _step(seconds: Float64[np.ndarray, " there"]) -> float:
    """Return the longest of a day, an hour, a minute, a second and a microsecond that all are whole steps of."""
    return next((step for step in (86_400.0, 3600.0, 60.0, 1.0) if (seconds % step == 0).all()), 1e-6)


def _decimals(values: Float[np.ndarray, " there"]) -> int | None:
    """Return how many decimals the numbers have at most, to their precision; None if nobody would write as many."""
    for decimals in range(_DECIMALS + 1):
        if (np.round(values.astype(np.float64), decimals).astype(values.dtype) == values).all():
            return decimals
    return None


def _multiple(values: Float64[np.ndarray, " there"], decimals: int | None) -> float | None:
    """Return the largest number that all are whole multiples of, beside one unit of their last decimal.

    None if there is no other, or so few that it may be by chance: n different numbers without a step are all multiples
    of g units with a probability of about 1 / gⁿ.
    """
    if decimals is None or np.abs(values).max() * 10.0**decimals > _EXACT:
        return None
    units = np.unique(np.rint(values * 10.0**decimals).astype(np.int64))
    units = units[units != 0]
    step = int(np.gcd.reduce(units)) if len(units) else 0
    return step / 10.0**decimals if step > 1 and len(units) * np.log(step) > -np.log(_CHANCE) else None


def _dtype(table: Table, column: str) -> str | None:
    return None if table.is_csv else dtypes.name(table.frame[column].dtype)


def _category(table: Table, column: str, trained: Int64[np.ndarray, " trained"], max_levels: int) -> CategoryColumn:
    texts = stripped(written(table.frame[column]))
    num_missing = texts.null_count()
    counts = dict(texts[trained].drop_nulls().value_counts().iter_rows())
    levels = sorted(texts.drop_nulls().unique().to_list(), key=_by_number)
    if not levels:
        raise DataError(f"{table.path}: column {column!r} is empty; leave it out")
    other = len(levels) > max_levels
    if other:
        if max_levels < 2:
            raise ConfigError(f"data.max_levels: {max_levels} is below the limit of 2")
        frequent = sorted(levels, key=lambda level: -counts.get(level, 0))[: max_levels - 1]
        rest = next(name for name in ("other", "(other)", "((other))") if name not in frequent)
        counts[rest] = sum(count for level, count in counts.items() if level not in set(frequent))
        levels = [*sorted(frequent, key=_by_number), rest]
    return CategoryColumn(
        column,
        tuple(levels),
        tuple(counts.get(level, 0) for level in levels),
        missing=num_missing / len(texts),
        other=other,
        dtype=_dtype(table, column),
    )


def _by_number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return np.inf, text
