"""One table holds the runs judged by one protocol; a row is a group of runs that differ in their seed only."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from genloom.config.near import did_you_mean
from genloom.errors import ConfigError
from genloom.intervals import half_width, of_ratio
from genloom.reports.estimate import Estimate
from genloom.reports.finished import LeftOut, Run
from genloom.reports.groups import groups_of, names_of

TIMES_FLOOR = "times_floor"

_DISTANCES = ("fd", "kd")
_USUAL = ("precision", "recall", "density", "coverage", "train_distance")
_UNUSUAL = ("classifier_score", "class_share_min", "class_share_max", "authenticity", "diversity", "ms_ssim")
_OWN_NAMES = {  # the field's, of Inception's values
    "fid": "fd", "rfid": "rfd", "fid_reconstructed": "fd_reconstructed", "kid": "kd",
    "inception_score": "classifier_score",
}  # fmt: skip
_USUAL_EFFICIENCY = ("examples_per_second", "training_seconds", "peak_memory_mb", "trainable_parameters")
_NOT_REPEATED = ("seed", "run.dir", "resume")  # overrides that say where a run went, or which of the group it was


@dataclass(frozen=True)
class Row:
    """Runs that differ in their seed only, as one weight set gives them.

    Args:
        name: that of the runs.
        settings: KEY=VALUE that tell them from others of the name.
        weights: the weight set; empty for runs that were not judged.
        runs: one per seed, by seed.
        estimates: by quantity.
        ratios: value / floor, by distance; the intervals hold the floor's error too.
        rank: 1 for the best by the column that the table is sorted by, and for all whose intervals overlap the best's;
            then on among the others; None for a row that does not state it.
    """

    name: str
    settings: list[str]
    weights: str
    runs: list[Run]
    estimates: dict[str, Estimate]
    ratios: dict[str, Estimate]
    rank: int | None = None

    @property
    def label(self) -> str:
        """The name with the settings."""
        return " ".join([self.name, *self.settings])

    @property
    def command(self) -> str:
        """The command line that repeats the runs, as a sweep over the seeds where there are several; empty if unknown.

        Folders of configurations that were added with --config-dir are not part of it.
        """
        if self.runs[0].overrides is None:
            return ""
        overrides = [item for item in self.runs[0].overrides if item.partition("=")[0].lstrip("+") not in _NOT_REPEATED]
        several = ["-m"] if len(self.runs) > 1 else []
        seeds = ",".join(str(run.seed) for run in self.runs)
        return shlex.join(["genloom", "train", *several, *overrides, f"seed={seeds}"])


@dataclass(frozen=True)
class Table:
    """The runs of one protocol.

    Args:
        protocol: what makes them comparable; empty for runs that were not judged.
        rows: best first.
        floors: what real images score, by quantity.
        better: lower, higher or none, by quantity.
        headline: the quantity to read first, if there is one.
        columns: quantities to show.
    """

    protocol: dict[str, Any]
    rows: list[Row]
    floors: dict[str, Estimate]
    better: dict[str, str]
    headline: str | None
    columns: list[str] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """Its runs; each once, however many weight sets are shown."""
        return list({run.directory: run for row in self.rows for run in row.runs}.values())

    @property
    def protocol_id(self) -> str:
        """Eight hexadecimal digits that are the same for the same protocol."""
        return _id(self.protocol)

    @property
    def ratio_of(self) -> str | None:
        """The distance whose ratio to its floor is shown: the headline, or else the first that has one."""
        stated = {name for row in self.rows for name in row.ratios}
        ranked = sorted(stated, key=lambda name: (name != self.headline, list(self.better).index(name)))
        return ranked[0] if ranked else None

    def estimate(self, row: Row, column: str) -> Estimate | None:
        """Return a row's entry in a column; None if it has none."""
        if column == TIMES_FLOOR:
            return row.ratios.get(self.ratio_of or "")
        return row.estimates.get(column)

    def quantity(self, column: str) -> str:
        """Return a column's name without its extractor's, or what the field's own name stands for."""
        return _OWN_NAMES.get(column) or column.removesuffix(f"_{self.extractor(column)}")

    def extractor(self, column: str) -> str | None:
        """Return the name of the extractor that a column's name ends with; None if it names none."""
        names = sorted(self.protocol.get("extractors", ()), key=len, reverse=True)
        return next((name for name in names if column.endswith(f"_{name}")), None)

    def resolve(self, column: str) -> str | None:
        """Return the quantity that ``column`` means, or None; without an extractor's, the headline's is meant."""
        if column == TIMES_FLOOR:
            return TIMES_FLOOR if self.ratio_of else None
        stated = self.quantities()
        if column in stated:
            return column
        found = [name for name in stated if self.quantity(name) == column]
        looks = self.extractor(self.headline or "")
        return min(found, key=lambda name: (name != self.headline, self.extractor(name) != looks), default=None)

    def quantities(self) -> list[str]:
        """Return everything that any row states, judged quantities first."""
        return list(dict.fromkeys(name for row in self.rows for name in row.estimates))


