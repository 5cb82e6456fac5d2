"""``genloom report``: tables of runs, in the terminal and as CSV and Markdown."""

import csv
import io
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from genloom.errors import ConfigError
from genloom.runs.directory import write_text
from genloom.runs.report import TIMES_FLOOR, Estimate, Layout, LeftOut, Run, Table, leaves, read

if TYPE_CHECKING:
    from rich.table import Table as RichTable

FLOOR = "real (floor)"
WIDTH = 120  # characters, where the output is no terminal
NAME_WIDTH = 16  # characters that the names have at least; columns that leave less go into a second block
CSV_COLUMNS = (
    "protocol", "name", "weights", "quantity", "better", "n", "mean", "half_width", "floor", "times_floor", "seeds",
    "runs", "command",
)  # fmt: skip


def run(config: DictConfig) -> None:
    """Print the tables and the runs that are in none; with ``out``, write report.csv and report.md there.

    Raises:
        ConfigError: a folder holds no run, a column is unknown, or ``out`` cannot be written.
    """
    runs, without_results = read(config.runs)
    layout = Layout(config.weights, config.columns, config.sort)
    tables, left_out = layout.tables(runs)
    left_out = [*without_results, *left_out]
    if config.out is not None:  # before the terminal's turn, whose reader may leave early, as head does
        _write(Path(config.out).expanduser(), tables, left_out)
    _show(tables, left_out)


def _write(folder: Path, tables: Sequence[Table], left_out: Sequence[LeftOut]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "report.csv", to_csv(tables))
        write_text(folder / "report.md", to_markdown(tables, left_out))
    except OSError as error:
        raise ConfigError(f"out: {folder} cannot be written ({error.strerror}); set out") from error
    print(f"written: {folder / 'report.csv'}, {folder / 'report.md'}")


# Columns


@dataclass(frozen=True)
class Column:
    """How one quantity is headed and written.

    Args:
        short: heading in the terminal; a line break is one.
        title: heading in Markdown.
        unit: what values are divided by.
        is_count: written as a whole number, in millions where it has many.
        is_exact: set by the configuration, so that its spread over seeds is no news.
    """

    short: str
    title: str
    unit: float = 1.0
    is_count: bool = False
    is_exact: bool = False

    def write(self, value: float) -> str:
        """Return a value as text."""
        return _count(value / self.unit) if self.is_count else _digits(value / self.unit)

    def text(self, estimate: Estimate | None, of: int, *, stacked: bool) -> str:
        """Return the mean, its interval if there is one, and how many seeds state it if not all do.

        Args:
            estimate: None gives an empty text.
            of: seeds in the row.
            stacked: each part has a line of its own.
        """
        if estimate is None:
            return ""
        if estimate.mean is None:
            return "undefined"
        parts = [self.write(estimate.mean)]
        half, number = estimate.half_width, len(estimate.values)
        if half is not None and not (self.is_exact and half == 0):
            parts.append(("±" if stacked else "± ") + self._spread(half, parts[0]))
        if number < of:
            parts.append(f"({number} of {of})")
        return ("\n" if stacked else " ").join(parts)

    def _spread(self, half_width: float, mean: str) -> str:
        if self.is_count:
            return self.write(half_width)
        return f"{half_width / self.unit:,.{len(mean.partition('.')[2])}f}"  # as many decimals as the mean


