"""Runs read back from disk and grouped into tables of what is comparable.

One table holds the runs judged by one protocol. One row of it is a group of runs that differ in their seed only, as one
weight set gives them. Values are estimates: the mean over seeds and the half-width of its 95 % interval. Neither torch
nor lightning is imported, so that a report starts fast.
"""

import hashlib
import itertools
import json
import math
import os
import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from genloom.config.near import did_you_mean
from genloom.errors import ConfigError
from genloom.runs.directory import is_held

TIMES_FLOOR = "times_floor"
CONFIDENCE = 0.95

_DISTANCES = ("fd", "kd")
_USUAL = ("precision", "recall", "density", "coverage", "train_distance")
_UNUSUAL = ("classifier_score", "class_share_min", "class_share_max", "authenticity", "diversity", "ms_ssim")
_OWN_NAMES = {"fid": "fd", "kid": "kd", "inception_score": "classifier_score"}  # the field's, of Inception's values
_USUAL_EFFICIENCY = ("examples_per_second", "training_seconds", "peak_memory_mb", "trainable_parameters")
# what a run computes does not depend on these
_NOT_COMPARED = ("seed", "run", "resume", "resume_from", "progress_bar", "logger", "callbacks", "trust")
_NOT_REPEATED = ("seed", "run.dir", "resume")  # overrides that say where a run went, or which of the group it was
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # several times faster


# Estimates


@cache
def t_quantile(degrees: int) -> float:
    """Return the t that Student's distribution exceeds in absolute value with probability 1 - ``CONFIDENCE``.

    For whole degrees of freedom its distribution function is a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4),
    which is inverted by bisection: exact to rounding, without scipy's second of importing.

    Args:
        degrees: of freedom, at least 1.
    """

    def inside(angle: float) -> float:  # the probability of |T| < sqrt(degrees) tan(angle)
        odd = degrees % 2
        term = math.cos(angle) if odd else 1.0
        total = term if degrees > 1 else 0.0
        for k in range(2 + odd, degrees - 1, 2):
            term *= math.cos(angle) ** 2 * (k - 1) / k
            total += term
        return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total

    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < CONFIDENCE else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


@dataclass(frozen=True)
class Estimate:
    """One quantity over the seeds of a group.

    Args:
        values: of the runs that state it, at least one; None where it was undefined.
    """

    values: tuple[float | None, ...]

    @cached_property
    def mean(self) -> float | None:
        """The mean; None if any value is undefined, since the mean of the others would flatter or slander."""
        known = [value for value in self.values if value is not None]
        return statistics.fmean(known) if len(known) == len(self.values) else None

    @cached_property
    def half_width(self) -> float | None:
        """Half the width of the mean's 95 % t interval; None for fewer than two values or an undefined one."""
        known = [value for value in self.values if value is not None]
        if len(known) < 2 or self.mean is None:
            return None
        return t_quantile(len(known) - 1) * statistics.stdev(known) / math.sqrt(len(known))


# Reading


