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

from genloom.data.series.time_grid import Times
from genloom.data.tables import csv_file, stamps
from genloom.errors import ConfigError, DataError, reason

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)
TIME_NAMES = ("time", "timestamp", "datetime", "date", "ds")
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
        texts = self.as_texts(column)
        texts = texts.set(texts.str.to_lowercase().is_in(_MISSING), None)
        plain = texts.str.replace(r"^\u{2212}\s*", "-")  # a minus sign that is no hyphen
        if self.decimal is not None:
            other = "," if self.decimal == "." else "."
            plain = plain.str.replace(r"^\((.*)\)$|^([^-]*\d)-$", "-${1}${2}")
            plain = plain.str.replace_all(rf"^(-?)\s*{_CURRENCY}\s*", "${1}").str.replace_all(
                rf"\s*(?:%|{_CURRENCY})$", ""
            )
            grouped = plain.str.contains(
                rf"^[-+]?\d{{1,3}}(?:[{other}'\s]\d{{2,3}})*[{other}'\s]\d{{3}}(?:[{self.decimal}]\d*)?$"
            ).fill_null(False)
            plain = plain.str.replace_all(rf"[{other}'\s]", "").zip_with(grouped, plain)
            if self.decimal == ",":
                plain = plain.str.replace_all(".", "?", literal=True).str.replace_all(",", ".", literal=True)
        numbers = plain.cast(pl.Float64, strict=False)
        return numbers, numbers.is_null() & texts.is_not_null()

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
        like = texts.str.contains(_WRITTEN) & ~texts.str.contains(r"^\d{1,2}\.\d{1,2}\.\d{2,4}$")  # no day.month.year
        if not like.sum() * 2 > len(texts):
            return None
        written = self.as_texts(column).str.contains(_WRITTEN).fill_null(False) & self.as_numbers(column)[1]
        row = int(written.to_numpy().argmax())
        return (
            f"{self.place(row)}, column {column!r}: {_shown(cells[row])} is no number{_cause(cells[row])}; {_DECIMAL}, "
            f"or {otherwise}"
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
            cause = _cause(cell) if other[row] else ""
            told = f"{_DECIMAL}, or " if cause else ""
            what = f"beyond {_LARGEST:g}" if np.isfinite(values[row]) else f"no finite number{cause}"
            raise DataError(
                f"{self.place(row)}, column {column!r}: {_shown(cell)} is {what}; {told}correct it, leave the cell "
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

    # Times

    def time_column(self, excluded: Sequence[str] = (), form: str | None = None) -> str:
        """Return the column that holds the times: by its name, or because no other looks like one.

        Args:
            excluded: columns that have another use.
            form: how times are written, see :meth:`times`.

        Raises:
            DataError: there is none, or there are several.
        """
        candidates = [name for name in self.columns if name not in excluded]
        named = [name for name in candidates if name.strip().lower() in TIME_NAMES]
        found = named or [name for name in candidates if self._looks_like_times(name, form)]
        if len(found) != 1:
            several = f"{' and '.join(found[:5])} could be it" if found else "none looks like it"
            both = ",".join(f'"{name}"' for name in found[:2])
            together = f", or set 'data.time=[{both}]' where they say it together" if found else ""
            raise DataError(
                f"{self.path}: which column holds the time? Of {listed(self.columns)}, {several}; set "
                f"data.time{together}"
            )
        return found[0]

    def joined(self, columns: Sequence[str]) -> str:
        """Add a column of what several hold together, parted by blanks, as date and time; return its name."""
        import polars as pl

        name = " ".join(columns)
        texts = [self.as_texts(column).fill_null("") for column in columns]
        self.frame = self.frame.with_columns(pl.concat_str(texts, separator=" ").str.strip_chars().alias(name))
        return name

    def _looks_like_times(self, column: str, form: str | None) -> bool:
        import polars as pl

        cells = self.frame[column]
        if cells.dtype.is_temporal():
            return True
        if cells.dtype != pl.String or column in self.numeric:
            return False
        first = self.as_texts(column).drop_nulls()
        return len(first) > 0 and (stamps.parsed(first[0], form) if form is None or "%" in form else None) is not None

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
            self._check_steps(column, [str(cell) for cell in cells.to_list()])
            return Times(cells.cast(pl.Int64).to_numpy(), numbered=True)
        if cells.dtype == pl.Date:
            cells = cells.cast(pl.Datetime("us"))
        if isinstance(cells.dtype, pl.Datetime):
            offsets = None
            if cells.dtype.time_zone is not None:
                ahead = cells.dt.base_utc_offset() + cells.dt.dst_offset()
                offsets = ahead.dt.total_microseconds().to_numpy()
            return Times(cells.dt.epoch("us").to_numpy(), offsets)
        texts = self.as_texts(column).fill_null("").to_list()
        if form in stamps.EPOCHS:
            return self._counted_times(texts, column, form)
        if form in (None, "steps") and stamps.are_whole(texts):
            if form is None:
                self._check_steps(column, texts)
            return Times(np.array([int(text) for text in texts], dtype=np.int64), numbered=True)
        return self._parsed_times(texts, column, form)

    def _check_steps(self, column: str, texts: list[str]) -> None:
        """Refuse whole numbers that look like dates."""
        if form := stamps.look_like(texts):
            raise DataError(
                f"{self.place(0)}, column {column!r}: {texts[0]!r} looks like a time; set data.time_format={form}, "
                "or data.time_format=steps if the rows are numbered so"
            )

    def _counted_times(self, texts: list[str], column: str, form: str) -> Times:
        ticks = [stamps.counted(text, form) for text in texts]
        if None in ticks:
            row = ticks.index(None)
            raise DataError(
                f"{self.place(row)}, column {column!r}: {_shown(texts[row])} is no number, as data.time_format={form} "
                "says; correct it, or set data.time_format to what it is"
            )
        return Times(np.array(ticks, dtype=np.int64))

    def _parsed_times(self, texts: list[str], column: str, form: str | None) -> Times:
        known = {text: stamps.parsed(text, form) for text in dict.fromkeys(texts)}
        first = known[texts[0]]
        zoned = first is not None and first[1] is not None
        unfit = {text for text, stamp in known.items() if stamp is None or (stamp[1] is not None) != zoned}
        if unfit:
            row = next(row for row, text in enumerate(texts) if text in unfit)
            where = f"{self.place(row)}, column {column!r}: {_shown(texts[row])}"
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
            raise DataError(
                f"{where} has {one}, {texts[0]!r} in the first row {other}; write all times in the same way"
            )
        moments = [known[text] for text in texts]
        ticks = np.array([stamp[0] for stamp in moments if stamp is not None], dtype=np.int64)
        offsets = np.array([stamp[1] or 0 for stamp in moments if stamp is not None], dtype=np.int64)
        return Times(ticks, offsets if zoned else None)


_DECIMAL = "set data.decimal to the mark before its decimals, as data.decimal=. or \"data.decimal=','\""
_CURRENCY = r"(?:[$€£¥₹₽₩]|kr|zł|EUR|USD|GBP|JPY|CHF|CNY|INR|RUB|BRL|CAD|AUD|SEK|NOK|DKK|PLN|CZK|KRW|MXN|ZAR|TRY)"
_WRITTEN = rf"^[-+(]?\s*{_CURRENCY}?\s*[-+]?\d[\d.,'\s]*\s*(?:%|{_CURRENCY}|-)?\)?$"  # a number as people write it
_LARGEST = 1e30  # single precision ends at 3e38, and variances are of squares
#: what programs write where there is no number
_MISSING = (
    "nan", "-nan", "na", "n/a", "#n/a", "#na", "<na>", "null", "none", "nil", "nat", "\\n", "-", "--", ".", "..", "?",
    "1.#qnan", "-1.#ind",
)  # fmt: skip
#: names that row counters have, as pandas, R and data bases write them
_INDEX = (
    r"index|unnamed: \d+(?:\.\d+)?|level_0|__index_level_\d+__|\.{3}\d+|x|id|row|row_?(?:id|num|number)|no\.?|nr\.?"
)
#: written where nothing was measured by those whose files have no empty cells
_STANDING_FOR_NONE = (-99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 1e20, -1e20)


def listed(names: Sequence[str], most: int = 30) -> str:
    """Return names for a message, those beyond ``most`` as their number, and long ones cut."""
    shown = ", ".join(name if len(name) <= 60 else f"{name[:60]}…" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _shown(cell: object) -> str:
    text = " ".join(repr(cell).split())
    return text if len(text) <= 60 else f"{text[:60]}… ({len(text):,} characters)"


def _cause(cell: object) -> str:
    """Return why a cell is no number though a person may read one."""
    text = str(cell)[:100]
    if not re.match(_WRITTEN, text.strip()):
        return ""
    for marks, cause in (("%", "a percent sign"), ("$€£¥₹₽₩", "a currency sign"), ("(", "brackets")):
        if any(mark in text for mark in marks):
            return f" ({cause})"
    if re.search(r"[A-Za-z]", text):
        return " (a currency)"
    return " (a minus behind it)" if text.strip().endswith("-") else " (a decimal comma or a thousands separator)"
