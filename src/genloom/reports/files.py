"""Tables as CSV, in full precision, and as Markdown."""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from genloom.reports.columns import FLOOR, caption, column_of, floor_of, one_line, rank_of
from genloom.reports.estimate import Estimate
from genloom.reports.finished import LeftOut
from genloom.reports.tables import Table

CSVCOLUMNS = (
    "protocol", "rank", "name", "weights", "quantity", "better", "n", "mean", "half_width", "floor", "floor_half_width",
    "times_floor", "times_floor_half_width", "seeds", "runs", "command",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last are full width


def to_csv(tables: Iterable[Table]) -> str:
    """Return one line per group, weight set and quantity, in full precision.

    Texts are made inert, as a run's name may be a stranger's: one that a spreadsheet would take for a formula begins
    with an apostrophe. ``n`` counts the seeds that state the quantity; an undefined value is nan, an empty field is one
    that there is not.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSVCOLUMNS)
    for table in tables:
        for row in table.rows:
            seeds, places = (
                " ".join(str(run.seed) for run in row.runs),
                "; ".join(str(run.directory) for run in row.runs),
            )
            for name, estimate in row.estimates.items():
                writer.writerow(
                    (
                        table.protocol_id,
                        rank_of(row),
                        _inert(row.label),
                        _inert(row.weights),
                        _inert(name),
                        table.better.get(name, ""),
                        len(estimate.values),
                        *_both(estimate),
                        *_both(table.floors.get(name)),
                        *_both(row.ratios.get(name)),
                        seeds,
                        _inert(places),
                        _inert(row.command),
                    )
                )
    return file.getvalue()


def _inert(text: str) -> str:
    """Return a text of which no spreadsheet makes a formula, by an apostrophe before it where it begins as one.

    OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _both(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "", ""
    return _full(estimate.mean), "" if estimate.half_width is None else _full(estimate.half_width)


def _full(value: float | None) -> str:
    return repr(math.nan if value is None else value)


def to_markdown(tables: Sequence[Table], left_out: Iterable[LeftOut]) -> str:
    """Return the tables, each with its protocol and the commands that repeat its rows, and the runs in none."""
    lines = ["# Runs", ""]
    for table in tables:
        columns = [column_of(name, table) for name in table.columns]
        lines += [
            f"## Protocol {table.protocol_id}" if table.protocol else "## Not judged",
            *(f"{_without_tags(line)}  " for line in caption(table, tables[0])),
            "",
        ]
        head = ["rank", "run", "weights", "seeds", *(column.title for column in columns)]
        lines += [_markdown_row(head), _markdown_row(["---:", *["---"] * 3] + ["---:"] * len(columns))]
        for number, row in enumerate(table.rows, 1):
            cells = [
                column.text(table.estimate(row, name), len(row.runs), stacked=False)
                for name, column in zip(table.columns, columns, strict=True)
            ]
            lines.append(
                _markdown_row(
                    [rank_of(row), f"{_escaped(row.label)} [{number}]", row.weights, str(len(row.runs)), *cells]
                )
            )
        if table.floors:
            lines.append(
                _markdown_row(["", FLOOR, "", "", *(floor_of(table, name, stacked=False) for name in table.columns)])
            )
        lines += ["", *_footnotes(table), ""]
    items = [f"- {_code(item.directory)}: {item.status}: {_escaped(one_line(item.reason))}" for item in left_out]
    lines += ["## In no table", *items] if items else []
    return "\n".join(lines).rstrip() + "\n"


def _footnotes(table: Table) -> Iterator[str]:
    for number, row in enumerate(table.rows, 1):
        places = ", ".join(_code(run.directory) for run in row.runs)
        yield f"{number}. {_code(row.command) if row.command else 'An unknown command'} made {places}"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_without_tags, cells))} |"


def _without_tags(text: str) -> str:
    """Return Markdown in which no tag begins: a run's notes and names may be a stranger's."""
    return re.sub(r"(?<!\\)<", r"\\<", text)


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#~" else letter for letter in text)


def _code(text: str | Path) -> str:
    """Return ``text`` as a code span, fenced by more backticks than it holds."""
    plain = one_line(str(text))
    fence = "`"
    while fence in plain:
        fence += "`"
    return f"{fence}{plain}{fence}" if fence == "`" else f"{fence} {plain} {fence}"
