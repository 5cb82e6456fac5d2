"""Tables in the terminal."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from genloom.printable import printable
from genloom.reports.columns import COLUMNS, FLOOR, caption, column_of, floor_of, one_line, rank_of
from genloom.reports.finished import LeftOut
from genloom.reports.tables import Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

WIDTH = 120  # characters, where the output is no terminal
NAME_WIDTH = 16  # characters that the names have at least; columns that leave less go into a second block


def show(tables: Sequence[Table], left_out: Sequence[LeftOut]) -> None:
    """Print the tables with their captions, and the runs in none."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    for table in tables:
        console.print(f"protocol {table.protocol_id}" if table.protocol else "not judged", style="bold")
        for block in _blocks(table, console.width):
            console.print(block, "")
        for line in [*caption(table, tables[0]), *_legend(table)]:
            console.print(Text(printable(line)))
        console.print()
    if left_out:
        console.print("In no table:")
    for item in left_out:
        console.print(Text(printable(f"  {item.directory}: {item.status}: {one_line(item.reason)}")), soft_wrap=True)


def _blocks(table: Table, width: int) -> Iterator["RichTable"]:
    """Return the table, or several below each other that hold as many columns as fit into ``width`` characters."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    lead = _lead(table)
    columns = [_cells(table, name) for name in table.columns]
    leads = sum(_width(cells) + 1 for cells in lead[1:])
    while True:
        room = width - leads - NAME_WIDTH - 1
        fitting: list[list[str]] = []
        for cells in columns:
            room -= _width(cells) + 1
            if room < 0 and fitting:
                break
            fitting.append(cells)
        used = sum(_width(cells) + 1 for cells in fitting) + leads + 1
        names = [_broken(name, max(NAME_WIDTH, width - used)) for name in lead[0]]
        block = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, show_edge=False)
        for position, (heading, *_) in enumerate([names, *lead[1:], *fitting]):
            block.add_column(
                Text(heading), justify="left" if position in (0, 2) else "right", no_wrap=True, vertical="top"
            )
        for cells in list(zip(names, *lead[1:], *fitting, strict=True))[1:]:
            block.add_row(*map(Text, cells), style="dim" if cells[0] == FLOOR else None)
        yield block
        columns = columns[len(fitting) :]
        if not columns:
            return


def _lead(table: Table) -> list[list[str]]:
    floor = [FLOOR] if table.floors else []
    return [
        ["run", *("\n".join([row.name, *row.settings]) for row in table.rows), *floor],
        ["rank", *(rank_of(row) for row in table.rows), *("" for _ in floor)],
        ["wts", *(row.weights for row in table.rows), *("" for _ in floor)],
        ["seeds", *(str(len(row.runs)) for row in table.rows), *("" for _ in floor)],
    ]


def _cells(table: Table, name: str) -> list[str]:
    column = column_of(name, table)
    values = [column.text(table.estimate(row, name), len(row.runs), stacked=True) for row in table.rows]
    return [column.short, *values, *([floor_of(table, name, stacked=True)] if table.floors else [])]


def _width(cells: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(cell_len(line) for cell in cells for line in cell.split("\n"))


def _broken(text: str, width: int) -> str:
    """Break lines longer than ``width``, behind dots and the like where there are any."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines.append("")
        for part in re.findall(r"[^._=/ -]*[._=/ -]?", line):
            if lines[-1] and len(lines[-1]) + len(part) > width:
                lines.append("")
            lines[-1] += part
    return "\n".join(piece for line in lines for piece in textwrap.wrap(line, width) or [""])


def _legend(table: Table) -> list[str]:
    pairs = [(column, name) for name in table.columns if (column := COLUMNS.get(table.quantity(name)))]
    words = [
        f"{column.short} {column.title}"
        for column, name in pairs
        if "\n" not in column.short and column == column_of(name, table) and name in table.better
    ]
    return ["; ".join(words) + "."] if words else []
