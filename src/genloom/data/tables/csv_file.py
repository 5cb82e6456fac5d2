"""A CSV by the letter of RFC 4180 and by what spreadsheets write: which cells each line holds, all of them as texts.

Where a quote occurs below the header, Python's ``csv`` reads, strictly; elsewhere nothing but separators can be meant,
and Polars is many times as fast.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genloom.contents.files import binary, decoded
from genloom.data.tables import stamps
from genloom.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

#: What a column is called whose name is empty, before the number of its place.
UNNAMED = "column without a name, "
_WEB_PAGE = re.compile(rb"\s*<(?:!doctype )?html", re.IGNORECASE)
_MOST_COLUMNS = 10_000  # so many are read in a second, and a hundred times as many in hours
_LONGEST_NAME = 1000  # characters
_TOLD = re.compile(rb'"?sep=([^"\r\n])"?(?:\r\n|\n|\r)', re.IGNORECASE)  # written by spreadsheets
_FIRST_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)?")


@dataclass(frozen=True)
class Sheet:
    """What a CSV holds.

    Args:
        frame: texts, None where a cell is empty.
        lines: of the file, on which each row begins; the file's first is 1.
    """

    frame: "pl.DataFrame"
    lines: Sequence[int]


def read(path: Path, content: bytes, separator: str) -> Sheet:
    """Return what the bytes of ``path`` hold, unless their first line says ``sep=`` with cells parted by ``separator``.

    Raises:
        DataError: naming the line: the bytes are no UTF-8, a quote stands where CSV has none, a row has more cells than
            there are columns, columns have no names or twice the same.
    """
    if what := binary(content):
        raise DataError(f"{path}: it is no CSV but {what}; save it as CSV")
    if _WEB_PAGE.match(content):
        raise DataError(f"{path}: it is no CSV but a web page, perhaps of an error; download the file again")
    if len(separator) != 1:
        raise ConfigError(
            f"data.separator: {separator!r} is no single character; set it to one, as ';', or \\t for a tab"
        )
    try:
        content = decoded(content).encode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: byte {error.start} is no UTF-8; save the file as UTF-8") from error
    above = 0
    if told := _TOLD.match(content):
        separator, content, above = told[1].decode(), content[told.end() :], 1
    sheet = None if b'"' in content else _unquoted(path, content, separator, above)
    sheet = sheet or _quoted(path, content.decode(), separator, above)
    return Sheet(_without_empty(sheet.frame), sheet.lines)


def _unquoted(path: Path, content: bytes, separator: str, above: int) -> Sheet | None:
    """Return what a file without quotes holds; None where Polars finds fault, which the other reader will name."""
    import polars as pl

    first = _FIRST_LINE.match(content)
    assert first is not None
    names = _named(path, first[0].decode().rstrip("\r\n").split(separator), separator, above + 1)
    body = memoryview(content)[first.end() :]
    if b"\r" in content:
        body = bytes(body).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    with suppress(pl.exceptions.PolarsError):
        frame = pl.read_csv(
            bytes(body), has_header=False, schema=dict.fromkeys(names, pl.String), separator=separator, quote_char=None
        )
        return Sheet(frame, range(above + 2, above + 2 + len(frame)))
    return None


def _quoted(path: Path, text: str, separator: str, above: int) -> Sheet:
    import polars as pl

    csv.field_size_limit(2**31 - 1)  # a cell may hold a whole text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, lines, line = [], [], above + 1
    try:
        names = _named(path, next(reader, []), separator, above + reader.line_num)
        line = above + reader.line_num + 1
        for cells in reader:
            while len(cells) > len(names) and not cells[-1]:
                cells.pop()
            if len(cells) > len(names):
                raise DataError(
                    f"{path}, line {line}: {len(cells)} cells where the first line names {len(names)} columns; correct "
                    f"it, put quotes around a cell that holds {separator!r}, or set data.separator"
                )
            rows.append([cell or None for cell in cells] + [None] * (len(names) - len(cells)))
            lines.append(line)
            line = above + reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, line {line}: a quote is not where CSV has it ({error}); a cell in quotes ends at the next one, "
            'so write "" for each quote within it'
        ) from error
    return Sheet(pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row"), lines)


def check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse so many columns, or such long names, as would take hours.

    Raises:
        DataError: saying how many, or how long.
    """
    if len(names) > _MOST_COLUMNS:
        raise DataError(f"{path}: it has {len(names):,} columns, above the limit of {_MOST_COLUMNS:,}; leave some out")
    if (longest := max(map(len, names), default=0)) > _LONGEST_NAME:
        raise DataError(
            f"{path}: the name of a column has {longest:,} characters, above the limit of {_LONGEST_NAME:,}; rename it"
        )


def _named(path: Path, names: list[str], separator: str, line: int) -> list[str]:
    """Return the names of the columns; refuse a first line that names none."""
    filled = [name.strip() for name in names if name.strip()]
    if not filled:
        raise DataError(f"{path}: the first line is empty; it must name the columns")
    check_names(path, names)
    if len(names) == 1 and (found := [mark for mark in ";\t|" if mark in names[0]]):
        mark = "\\t" if found[0] == "\t" else found[0]
        raise DataError(
            f"{path}: its cells are separated by {found[0]!r}, not {separator!r}; set data.separator, as "
            f"'data.separator=\"{mark}\"'"
        )
    if all(map(_is_number, filled)) or any(map(stamps.is_date, filled)):
        raise DataError(
            f"{path}, line {line}: {filled[0]!r} is a value, no name of a column; write a line above that names the "
            "columns"
        )
    names = [name.strip() for name in names]
    if twice := sorted(name for name, number in Counter(names).items() if number > 1 and name):
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one")
    return [name or f"{UNNAMED}{place}" for place, name in enumerate(names, 1)]


def _without_empty(frame: "pl.DataFrame") -> "pl.DataFrame":
    """Leave out columns with neither a name nor a cell: separators at the end of each line."""
    return frame.drop([name for name in frame.columns if name.startswith(UNNAMED) and not frame[name].count()])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
