"""The outcome of an evaluation: numbers, the floor beside each, and the protocol without which they mean nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from genloom.intervals import half_width, of_ratio
from genloom.judging.metric import Direction, Score
from genloom.judging.protocol import Protocol
from genloom.printable import printable

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One quantity.

    Args:
        metric: full name, with the extractor's.
        direction: which values are better.
        scores: by candidate.
        floor: what real held-out images score, if there are any.
    """

    metric: str
    direction: Direction
    scores: dict[str, Score]
    floor: Score | None

    def ratio(self, candidate: str) -> Score | None:
        """Return value / floor; None where it means nothing: no distance, or a floor that may be zero.

        Its interval holds the errors of both. They are taken for independent; since both are distances to one
        reference, that makes it rather too wide.
        """
        if self.direction is not Direction.LOWER or self.floor is None:
            return None
        score, floor = self.scores[candidate], self.floor
        lowest = floor.value if floor.interval is None else floor.interval[0]
        if not lowest > 0 or not math.isfinite(score.value / floor.value):
            return None
        return Score(score.value / floor.value, of_ratio(score.value, score.interval, floor.value, floor.interval))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data without NaN."""
        return {
            "better": self.direction.value,
            "floor": self.floor.to_dict() if self.floor else None,
            "candidates": {name: score.to_dict() | self._ratio_to_dict(name) for name, score in self.scores.items()},
        }

    def _ratio_to_dict(self, candidate: str) -> dict[str, Any]:
        ratio = self.ratio(candidate)
        interval = None if ratio is None or ratio.interval is None else list(ratio.interval)
        return {"ratio_to_floor": None if ratio is None else ratio.value, "ratio_interval": interval}


@dataclass(frozen=True)
class NotApplicable:
    """A metric that was not computed, why, and how to get it."""

    metric: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """All that one evaluation found.

    Args:
        rows: one per quantity.
        protocol: what the numbers must be read with.
        not_applicable: what was not computed, and why.
        warnings: what to know before reading the numbers.
        headline: name of the row to read first: a distance of distributions, or else the first row whose values have a
            better end; None if there is neither.
    """

    rows: list[Row]
    protocol: Protocol
    not_applicable: list[NotApplicable] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    headline: str | None = None

    def __getitem__(self, metric: str) -> Row:
        """Return the row of a metric by its full name."""
        for row in self.rows:
            if row.metric == metric:
                return row
        raise KeyError(f"{metric} is not among {', '.join(row.metric for row in self.rows)}")

    def joined(self, other: "Verdict") -> "Verdict":
        """Return it with what ``other`` measured of the same candidates, and ``other``'s protocol, which says both."""
        return replace(
            self,
            protocol=other.protocol,
            rows=self.rows + other.rows,
            not_applicable=self.not_applicable + other.not_applicable,
            warnings=self.warnings + other.warnings,
            headline=self.headline or other.headline,
        )

    def scalars(self, candidate: str) -> dict[str, float]:
        """Return the finite values of one candidate by the metrics' full names, for a logger."""
        values = {row.metric: row.scores[candidate].value for row in self.rows if candidate in row.scores}
        return {name: value for name, value in values.items() if math.isfinite(value)}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without NaN, for metrics.json."""
        return {
            "headline": self.headline,
            "metrics": {row.metric: row.to_dict() for row in self.rows},
            "not_applicable": [vars(item) for item in self.not_applicable],
            "warnings": self.warnings,
            "protocol": self.protocol.to_dict(),
        }

    def table(self) -> "Table":
        """Return what a person reads: the values, then warnings, then what was not computed and how to get it."""
        from rich.table import Table
        from rich.text import Text

        candidates = list(self.rows[0].scores) if self.rows else []
        table = Table(caption=Text(printable("\n".join(self._notes()))), caption_justify="left")
        table.add_column("metric", no_wrap=True, min_width=max((len(row.metric) for row in self.rows), default=6))
        table.add_column("better", no_wrap=True)
        columns = {name: [_cell(row.scores[name]) for row in self.rows] for name in candidates}
        columns["real (floor)"] = [_cell(row.floor) if row.floor else "" for row in self.rows]
        ratios = "ratio to floor" + (f"\n{', '.join(candidates)}" if len(candidates) > 1 else "")
        columns[ratios] = [_ratios([row.ratio(name) for name in candidates]) for row in self.rows]
        shown = {title: cells for title, cells in columns.items() if title in candidates or any(cells)}
        for title in shown:
            table.add_column(Text(title), justify="right")
        for row, *cells in zip(self.rows, *shown.values(), strict=True):
            style = "bold" if row.metric == self.headline else None
            table.add_row(Text(row.metric), _better(row), *cells, style=style)
        return table

    def show(self) -> None:
        """Print the table; where it goes to a file, no narrower than it needs."""
        from rich.console import Console

        console = Console()
        if not console.is_terminal:
            console.width = max(console.width, 120)
        console.print(self.table())

    def _notes(self) -> list[str]:
        sets, measured = self.protocol, self.protocol.measured
        of_model = f"measured on {measured['num']:,} of the {measured['split']} split" if measured else None
        drawn = _drawn(sets.sampler)
        if not sets.n_fake or sets.reference is None:
            return [*filter(None, [of_model, drawn]), *self._reading()]
        heldout = f", {sets.n_fake:,} real of {sets.heldout['split']} as floor" if sets.heldout else ""
        substitutes = f"; {sets.n_substitutes:,} samples in place of the reference" if sets.n_substitutes else ""
        reference = f"{sets.n_reference:,} of {sets.data['name']}'s {sets.reference['split']} split"
        return [
            f"{sets.n_fake:,} samples against {reference}{heldout}{substitutes}"
            + "".join(f"; {text}" for text in (of_model, drawn) if text),
            *self._reading(),
        ]

    def _reading(self) -> list[str]:
        by_reason: dict[str, list[str]] = {}
        for item in self.not_applicable:
            by_reason.setdefault(item.reason, []).append(item.metric)
        return [
            *(f"Note: {warning}" for warning in self.warnings),
            *(f"Not applicable: {', '.join(metrics)}: {reason}" for reason, metrics in by_reason.items()),
        ]


def _drawn(sampler: Mapping[str, Any] | None) -> str | None:
    """Return what a protocol says of how samples were drawn, in words; nothing of a model's own distribution."""
    if sampler is None or sampler["plain"]:
        return None
    values = {name: value["name"] if isinstance(value, dict) else value for name, value in sampler["values"].items()}
    said = [f"{name}={value}" for name, value in values.items() if value is not None]
    return " ".join(["drawn by", sampler["name"], *said])


def _ratios(ratios: Sequence[Score | None]) -> str:
    """Return one line per candidate; an empty text if none has a ratio."""
    return "\n".join("-" if ratio is None else _cell(ratio) for ratio in ratios) if any(ratios) else ""


def _better(row: Row) -> str:
    if row.direction is not Direction.NONE:
        return row.direction.value
    return "as real" if row.floor else ""


def _cell(score: Score) -> str:
    if not math.isfinite(score.value):
        return "undefined"
    if score.interval is None:
        return f"{score.value:.4g}"
    return f"{_rounded(score.value, 3)} ± {_rounded(half_width(score.interval), 2)}"


def _rounded(number: float, digits: int) -> str:
    return f"{float(f'{number:.{digits}g}'):g}"  # 130 rather than 1.3e+02