@dataclass(frozen=True)
class Layout:
    """What tables show.

    Args:
        weights: None for each run's default weights, ``all``, or the name of one set.
        columns: metrics, by full name or without the extractor's, and efficiency keys; None for the usual ones.
        sort: the column to sort by; None for the headline.
    """

    weights: str | None = None
    columns: Sequence[str] | None = None
    sort: str | None = None

    def tables(self, runs: Sequence[Run]) -> tuple[list[Table], list[LeftOut]]:
        """Return a table for each protocol, largest first, and the runs that are in none.

        Raises:
            ConfigError: a column is known to no run.
        """
        by_protocol: dict[str, list[Run]] = {}
        for run in runs:
            by_protocol.setdefault(_id(run.protocol), []).append(run)
        drafts: list[Table] = []
        left_out: list[LeftOut] = []
        ordered = sorted(by_protocol.values(), key=lambda members: (not members[0].protocol, -len(members)))
        for members in ordered:
            table, missing = self._table(members)
            left_out += missing
            drafts += [table] if table.rows else []
        self._check(drafts)
        return drafts, left_out

    def _table(self, runs: list[Run]) -> tuple[Table, list[LeftOut]]:
        groups, left_out = groups_of(runs)
        rows: list[Row] = []
        for (name, settings), members in zip(names_of(groups), groups, strict=True):
            for weights in self._chosen(members[0]):
                having = [run for run in members if weights in run.weight_sets]
                left_out += [
                    LeftOut(run.directory, "finished", f"has no {weights} weights, only {', '.join(run.weight_sets)}")
                    for run in members
                    if run not in having
                ]
                if having:
                    estimates = _estimates(having, weights)
                    rows.append(Row(name, settings, weights, having, estimates, _ratios(having, weights, estimates)))
        floors = {name: floor for row in rows for run in row.runs for name, floor in _floors(run).items()}
        better = {name: way for row in rows for run in row.runs for name, way in run.better.items()}
        headlines = [run.evaluation.get("headline") for row in rows for run in row.runs]
        draft = Table(runs[0].protocol, rows, floors, better, next(filter(None, headlines), None))
        return replace(draft, rows=self._ranked(draft), columns=self._columns(draft)), left_out

    def _chosen(self, run: Run) -> list[str]:
        if self.weights == "all" or run.weight_sets == [""]:
            return run.weight_sets
        return run.weight_sets[:1] if self.weights is None else [self.weights]

    def _columns(self, table: Table) -> list[str]:
        stated = table.quantities()
        if self.columns is not None:
            resolved = [table.resolve(column) for column in self.columns]
            return [column for column in resolved if column is not None]
        distances = [name for name in (table.resolve(name) for name in _DISTANCES) if name]
        distances.sort(key=lambda name: name != table.headline)
        if table.ratio_of in distances:
            distances.insert(distances.index(table.ratio_of) + 1, TIMES_FLOOR)
        usual = [table.resolve(name) for name in _USUAL]
        # of these nothing is known here: conditional ones, which few runs have, or metrics of the user's own
        others = [
            name
            for name in stated
            if name in table.better and table.quantity(name) not in (*_DISTANCES, *_USUAL, *_UNUSUAL)
        ]
        efficiency = [name for name in _USUAL_EFFICIENCY if name in stated]
        return list(dict.fromkeys(name for name in (*distances, *usual, *others, *efficiency) if name))

    def _ranked(self, table: Table) -> list[Row]:
        """Return the rows, best first, with their ranks; those that do not state the column come last."""
        wanted = self.sort or table.headline
        column = table.resolve(wanted) if wanted else None
        places = [(row, _place(table, row, column) if column else None) for row in table.rows]
        places.sort(key=lambda item: (item[0].label, item[0].weights))
        waiting = sorted(((row, place) for row, place in places if place), key=lambda item: item[1][0])
        ranked: list[Row] = []
        while waiting:
            worst_of_best = waiting[0][1][2]
            alike = [row for row, (_, low, _) in waiting if low <= worst_of_best]
            waiting = [(row, place) for row, place in waiting if place[1] > worst_of_best]
            ranked += [replace(row, rank=len(ranked) + 1) for row in alike]
        return ranked + [row for row, place in places if place is None]

    def _check(self, tables: Sequence[Table]) -> None:
        known = [name for table in tables for name in [*table.quantities(), *([TIMES_FLOOR] if table.ratio_of else [])]]
        asked = [("columns", column) for column in self.columns or ()]
        asked += [("sort", self.sort)] if self.sort else []
        for key, column in asked:
            if tables and all(table.resolve(column) is None for table in tables):
                options = list(dict.fromkeys([*known, *(table.quantity(name) for table in tables for name in known)]))
                there = ", ".join(dict.fromkeys(known))
                raise ConfigError(
                    f"{key}: no run states {column}{did_you_mean(column, options) or f'; there is {there}'}"
                )