def _digits(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if value else "0.00"


def _count(value: float) -> str:
    if abs(value) < 1e6:
        return f"{value:,.0f}"
    return f"{value / 1e6:.3g}M" if abs(value) < 1e9 else f"{value / 1e9:.3g}G"


_COLUMNS = {
    "fd": Column("FD", "Fréchet distance"),
    "kd": Column("KD", "kernel distance"),
    TIMES_FLOOR: Column("times\nfloor", "times the floor"),
    "precision": Column("prec", "precision"),
    "recall": Column("rec", "recall"),
    "density": Column("dens", "density"),
    "coverage": Column("cov", "coverage"),
    "train_distance": Column("memo", "memorisation (1 = unseen)"),
    "examples_per_second": Column("ex/s", "examples/s"),
    "training_seconds": Column("train\nmin", "training minutes", unit=60),
    "peak_memory_mb": Column("peak\nMB", "peak memory in MB", is_count=True),
    "trainable_parameters": Column("params", "parameters", is_count=True, is_exact=True),
    "iterations": Column("iter", "iterations", is_count=True, is_exact=True),
}


def _column(name: str, table: Table) -> Column:
    short = table.quantity(name) if table.extractor(name) == table.extractor(table.headline or "") else name
    known = _COLUMNS.get(table.quantity(name))
    if known is None:
        return Column(short.replace("_", "\n"), short.replace("_", " "))
    if all(other == name or table.quantity(other) != table.quantity(name) for other in table.columns):
        return known
    return replace(known, short=name.replace("_", "\n"), title=f"{known.title} ({name})")


def _floor(table: Table, name: str) -> str:
    if name == TIMES_FLOOR:
        return "1"
    if name not in table.floors:
        return ""
    value = table.floors[name]
    return "undefined" if value is None else _column(name, table).write(value)


# The terminal


def _show(tables: Sequence[Table], left_out: Sequence[LeftOut]) -> None:
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
            console.print(Text(line))
        console.print()
    if left_out:
        console.print("In no table:")
    for item in left_out:
        console.print(Text(f"  {item.directory}: {item.status}: {_line(item.reason)}"), soft_wrap=True)


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
            block.add_column(Text(heading), justify="left" if position < 2 else "right", no_wrap=True, vertical="top")
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
        ["wts", *(row.weights for row in table.rows), *("" for _ in floor)],
        ["seeds", *(str(len(row.runs)) for row in table.rows), *("" for _ in floor)],
    ]


def _cells(table: Table, name: str) -> list[str]:
    column = _column(name, table)
    values = [column.text(table.estimate(row, name), len(row.runs), stacked=True) for row in table.rows]
    return [column.short, *values, *([_floor(table, name)] if table.floors else [])]


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
    pairs = [(column, name) for name in table.columns if (column := _COLUMNS.get(table.quantity(name)))]
    words = [
        f"{column.short} {column.title}"
        for column, name in pairs
        if "\n" not in column.short and column == _column(name, table) and name in table.better
    ]
    return ["; ".join(words) + "."] if words else []


# Files


