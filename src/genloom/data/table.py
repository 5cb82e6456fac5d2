"""A user's table, CSV or Parquet: columns of numbers, texts and times, every refusal naming file, line and column."""

import csv
import io
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from genloom.data.clock import Times
from genloom.errors import DataError

if TYPE_CHECKING:
    import polars as pl

TIME_NAMES = ("time", "timestamp", "datetime", "date", "ds")
_CSV, _PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")


class Table:
    """A file that was read.

    Cells of a CSV are kept as texts, so that each refusal can show what is written there.

    Args:
        path: a .csv, .tsv or .txt with a header, in UTF-8, or a .parquet.
        separator: between the cells of a CSV; None is a comma, for .tsv a tab.

    Raises:
        DataError: there is no such file, or it is no table.
    """

    def __init__(self, path: str | os.PathLike[str], *, separator: str | None = None) -> None:
        import polars as pl

        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such file; set data.path to a CSV or Parquet file")
        suffix = self.path.suffix.lower()
        if suffix not in _CSV + _PARQUET:
            raise DataError(f"{self.path}: {suffix or 'no suffix'} is none of {', '.join(_CSV + _PARQUET)}")
        self.is_csv = suffix in _CSV
        self.separator = separator or ("\t" if suffix == ".tsv" else ",")
        self.frame = self._read()
        filled = (~self.frame.select(pl.all_horizontal(pl.all().is_null())).to_series()).arg_true()
        self.frame = self.frame[: filled[-1] + 1 if len(filled) else 0]  # blank lines at the end are none
        if not len(self.frame):
            raise DataError(f"{self.path}: it holds no rows below the header")

    def _read(self) -> "pl.DataFrame":
        import polars as pl

        try:
            if not self.is_csv:
                return pl.read_parquet(self.path)
            content = self.path.read_bytes()
            self._check_text(content)
            return pl.read_csv(io.BytesIO(content), separator=self.separator, infer_schema=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            self._check_widths()
            raise DataError(f"{self.path}: it cannot be read as a table ({str(error).splitlines()[0]})") from error

    def _check_widths(self) -> None:
        """Refuse a line of a CSV with more cells than there are columns."""
        if not self.is_csv:
            return
        with self.path.open(encoding="utf-8-sig", newline="") as file, suppress(csv.Error):
            rows = csv.reader(file, delimiter=self.separator)
            width = len(next(rows, []))
            for cells in rows:
                if len(cells) > width:
                    raise DataError(
                        f"{self.path}, line {rows.line_num}: {len(cells)} cells where the first line names {width} "
                        f"columns; correct it, put quotes around a cell that holds {self.separator!r}, or set "
                        "data.separator"
                    )

    def _check_text(self, content: bytes) -> None:
        try:
            header = content.decode("utf-8-sig").partition("\n")[0].rstrip("\r")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{self.path}, line {line}: byte {error.start} is no UTF-8; save the file as UTF-8"
            ) from error
        if not header.strip():
            raise DataError(f"{self.path}: the first line is empty; it must name the columns")
        names = [name.strip('"') for name in header.split(self.separator)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{self.path}: two columns are called {twice[0]!r}; rename one")
        if len(names) == 1 and (found := [mark for mark in ";\t|" if mark in header]):
            raise DataError(
                f"{self.path}: its cells are separated by {found[0]!r}, not {self.separator!r}; set data.separator, as "
                f"'data.separator=\"{found[0]}\"'"
            )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.frame.columns

    def place(self, row: int) -> str:
        """Return how a person finds a row: the file, and the line of a CSV, whose header is line 1."""
        return f"{self.path}, line {row + 2}" if self.is_csv else f"{self.path}, row {row + 1}"

    def check(self, names: Sequence[str], key: str) -> None:
        """Refuse a column that is not there.

        Raises:
            DataError: naming ``key`` and the columns.
        """
        for name in names:
            if name not in self.columns:
                raise DataError(f"{key}: {self.path} has no column {name!r}; it has {', '.join(self.columns)}")

    def _texts(self, column: str) -> "pl.Series":
        """Return a column's cells as texts; None where they are empty."""
        import polars as pl

        texts = self.frame[column].cast(pl.String, strict=False).str.strip_chars()
        return texts.set(texts == "", None)

    def _numbers(self, column: str) -> tuple["pl.Series", "pl.Series"]:
        """Return numbers, None where there is none, and whether a cell holds something else."""
        import polars as pl

        cells = self.frame[column]
        if cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
            return cells.cast(pl.Float64), pl.repeat(False, len(cells), eager=True)
        texts = self._texts(column)
        texts = texts.set(texts.str.to_lowercase().is_in(["nan", "na", "null", "none"]), None)
        numbers = texts.cast(pl.Float64, strict=False)
        return numbers, numbers.is_null() & texts.is_not_null()

    @cached_property
    def numeric(self) -> tuple[str, ...]:
        """The columns that hold numbers: more than half of their filled cells do."""

        def holds_numbers(column: str) -> bool:
            numbers, other = self._numbers(column)
            return numbers.is_not_null().sum() > other.sum()

        return tuple(column for column in self.columns if holds_numbers(column))

    def numbers(self, column: str) -> Float64[np.ndarray, " rows"]:
        """Return a column of numbers; NaN where a cell is empty, ``NaN`` or ``NA``.

        Raises:
            DataError: a cell holds a text, or an infinite number.
        """
        numbers, other = self._numbers(column)
        values = numbers.fill_null(np.nan).to_numpy()
        wrong = other.to_numpy() | np.isinf(values)
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{self.place(row)}, column {column!r}: {self.frame[column][row]!r} is no finite number; correct it, "
                "leave the cell empty and set data.gaps=fill, or name other columns"
            )
        return values

    def texts(self, column: str, key: str) -> np.ndarray:
        """Return a column of texts.

        Raises:
            DataError: a cell is empty.
        """
        texts = self._texts(column)
        if texts.null_count():
            row = int(texts.is_null().to_numpy().argmax())
            raise DataError(f"{self.place(row)}, column {column!r}: the cell is empty; {key} needs a value in each row")
        return texts.to_numpy().astype(str)

    # Times

    def time_column(self, excluded: Sequence[str] = ()) -> str:
        """Return the column that holds the times: by its name, or because no other looks like one.

        Raises:
            DataError: there is none, or there are several.
        """
        candidates = [name for name in self.columns if name not in excluded]
        named = [name for name in candidates if name.strip().lower() in TIME_NAMES]
        found = named or [name for name in candidates if self._looks_like_times(name)]
        if len(found) != 1:
            several = f"{' and '.join(found)} could be it" if found else "none looks like it"
            raise DataError(
                f"{self.path}: which column holds the time? Of {', '.join(self.columns)}, {several}; set data.time"
            )
        return found[0]

    def _looks_like_times(self, column: str) -> bool:
        import polars as pl

        cells = self.frame[column]
        if cells.dtype.is_temporal():
            return True
        if cells.dtype != pl.String or column in self.numeric:
            return False
        first = self._texts(column).drop_nulls()
        return len(first) > 0 and _parsed(first[0], None) is not None

    def times(self, column: str, form: str | None = None) -> Times:
        """Return the times of all rows.

        Args:
            column: of ISO time stamps, with or without distance from UTC; or of whole numbers.
            form: how they are written, for ``strptime``; None is ISO 8601.

        Raises:
            DataError: a cell is empty, holds something else, or has a zone where others have none.
        """
        import polars as pl

        cells = self.frame[column]
        if cells.null_count():
            row = int(cells.is_null().to_numpy().argmax())
            raise DataError(f"{self.place(row)}, column {column!r}: the time is missing; every row needs one")
        if cells.dtype.is_integer() and form is None:
            return Times(cells.cast(pl.Int64).to_numpy(), numbered=True)
        if cells.dtype == pl.Date:
            cells = cells.cast(pl.Datetime("us"))
        if isinstance(cells.dtype, pl.Datetime):
            offsets = None
            if cells.dtype.time_zone is not None:
                ahead = cells.dt.base_utc_offset() + cells.dt.dst_offset()
                offsets = ahead.dt.total_microseconds().to_numpy()
            return Times(cells.dt.epoch("us").to_numpy(), offsets)
        texts = self._texts(column).fill_null("").to_list()
        if form is None and all(_WHOLE.fullmatch(text) for text in texts):
            return Times(np.array([int(text) for text in texts], dtype=np.int64), numbered=True)
        return self._parsed_times(texts, column, form)

    def _parsed_times(self, texts: list[str], column: str, form: str | None) -> Times:
        known = {text: _parsed(text, form) for text in dict.fromkeys(texts)}
        first = known[texts[0]]
        zoned = first is not None and first[1] is not None
        unfit = {text for text, stamp in known.items() if stamp is None or (stamp[1] is not None) != zoned}
        if unfit:
            row = next(row for row, text in enumerate(texts) if text in unfit)
            where = f"{self.place(row)}, column {column!r}: {texts[row]!r}"
            if known[texts[row]] is None:
                wanted = "YYYY-MM-DD HH:MM:SS" if form is None else form
                raise DataError(
                    f"{where} is no time of the form {wanted}; correct it, or set data.time_format, as '%d.%m.%Y %H:%M'"
                )
            one, other = ("no distance from UTC", "has one") if zoned else ("a distance from UTC", "has none")
            raise DataError(
                f"{where} has {one}, {texts[0]!r} in the first row {other}; write all times in the same way"
            )
        stamps = [known[text] for text in texts]
        ticks = np.array([stamp[0] for stamp in stamps if stamp is not None], dtype=np.int64)
        offsets = np.array([stamp[1] or 0 for stamp in stamps if stamp is not None], dtype=np.int64)
        return Times(ticks, offsets if zoned else None)


_WHOLE = re.compile(r"[+-]?\d{1,18}")
_YEAR_FIRST = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")
_TICK = timedelta(microseconds=1)


def _parsed(text: str, form: str | None) -> tuple[int, int | None] | None:
    """Return ticks and, where the zone is known, how far its clocks are ahead of UTC; None if ``text`` is no time."""
    try:
        if form is not None:
            stamp = datetime.strptime(text, form)
        else:
            text = _YEAR_FIRST.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", text)
            stamp = datetime.fromisoformat(f"{text}-01" if len(text) == 7 else text)
    except ValueError:
        return None
    ahead = stamp.utcoffset()
    if ahead is None:
        return (stamp - datetime(1970, 1, 1)) // _TICK, None
    return (stamp - datetime(1970, 1, 1, tzinfo=UTC)) // _TICK, ahead // _TICK
