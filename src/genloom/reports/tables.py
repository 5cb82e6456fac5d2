"""One table holds the runs judged by one protocol; a row is a group of runs that differ in their seed only."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from genloom.config.near import did_you_mean
from genloom.errors import ConfigError
from genloom.reports.estimate import Estimate
from genloom.reports.finished import LeftOut, Run
from genloom.reports.groups import groups_of, names_of

TIMES_FLOOR = "times_floor"

_DISTANCES = ("fd", "kd")
_USUAL = ("precision", "recall", "density", "coverage", "train_distance")
_UNUSUAL = ("classifier_score", "class_share_min", "class_share_max", "authenticity", "diversity", "ms_ssim")
_OWN_NAMES = {"fid": "fd", "kid": "kd", "inception_score": "classifier_score"}  # the field's, of Inception's values
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
        ratios: value / floor, by distance.
    """

    name: str
    settings: list[str]
    weights: str
    runs: list[Run]
    estimates: dict[str, Estimate]
    ratios: dict[str, Estimate]

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
        floors: what real images score, by quantity; None where that is undefined.
        better: lower, higher or none, by quantity.
        headline: the quantity to read first, if there is one.
        columns: quantities to show.
    """

    protocol: dict[str, Any]
    rows: list[Row]
    floors: dict[str, float | None]
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
                    estimates = _estimates([run.values(weights) for run in having])
                    ratios = _estimates([run.ratios(weights) for run in having])
                    rows.append(Row(name, settings, weights, having, estimates, ratios))
        floors = {name: floor for row in rows for run in row.runs for name, floor in run.floors.items()}
        better = {name: way for row in rows for run in row.runs for name, way in run.better.items()}
        headlines = [run.evaluation.get("headline") for row in rows for run in row.runs]
        draft = Table(runs[0].protocol, rows, floors, better, next(filter(None, headlines), None))
        rows = sorted(rows, key=lambda row: self._rank(draft, row))
        return replace(draft, rows=rows, columns=self._columns(draft)), left_out

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

    def _rank(self, table: Table, row: Row) -> tuple[bool, float, str, str]:
        wanted = self.sort or table.headline
        column = table.resolve(wanted) if wanted else None
        estimate = table.estimate(row, column) if column else None
        if column is None or estimate is None or estimate.mean is None:
            return True, 0.0, row.label, row.weights
        better = table.better.get(column, "higher" if column == "examples_per_second" else "lower")
        if better == "none":  # as close to real images as can be
            return False, abs(estimate.mean - (table.floors.get(column) or 0.0)), row.label, row.weights
        return False, -estimate.mean if better == "higher" else estimate.mean, row.label, row.weights

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


def _id(protocol: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()[:8] if protocol else "unjudged"


def _estimates(runs: Sequence[Mapping[str, float | None]]) -> dict[str, Estimate]:
    names = dict.fromkeys(name for values in runs for name in values)
    return {name: Estimate(tuple(values[name] for values in runs if name in values)) for name in names}