def to_csv(tables: Iterable[Table]) -> str:
    """Return one line per group, weight set and quantity, in full precision.

    ``n`` counts the seeds that state the quantity; an undefined value is nan, an empty field is one that there is not.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for table in tables:
        for row in table.rows:
            seeds, places = (
                " ".join(str(run.seed) for run in row.runs),
                "; ".join(str(run.directory) for run in row.runs),
            )
            for name, estimate in row.estimates.items():
                ratio = row.ratios.get(name)
                writer.writerow(
                    (
                        table.protocol_id,
                        row.label,
                        row.weights,
                        name,
                        table.better.get(name, ""),
                        len(estimate.values),
                        _full(estimate.mean),
                        "" if estimate.half_width is None else _full(estimate.half_width),
                        _full(table.floors[name]) if name in table.floors else "",
                        _full(ratio.mean) if ratio else "",
                        seeds,
                        places,
                        row.command,
                    )
                )
    return file.getvalue()


def _full(value: float | None) -> str:
    return repr(math.nan if value is None else value)


def to_markdown(tables: Sequence[Table], left_out: Iterable[LeftOut]) -> str:
    """Return the tables, each with its protocol and the commands that repeat its rows, and the runs in none."""
    lines = ["# Runs", ""]
    for table in tables:
        columns = [_column(name, table) for name in table.columns]
        lines += [
            f"## Protocol {table.protocol_id}" if table.protocol else "## Not judged",
            *(f"{line}  " for line in caption(table, tables[0])),
            "",
        ]
        head = ["run", "weights", "seeds", *(column.title for column in columns)]
        lines += [_markdown_row(head), _markdown_row(["---"] * 3 + ["---:"] * len(columns))]
        for number, row in enumerate(table.rows, 1):
            cells = [
                column.text(table.estimate(row, name), len(row.runs), stacked=False)
                for name, column in zip(table.columns, columns, strict=True)
            ]
            lines.append(_markdown_row([f"{_escaped(row.label)} [{number}]", row.weights, str(len(row.runs)), *cells]))
        if table.floors:
            lines.append(_markdown_row([FLOOR, "", "", *(_floor(table, name) for name in table.columns)]))
        lines += ["", *_footnotes(table), ""]
    items = [f"- {_code(item.directory)}: {item.status}: {_escaped(_line(item.reason))}" for item in left_out]
    lines += ["## In no table", *items] if items else []
    return "\n".join(lines).rstrip() + "\n"


def _footnotes(table: Table) -> Iterator[str]:
    for number, row in enumerate(table.rows, 1):
        places = ", ".join(_code(run.directory) for run in row.runs)
        yield f"{number}. {_code(row.command) if row.command else 'An unknown command'} made {places}"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#~" else letter for letter in text)


def _code(text: str | Path) -> str:
    """Return ``text`` as a code span, fenced by more backticks than it holds."""
    plain = _line(str(text))
    fence = "`"
    while fence in plain:
        fence += "`"
    return f"{fence}{plain}{fence}" if fence == "`" else f"{fence} {plain} {fence}"


def _line(text: str) -> str:
    return " ".join(text.split())


# Captions


def caption(table: Table, first: Table) -> list[str]:
    """Return a table's protocol in words, and what to know before reading its numbers.

    Args:
        table: with at least one row.
        first: the table that it is told from.
    """
    runs = table.runs
    several = any(len(row.runs) > 1 for row in table.rows)
    interval = ["Values are means over seeds; ± is half the width of the mean's 95 % t interval."] if several else []
    if not table.protocol:
        return ["These runs were not judged (metrics=none).", *interval, *_notes(runs)]
    stated = runs[0].evaluation["protocol"]
    data, split, heldout = stated["data"], stated["reference"]["split"], stated["heldout"]
    floor = (
        f"the floor is {stated['n_fake']:,} real of its {heldout['split']} split" if heldout else "there is no floor"
    )
    seen = [f"{name} ({extractor['weights_sha256'][:8]})" for name, extractor in stated["extractors"].items()]
    lines = [
        f"{stated['n_fake']:,} generated against {stated['n_reference']:,} of the {split} split of {data['name']} "
        f"({data['fingerprint'][:8]}); {floor}; seen by {', '.join(seen) or 'no extractor'}."
    ]
    if table is not first and first.protocol:
        ours, theirs = ({key: repr(value) for key, value in leaves(item.protocol)} for item in (table, first))
        unlike = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        more = f" and {len(unlike) - 5} more" if len(unlike) > 5 else ""
        lines.append(f"Not comparable with the first table, which differs in {', '.join(unlike[:5])}{more}.")
    return [*lines, *interval, *_notes(runs)]


def _notes(runs: Sequence[Run]) -> Iterator[str]:
    yield from dict.fromkeys(f"Note: {text}" for run in runs for text in run.evaluation.get("warnings") or ())
    stated = [run.evaluation["protocol"] for run in runs if run.protocol]
    libraries = {name for protocol in stated for name in protocol.get("versions") or ()}
    for name in sorted(libraries):
        if versions := _unlike((protocol.get("versions") or {}).get(name) for protocol in stated):
            yield f"Note: judged with different versions of {name}: {versions}"
    if devices := _unlike(protocol.get("device") for protocol in stated):
        yield f"Note: judged on different devices: {devices}"
    if devices := _unlike(run.device for run in runs):
        yield f"Note: trained on different devices, which speed and memory depend on: {devices}"
    for name in dict.fromkeys(name for run in runs for name in run.judged):
        known = [floor for run in runs if (floor := run.floors.get(name)) is not None]
        if known and max(known) - min(known) > 1e-3 * max(map(abs, known)):
            yield f"Note: the floors of {name} lie between {min(known):.4g} and {max(known):.4g}; the last is shown"
    for run in runs:
        if run.status.get("status") != "finished":
            why = f" ({run.status['why']})" if "why" in run.status else ""
            yield f"Note: {run.directory} is {run.status.get('status')} though it was judged{why}"


def _unlike(values: Iterable[Any]) -> str | None:
    counts = Counter(str(value) for value in values if value is not None)
    return ", ".join(f"{value} ({count})" for value, count in counts.items()) if len(counts) > 1 else None