def _place(table: Table, row: Row, column: str) -> tuple[float, float, float] | None:
    """Return a row's value in a column and its interval, turned so that less is better; None if it has none."""
    estimate = table.estimate(row, column)
    if estimate is None or estimate.mean is None:
        return None
    value, (low, high) = estimate.mean, estimate.interval or (estimate.mean, estimate.mean)
    better = table.better.get(column, "higher" if column == "examples_per_second" else "lower")
    if better == "higher":
        return -value, -high, -low
    if better == "none":  # as close to real images as can be
        floor = table.floors.get(column)
        centre = (floor.mean if floor else None) or 0.0
        away = abs(value - centre)
        return away, away - half_width((low, high)), away + half_width((low, high))
    return value, low, high


def _id(protocol: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:8] if protocol else "unjudged"


def _gathered(runs: Sequence[Mapping[str, float | None]]) -> dict[str, tuple[float | None, ...]]:
    names = dict.fromkeys(name for values in runs for name in values)
    return {name: tuple(values[name] for values in runs if name in values) for name in names}


def _estimates(runs: Sequence[Run], weights: str) -> dict[str, Estimate]:
    # of one seed, how far a value may be off is known from the images alone
    stated = runs[0].intervals(weights) if len(runs) == 1 else {}
    gathered = _gathered([run.values(weights) for run in runs])
    return {name: Estimate(values, stated.get(name)) for name, values in gathered.items()}


def _floors(run: Run) -> dict[str, Estimate]:
    return {name: Estimate((value,), run.floor_intervals.get(name)) for name, value in run.floors.items()}


def _ratios(runs: Sequence[Run], weights: str, estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    floors = _floors(runs[-1])
    found: dict[str, Estimate] = {}
    for name, values in _gathered([run.ratios(weights) for run in runs]).items():
        ours, floor = estimates[name], floors.get(name)
        stated = None
        if ours.mean is not None and floor is not None and floor.mean:
            stated = of_ratio(ours.mean, ours.interval, floor.mean, floor.interval)
        found[name] = Estimate(values, stated)
    return found
