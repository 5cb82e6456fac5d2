"""Which directory a run works in, and which checkpoint it continues from."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from genloom.errors import CheckpointError
from genloom.runs import checkpoint, directory


@dataclass(frozen=True)
class Place:
    """Where a run works.

    Args:
        directory: the run's directory; exists.
        checkpoint: what it continues from, if anything.
        finished: there is nothing left to do.
    """

    directory: Path
    checkpoint: Path | None = None
    finished: bool = False


def choose(config: DictConfig, sweep_directory: Path | None) -> Place:
    """Decide by ``run.dir`` and ``resume``.

    Args:
        config: the run's configuration.
        sweep_directory: the directory that a sweep has made for this job.

    Raises:
        ConfigError: the directory cannot be used.
        CheckpointError: ``resume`` names none.
    """
    named = Path(config.run.dir) if config.run.dir else sweep_directory
    if config.resume == "auto":
        candidates = [named] if named else _unfinished_alike(config)
        for candidate in candidates:
            if _status(candidate).get("status") == "finished":
                return Place(candidate.resolve(), finished=True)
            newest = _newest_good(candidate)
            if newest is not None:
                return Place(candidate.resolve(), newest)
            if named and candidate.is_dir():
                return Place(candidate.resolve())
    place = directory.claim(named) if named else directory.allocate(config.run.root, config.run.name)
    if config.resume in ("never", "auto"):
        return Place(place)
    return Place(place, checkpoint.find(config.resume).resolve())


def _status(run: Path) -> dict[str, Any]:
    try:
        return json.loads((run / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _newest_good(run: Path) -> Path | None:
    files = sorted((run / "checkpoints").glob("*.ckpt"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files:
        try:
            checkpoint.read(file)
        except CheckpointError as error:
            print(f"passed over: {error}")
            continue
        return file
    return None


def _unfinished_alike(config: DictConfig) -> list[Path]:
    """Return the unfinished runs of the same configuration that no live process holds, newest first."""
    own = identity(config)
    runs = [file.parent for file in Path(config.run.root, config.run.name).glob("*/status.json")]
    alike = [
        run
        for run in runs
        if _status(run).get("status") in ("running", "failed")
        and _status(run).get("configuration") == own
        and not directory.is_held(run)
    ]
    return sorted(alike, key=lambda run: run.name, reverse=True)


def identity(config: DictConfig) -> str:
    """Return the sha256 of what a run computes: its resolved configuration, wherever it is written."""
    plain = OmegaConf.create(OmegaConf.to_container(config))
    plain.run.dir = None
    resolved = OmegaConf.to_container(plain, resolve=True)
    assert isinstance(resolved, dict)
    computed = {name: value for name, value in resolved.items() if name not in ("resume", "resume_from", "run")}
    return hashlib.sha256(json.dumps(computed, sort_keys=True, default=str).encode()).hexdigest()
