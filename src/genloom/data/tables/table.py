"""A user's table, CSV or Parquet: columns of numbers, texts and times, every refusal naming file, line and column."""

import logging
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from genloom.data.tables import csv_file, numerals
from genloom.errors import ConfigError, DataError, reason

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)
_CSV, _PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")
_UNPACKED = 2**30  # bytes that a Parquet file may hold however small it is
_MOST_PACKED = 100  # times its size that a larger one may hold


class Table:
    """A file that was read.

    Cells of a CSV are kept as texts, so that each refusal can show what is written there.

    Args:
        path: a .csv, .tsv or .txt with a header, in UTF-8, or a .parquet.
        separator: between the cells of a CSV, a tab also as ``\\t``; None is a comma, for .tsv a tab.
        decimal: the mark before the decimals of numbers as people write them, ``.`` or ``,``: the other one, blanks and
            apostrophes part thousands, and percent and currency signs are left out. None reads plain numbers only.

    Raises:
        ConfigError: ``decimal`` is another mark.
        DataError: there is no such file, or it is no table.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, separator: str | None = None, decimal: str | None = None
    ) -> None:
        import polars as pl

        if decimal not in (None, ".", ","):
            raise ConfigError(f"data.decimal: {decimal!r} is none of '.' and ','")
        self.decimal = decimal
        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such file; set data.path to a CSV or Parquet file")
        suffix = self.path.suffix.lower()
        if suffix not in _CSV + _PARQUET:
            raise DataError(f"{self.path}: {suffix or 'no suffix'} is none of {', '.join(_CSV + _PARQUET)}")
        self.is_csv = suffix in _CSV
        self.separator = {"\\t": "\t"}.get(separator or "", separator) or ("\t" if suffix == ".tsv" else ",")
        self._lines: Sequence[int] = ()
        self.frame = self._read()
        filled = (~self.frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
        self.frame = self.frame[: filled[-1] + 1 if len(filled) else 0]  # blank lines at the end are none
        if not len(self.frame):
            raise DataError(f"{self.path}: it holds no rows below the header")

    @classmethod
    def made(cls, frame: "pl.DataFrame", name: str) -> "Table":
        """Return a table that comes from no file.

        Args:
            frame: at least one row of typed columns.
            name: what messages call it.
        """
        table = object.__new__(cls)
        table.path, table.frame, table.is_csv, table.decimal = Path(name), frame, False, None
        return table

    def _read(self) -> "pl.DataFrame":
        import polars as pl

        try:
            if not self.is_csv:
                self._check_unpacked()
                return pl.read_parquet(self.path)
            content = self.path.read_bytes()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{self.path}: it cannot be read as a table ({reason(error)})") from error
        sheet = csv_file.read(self.path, content, self.separator)
        self._lines = sheet.lines
        return sheet.frame

    def _check_unpacked(self) -> None:
        """Refuse a small Parquet file that would fill the memory."""
        import polars as pl

        rows = pl.scan_parquet(self.path)
        num_rows = rows.select(pl.len()).collect().item()
        names = rows.collect_schema().names()
        csv_file.check_names(self.path, names)
        num_bytes = 8 * num_rows * len(names)
        if num_bytes > max(_UNPACKED, _MOST_PACKED * self.path.stat().st_size):
            raise DataError(
                f"{self.path}: it says that it holds {num_rows:,} rows, {num_bytes / 2**30:.1f} GiB, far more than "
                "such a file does; write it again with the rows that are needed"
            )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.frame.columns

    def place(self, row: int) -> str:
        """Return how a person finds a row: the file, and the line of a CSV, whose header is line 1."""
        if not self.is_csv:
            return f"{self.path}, row {row + 1}"
        return f"{self.path}, line {self._lines[row]}"

    def check(self, names: Sequence[str], key: str) -> None:
        """Refuse a column that is not there.

        Raises:
            DataError: naming ``key`` and the columns.
        """
        for name in names:
            if name not in self.columns:
                raise DataError(f"{key}: {self.path} has no column {name!r}; it has {listed(self.columns)}")

    def as_texts(self, column: str) -> "pl.Series":
        """Return a column's cells as texts; None where they are empty.

        Raises:
            DataError: they are lists, bytes or the like.
        """
        import polars as pl

        cells = self.frame[column]
        if cells.dtype.is_nested() or cells.dtype in (pl.Binary, pl.Duration, pl.Object):
            raise DataError(f"{self.path}: column {column!r} holds {cells.dtype}, no texts; name another column")
        texts = cells.cast(pl.String, strict=False).str.strip_chars()
        return texts.set(texts == "", None)

    def as_numbers(self, column: str) -> tuple["pl.Series", "pl.Series"]:
        """Return numbers, None where there is none, and whether a cell holds something else."""
        import polars as pl

        cells = self.frame[column]
        if cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
            return cells.cast(pl.Float64), pl.repeat(False, len(cells), eager=True)
        if cells.dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
            return pl.repeat(None, len(cells), dtype=pl.Float64, eager=True), cells.is_not_null()
        return numerals.parsed(self.as_texts(column), self.decimal)

    @cached_property
    def numeric(self) -> tuple[str, ...]:
        """The columns that hold numbers: more than half of their filled cells do."""

        def holds_numbers(column: str) -> bool:
            numbers, other = self.as_numbers(column)
            return numbers.is_not_null().sum() > other.sum()

        return tuple(column for column in self.columns if holds_numbers(column))

    def almost_numeric(self, column: str, otherwise: str) -> str | None:
        """Return the refusal of a column most of whose cells are numbers as people write them; None of another.

        Args:
            column: its name.
            otherwise: what there is to do but saying how decimals are written.
        """
        import polars as pl

        cells = self.frame[column]
        if cells.dtype != pl.String or column in self.numeric:
            return None
        texts = self.as_texts(column).drop_nulls()
        if not numerals.look_written(texts).sum() * 2 > len(texts):
            return None
        written = self.as_texts(column).str.contains(numerals.WRITTEN).fill_null(False) & self.as_numbers(column)[1]
        row = int(written.to_numpy().argmax())
        return (
            f"{self.place(row)}, column {column!r}: {shown(cells[row])} is no number{numerals.cause(cells[row])}; "
            f"{numerals.REMEDY}, or {otherwise}"
        )

    def counts_rows(self, column: str) -> bool:
        """Whether a column is a row index: without a name, and counting the rows."""
        if not column.startswith(csv_file.UNNAMED) and not re.fullmatch(_INDEX, column.strip().lower()):
            return False
        if column.startswith(csv_file.UNNAMED):
            return True
        values = self.as_numbers(column)[0].fill_null(np.nan).to_numpy()
        return bool((np.diff(values) == 1).all())

    def numbers(self, column: str) -> Float64[np.ndarray, " rows"]:
        """Return a column of numbers; NaN where a cell is empty, ``NaN`` or ``NA``.

        Raises:
            DataError: a cell holds a text, or a number that is not finite in single precision; or no cell a number.
        """
        if (cells := self.frame[column]).dtype.is_nested():
            raise DataError(f"{self.path}: column {column!r} holds {cells.dtype}, no numbers; name another column")
        numbers, other = self.as_numbers(column)
        values = numbers.fill_null(np.nan).to_numpy()
        wrong = other.to_numpy() | (np.abs(values) > _LARGEST)
        if wrong.any():
            row = int(wrong.argmax())
            cell = self.frame[column][row]
            cause = numerals.cause(cell) if other[row] else ""
            told = f"{numerals.REMEDY}, or " if cause else ""
            what = f"beyond {_LARGEST:g}" if np.isfinite(values[row]) else f"no finite number{cause}"
            raise DataError(
                f"{self.place(row)}, column {column!r}: {shown(cell)} is {what}; {told}correct it, leave the cell "
                "empty and set data.gaps=fill, or name other columns"
            )
        self._say_what_may_stand_for_none(column, values)
        return values

    def _say_what_may_stand_for_none(self, column: str, values: Float64[np.ndarray, " rows"]) -> None:
        for mark in _STANDING_FOR_NONE:
            others = values[(values != mark) & ~np.isnan(values)]
            times = int((values == mark).sum())
            if times < 2 or not len(others) or abs(mark - np.median(others)) <= 3 * np.ptp(others):
                continue
            _log.warning(
                f"{self.path}, column {column!r}: {mark:g} is there {times} times, far from the other values, "
                f"{others.min():g} to {others.max():g}; if it stands for none, leave those cells empty and set "
                "data.gaps=fill"
            )

    def texts(self, column: str, key: str) -> np.ndarray:
        """Return a column of texts.

        Raises:
            DataError: a cell is empty.
        """
        texts = self.as_texts(column)
        if texts.null_count():
            row = int(texts.is_null().to_numpy().argmax())
            raise DataError(f"{self.place(row)}, column {column!r}: the cell is empty; {key} needs a value in each row")
        return texts.to_numpy().astype(str)


_LARGEST = 1e30  # single precision ends at 3e38, and variances are of squares
#: names that row counters have, as pandas, R and data bases write them
_INDEX = (
    r"index|unnamed: \d+(?:\.\d+)?|level_0|__index_level_\d+__|\.{3}\d+|x|id|row|row_?(?:id|num|number)|no\.?|nr\.?"
)
#: written where nothing was measured by those whose files have no empty cells
_STANDING_FOR_NONE = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 1e20, -1e20)


def listed(names: Sequence[str], most: int = 30) -> str:
    """Return names for a message, those beyond ``most`` as their number, and long ones cut."""
    cut = ", ".join(name if len(name) <= 60 else f"{name[:60]}…" for name in names[:most])
    return cut if len(names) <= most else f"{cut} and {len(names) - most} more"


def shown(cell: object) -> str:
    """Return a cell for a message, a long one cut."""
    text = " ".join(repr(cell).split())
    return text if len(text) <= 60 else f"{text[:60]}… ({len(text):,} characters)"