@dataclass(frozen=True)
class Run:
    """A run that has results.

    Args:
        directory: the run's.
        config: its resolved configuration.
        metrics: content of metrics.json.
        status: content of status.json.
        overrides: of the command line that made it, if known.
        device: where it was trained, if known.
    """

    directory: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    status: dict[str, Any]
    overrides: list[str] | None = None
    device: str | None = None

    @property
    def name(self) -> str:
        """The run's name, by default that of its data."""
        return str((self.config.get("run") or {}).get("name") or self.directory.parent.name)

    @property
    def seed(self) -> Any:
        """The run's seed."""
        return self.config.get("seed")

    @property
    def evaluation(self) -> dict[str, Any]:
        """What the judge found; empty if it was not asked."""
        return self.metrics.get("evaluation") or {}

    @property
    def judged(self) -> dict[str, dict[str, Any]]:
        """What the judge found, by metric: better, floor, candidates."""
        return self.evaluation.get("metrics") or {}

    @property
    def floors(self) -> dict[str, float | None]:
        """What real images score, by metric; None where that is undefined."""
        return {name: finite(metric["floor"]["value"]) for name, metric in self.judged.items() if metric["floor"]}

    @property
    def better(self) -> dict[str, str]:
        """Which values are better, by metric: lower, higher or none."""
        return {name: str(metric["better"]) for name, metric in self.judged.items()}

    @cached_property
    def compared(self) -> dict[str, str]:
        """What the run computes but for its seed: each key's value as JSON, by its full name."""
        given = _keys(self.overrides)
        place = (self.config.get("run") or {}).get("dir")
        kept = {key: value for key, value in self.config.items() if key not in _NOT_COMPARED}
        return {
            key: json.dumps(value.replace(place, "RUN") if place and isinstance(value, str) else value, default=str)
            for key, value in leaves(kept)
            # a seed below is taken from the run's, as that of data is, unless somebody fixed it
            if not (key.endswith(".seed") and value == self.seed and key not in given)
        }

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """What makes values comparable, out of the protocol; empty for a run that was not judged."""
        stated = self.evaluation.get("protocol")
        if not stated:
            return {}
        extractors = {
            name: {key: value for key, value in extractor.items() if key != "caution"}
            for name, extractor in stated["extractors"].items()
        }
        return {
            "data": stated["data"]["fingerprint"],
            "reference": stated["reference"],
            "heldout": stated["heldout"],
            "n_reference": stated["n_reference"],
            "n_fake": stated["n_fake"],
            "extractors": extractors,
            "metrics": stated["metrics"],
        }

    @property
    def weight_sets(self) -> list[str]:
        """Names of the weight sets that were judged, the default first; one empty name if none was."""
        return list(dict.fromkeys(name for metric in self.judged.values() for name in metric["candidates"])) or [""]

    def values(self, weights: str) -> dict[str, float | None]:
        """Return every quantity of one weight set, efficiency's last, with None for what is undefined."""
        judged = {
            name: finite(metric["candidates"][weights]["value"])
            for name, metric in self.judged.items()
            if weights in metric["candidates"]
        }
        efficiency = self.metrics.get("efficiency") or {}
        return judged | {
            name: finite(value)
            for name, value in efficiency.items()
            if value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        }

    def ratios(self, weights: str) -> dict[str, float | None]:
        """Return value / floor of every distance that has one."""
        found = {
            name: metric["candidates"].get(weights, {}).get("ratio_to_floor") for name, metric in self.judged.items()
        }
        return {name: finite(ratio) for name, ratio in found.items() if ratio is not None}


@dataclass(frozen=True)
class LeftOut:
    """A run that is in no table.

    Args:
        directory: the run's.
        status: the run's; or unreadable, or repeated.
        reason: why it is in none.
    """

    directory: Path
    status: str
    reason: str


def read(folders: Sequence[str | os.PathLike[str]]) -> tuple[list[Run], list[LeftOut]]:
    """Return the runs in ``folders``, at any depth, in the order of their paths; each run once.

    Raises:
        ConfigError: a folder does not exist or holds no run.
    """
    runs: list[Run] = []
    left_out: list[LeftOut] = []
    seen: set[Path] = set()
    for folder in map(Path, folders):
        folder = folder.expanduser()
        if not folder.is_dir():
            neighbours = [path.name for path in _entries(folder.parent) if path.is_dir()]
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise ConfigError(f"runs: the folder {folder} {what}{did_you_mean(folder.name, neighbours)}")
        found = list(_directories(folder))
        if not found:
            raise ConfigError(
                f"runs: {folder} holds no run, that is no folder with status.json; name a run's directory or a folder "
                "of runs"
            )
        for directory in found:
            if directory.resolve() not in seen:
                seen.add(directory.resolve())
                run = _read(directory)
                runs.append(run) if isinstance(run, Run) else left_out.append(run)
    return runs, left_out


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _directories(folder: Path) -> Iterator[Path]:
    for place, below, files in os.walk(folder):
        if "status.json" in files:
            below.clear()  # a run's checkpoints and pictures are many files and no runs
            yield Path(place)
        below[:] = sorted(name for name in below if not name.startswith("."))


def _read(directory: Path) -> Run | LeftOut:
    status: Any = {}
    try:
        status = json.loads(_text(directory / "status.json"))
        config = yaml.load(_text(directory / "config.yaml"), Loader=_LOADER)
        if not isinstance(status, dict) or not isinstance(config, dict):
            raise ValueError("status.json or config.yaml is no mapping")
        if not (directory / "metrics.json").is_file():
            return LeftOut(directory, str(status.get("status")), _why(directory, status))
        metrics = json.loads(_text(directory / "metrics.json"))
        overrides = directory / "overrides.yaml"
        environment = directory / "environment.json"
        run = Run(
            directory,
            config,
            metrics,
            status,
            [str(item) for item in yaml.load(_text(overrides), Loader=_LOADER) or ()] if overrides.is_file() else None,
            json.loads(_text(environment)).get("device") if environment.is_file() else None,
        )
        for weights in run.weight_sets:  # so that files of another make fail here, named
            _ = run.values(weights), run.ratios(weights), run.floors, run.better, run.protocol, run.compared
        return run
    except OSError as error:
        name = Path(error.filename or directory).name
        return LeftOut(directory, "unreadable", f"{name}: {error.strerror or error}")
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return LeftOut(directory, "unreadable", f"a damaged file, or one of another version of genloom ({reason})")


