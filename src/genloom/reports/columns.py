"""How quantities are headed and written, and what a table's caption says."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genloom.reports.estimate import Estimate
from genloom.reports.finished import Run, leaves
from genloom.reports.tables import TIMES_FLOOR, Row, Table

FLOOR = "real (floor)"


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


COLUMNS = {
    "fd": Column("FD", "Fréchet distance"),
    "kd": Column("KD", "kernel distance"),
    TIMES_FLOOR: Column("times\nfloor", "times the floor"),
    "rfd": Column("rFD", "FD of reconstructions to their originals"),
    "fd_reconstructed": Column("FD\nof rec", "FD of reconstructions to training images"),
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


def column_of(name: str, table: Table) -> Column:
    """Return how a table heads and writes a quantity; with its extractor where the name alone is ambiguous."""
    short = table.quantity(name) if table.extractor(name) == table.extractor(table.headline or "") else name
    known = COLUMNS.get(table.quantity(name))
    if known is None:
        return Column(short.replace("_", "\n"), short.replace("_", " "))
    if all(other == name or table.quantity(other) != table.quantity(name) for other in table.columns):
        return known
    return replace(known, short=name.replace("_", "\n"), title=f"{known.title} ({name})")


def floor_of(table: Table, name: str, *, stacked: bool) -> str:
    """Return what real images score, as :meth:`Column.text` does; empty where nothing is known."""
    return "1" if name == TIMES_FLOOR else column_of(name, table).text(table.floors.get(name), 1, stacked=stacked)


def rank_of(row: Row) -> str:
    """Return a row's rank as text; empty where it has none."""
    return "" if row.rank is None else str(row.rank)


def one_line(text: str) -> str:
    """Return text without line breaks."""
    return " ".join(text.split())


def caption(table: Table, first: Table) -> list[str]:
    """Return a table's protocol in words, and what to know before reading its numbers.

    Args:
        table: with at least one row.
        first: the table that it is told from.
    """
    runs = table.runs
    interval = list(_intervals(table))
    if not table.protocol:
        return ["These runs were not judged (metrics=none).", *interval, *_notes(runs)]
    stated = runs[0].evaluation["protocol"]
    lines = [_comparison(stated) if stated["reference"] else _measurement(stated)]
    if sampler := table.protocol.get("sampler"):
        values = (f"{name}={value}" for name, value in sampler["values"].items())
        lines.append(f"Samples are drawn by {' '.join([sampler['name'], *values])}.")
    if table is not first and first.protocol:
        ours, theirs = ({key: repr(value) for key, value in leaves(item.protocol)} for item in (table, first))
        unlike = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        more = f" and {len(unlike) - 5} more" if len(unlike) > 5 else ""
        lines.append(f"Not comparable with the first table, which differs in {', '.join(unlike[:5])}{more}.")
    return [*lines, *interval, *_notes(runs)]


def _intervals(table: Table) -> Iterator[str]:
    shown = [(row, table.estimate(row, name)) for row in table.rows for name in table.columns]
    several = any(len(row.runs) > 1 for row, _ in shown)
    alone = any(len(row.runs) == 1 and estimate and estimate.interval for row, estimate in shown)
    kinds = ["over seeds by Student's t"] if several else []
    kinds += [f"over what was judged{', where there is one seed' if several else ''}"] if alone else []
    if kinds:
        yield f"{'Values are means over seeds; ' if several else ''}± is half the width of a 95 % interval, " + (
            f"{' and '.join(kinds)}."
        )
    if TIMES_FLOOR in table.columns and any(
        row.ratios and row.ratios[table.ratio_of or ""].interval for row, _ in shown
    ):
        yield "The error of the floor, which the rows share, is part of that of times the floor."
    if len(table.rows) > 1 and any(row.rank for row in table.rows):
        yield "Rows whose intervals overlap that of the best share its rank, and so on among the others."


def _comparison(stated: Mapping[str, Any]) -> str:
    data, split, heldout = stated["data"], stated["reference"]["split"], stated["heldout"]
    floor = (
        f"the floor is {stated['n_fake']:,} real of its {heldout['split']} split" if heldout else "there is no floor"
    )
    seen = [f"{name} ({extractor['weights_sha256'][:8]})" for name, extractor in stated["extractors"].items()]
    return (
        f"{stated['n_fake']:,} generated against {stated['n_reference']:,} of the {split} split of {data['name']} "
        f"({data['fingerprint'][:8]}); {floor}; seen by {', '.join(seen) or 'no extractor'}."
    )


def _measurement(stated: Mapping[str, Any]) -> str:
    data, measured = stated["data"], stated.get("measured")
    where = f"{data['name']} ({data['fingerprint'][:8]})"
    if not measured:
        return f"Of {where} nothing could be measured."
    return f"Measured on {measured['num']:,} examples of the {measured['split']} split of {where}."


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
    yield from _measures(runs)
    for run in runs:
        if run.status.get("status") != "finished":
            why = f" ({run.status['why']})" if "why" in run.status else ""
            yield f"Note: {run.directory} is {run.status.get('status')} though it was judged{why}"


def _measures(runs: Sequence[Run]) -> Iterator[str]:
    """Say which likelihoods are of what: probabilities, densities, and either of black and white pixels."""
    for name in dict.fromkeys(name for run in runs for name in run.judged):
        found: dict[str, dict[str, None]] = {}
        for run in runs:
            content = run.evaluation["protocol"]["data"].get("content") or {}
            pixels = " of black and white pixels" if content.get("binary") else ""
            for score in (run.judged.get(name) or {"candidates": {}})["candidates"].values():
                if measure := (score.get("details") or {}).get("measure"):
                    found.setdefault(f"{measure}{pixels}", {})[run.name] = None
        if len(found) > 1:
            each = "; ".join(f"{measure} ({', '.join(names)})" for measure, names in found.items())
            yield f"Note: {name}, and the ELBO with it, is of unlike things, which do not compare: {each}"


def _unlike(values: Iterable[Any]) -> str | None:
    counts = Counter(str(value) for value in values if value is not None)
    return ", ".join(f"{value} ({count})" for value, count in counts.items()) if len(counts) > 1 else None
