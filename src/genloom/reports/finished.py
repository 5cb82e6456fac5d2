"""Runs read back from disk, without torch or lightning, so that a report starts fast."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from genloom.config.near import did_you_mean
from genloom.errors import ConfigError
from genloom.intervals import Interval
from genloom.runs.changes import leaves
from genloom.runs.directory import is_held
from genloom.runs.reading import json_of, yaml_of

# what a run computes does not depend on these
_NOT_COMPARED = ("seed", "run", "resume", "progress_bar", "logger", "callbacks", "trust", "sampler")


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
    def floor_intervals(self) -> dict[str, Interval]:
        """95 % intervals of what real images score, of metrics that have one."""
        return {name: found for name, metric in self.judged.items() if (found := _interval(metric["floor"]))}

    @property
    def better(self) -> dict[str, str]:
        """Which values are better, by metric: lower, higher or none."""
        return {name: str(metric["better"]) for name, metric in self.judged.items()}

    @cached_property
    def compared(self) -> dict[str, str]:
        """What the run computes but for its seed: each key's value as JSON, by its full name."""
        given = keys_of(self.overrides)
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
        # whatever draws from a model's own distribution is alike, and so is a run of before samplers were recorded
        sampler = stated.get("sampler") or {"plain": True}
        drawn = {} if sampler["plain"] else {"sampler": {key: sampler[key] for key in ("name", "values")}}
        return drawn | {
            "data": stated["data"]["fingerprint" if stated["reference"] else "name"],
            "reference": stated["reference"],
            "heldout": stated["heldout"],
            "n_reference": stated["n_reference"],
            "n_fake": stated["n_fake"],
            "n_substitutes": stated.get("n_substitutes", 0),
            "measured": None if stated["reference"] else stated.get("measured"),
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

    def intervals(self, weights: str) -> dict[str, Interval]:
        """Return the 95 % intervals of what was judged of one weight set, of metrics that have one."""
        scores = {name: metric["candidates"].get(weights) for name, metric in self.judged.items()}
        return {name: found for name, score in scores.items() if (found := _interval(score))}

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
        status = json_of(directory / "status.json")
        config = yaml_of(directory / "config.yaml")
        if not isinstance(status, dict) or not isinstance(config, dict):
            raise ValueError("status.json or config.yaml is no mapping")
        if not (directory / "metrics.json").is_file():
            return LeftOut(directory, str(status.get("status")), _why(directory, status))
        metrics = json_of(directory / "metrics.json")
        overrides = directory / "overrides.yaml"
        environment = directory / "environment.json"
        run = Run(
            directory,
            config,
            metrics,
            status,
            [str(item) for item in yaml_of(overrides) or ()] if overrides.is_file() else None,
            json_of(environment).get("device") if environment.is_file() else None,
        )
        for weights in run.weight_sets:  # so that files of another make fail here, named
            _ = run.values(weights), run.intervals(weights), run.ratios(weights), run.better, run.protocol
            _ = run.floors, run.floor_intervals, run.compared
        return run
    except OSError as error:
        name = Path(error.filename or directory).name
        return LeftOut(directory, "unreadable", f"{name}: {error.strerror or error}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return LeftOut(directory, "unreadable", f"a damaged file, or one of another version of genloom ({reason})")


def _interval(score: Mapping[str, Any] | None) -> Interval | None:
    ends = score["interval"] if score else None
    low, high = (finite(end) for end in ends) if ends else (None, None)
    return None if low is None or high is None else (low, high)


def keys_of(overrides: Iterable[str] | None) -> set[str]:
    """Return the keys that overrides set."""
    return {item.partition("=")[0].lstrip("+~") for item in overrides or ()}


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