def _keys(overrides: Iterable[str] | None) -> set[str]:
    return {item.partition("=")[0].lstrip("+~") for item in overrides or ()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _why(directory: Path, status: Mapping[str, Any]) -> str:
    if "why" in status:
        return str(status["why"])
    if status.get("status") != "running":
        return "there is no metrics.json"
    try:
        held = not (directory / ".lock").exists() or is_held(directory)
    except OSError:  # a folder that can't be written can't be asked
        held = True
    return "has no metrics.json yet" if held else "no process on this machine works on it; resume=auto continues it"


def finite(value: float | None) -> float | None:
    """Return a number, or None for None, NaN and infinities."""
    return float(value) if value is not None and math.isfinite(value) else None


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return the values of nested mappings by their full names; a list is one value."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


# Rows and tables


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
        groups, left_out = _groups(runs)
        rows: list[Row] = []
        for (name, settings), members in zip(_names(groups), groups, strict=True):
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


# Groups and their names


def _groups(runs: Iterable[Run]) -> tuple[list[list[Run]], list[LeftOut]]:
    """Return runs that differ in their seed only, by seed; of those with the same seed only the newest counts."""
    by_configuration: dict[str, list[Run]] = {}
    for run in runs:
        by_configuration.setdefault(json.dumps(run.compared, sort_keys=True), []).append(run)
    groups: list[list[Run]] = []
    left_out: list[LeftOut] = []
    for members in by_configuration.values():
        newest: dict[str, Run] = {}
        for run in sorted(members, key=lambda run: (run.directory / "metrics.json").stat().st_mtime):
            older = newest.get(repr(run.seed))
            if older is not None:
                reason = f"{run.directory} is the newest with seed {run.seed}; a seed counts once"
                left_out.append(LeftOut(older.directory, "repeated", reason))
            newest[repr(run.seed)] = run
        groups.append(sorted(newest.values(), key=lambda run: (str(type(run.seed)), run.seed)))
    return groups, left_out


def _names(groups: Sequence[Sequence[Run]]) -> list[tuple[str, list[str]]]:
    """Return each group's name, and the settings that tell it from the others of that name."""
    names = [", ".join(dict.fromkeys(run.name for run in group)) for group in groups]
    found: list[tuple[str, list[str]]] = [(name, []) for name in names]
    for name, number in Counter(names).items():
        if number > 1:
            alike = [index for index, other in enumerate(names) if other == name]
            keys = _telling([groups[index][0] for index in alike])
            for index in alike:
                found[index] = name, [_setting(key, groups[index][0].compared) for key in keys]
    return found


def _telling(runs: Sequence[Run]) -> list[str]:
    """Return the fewest keys whose values tell the runs apart; more than three are found greedily."""
    configurations = [run.compared for run in runs]
    given = {key for run in runs for key in _keys(run.overrides)}
    names = {key for configuration in configurations for key in configuration}
    # among keys that tell the same runs apart, the one that somebody set comes first, then the shallow, then the short
    by_split: dict[tuple[str | None, ...], str] = {}
    for key in sorted(names, key=lambda key: (key not in given, key.count("."), len(key), key)):
        values = tuple(configuration.get(key) for configuration in configurations)
        if len(set(values)) > 1:
            first = {value: position for position, value in reversed(list(enumerate(values)))}
            by_split.setdefault(tuple(str(first[value]) for value in values), key)
    splits = list(by_split)

    def classes(chosen: Iterable[tuple[str | None, ...]]) -> int:
        return len(set(zip(*chosen, strict=True)))

    for number in (1, 2, 3):
        for chosen in itertools.combinations(splits[:40], number):
            if classes(chosen) == len(runs):
                return [by_split[split] for split in chosen]
    greedy: list[tuple[str | None, ...]] = []
    while not greedy or classes(greedy) < len(runs):
        greedy.append(max(splits, key=lambda split: classes([*greedy, split])))
    return [by_split[split] for split in greedy]


def _setting(key: str, configuration: Mapping[str, str]) -> str:
    if key not in configuration:
        return f"~{key}"
    value = json.loads(configuration[key])
    if isinstance(value, float):
        mantissa, _, exponent = f"{value:e}".partition("e")
        scientific = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}" if exponent else str(value)
        short = scientific if len(scientific) < len(str(value)) and float(scientific) == value else str(value)
    elif key.endswith("_target_"):
        short = str(value).rpartition(".")[2]
    else:
        short = value if isinstance(value, str) else json.dumps(value)
    return f"{key.removesuffix('._target_')}={short}"
