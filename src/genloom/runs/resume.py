"""Which directory a run works in, and which checkpoint it continues from."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from genloom.config.advice import setting
from genloom.errors import CheckpointError, ConfigError
from genloom.runs import changes, checkpoint, directory, reading

STATED = ("model", "data", "optimizer", "scheduler", "seed")  # of a configuration, what a checkpoint says of itself


@dataclass(frozen=True)
class Place:
    """Where a run works.

    Args:
        directory: the run's directory; exists.
        checkpoint: what it continues from, if anything.
        finished: there is nothing left to do.
        is_new: whether the directory was created for this run.
    """

    directory: Path
    checkpoint: Path | None = None
    finished: bool = False
    is_new: bool = False


def choose(config: DictConfig, sweep_directory: Path | None) -> Place:
    """Decide by ``run.dir`` and ``resume``, before anything is written.

    Args:
        config: the run's configuration.
        sweep_directory: the directory that a sweep has made for this job.

    Raises:
        ConfigError: the directory cannot be used, or what is continued has settings that can't be changed.
        CheckpointError: ``resume`` names none.
    """
    named = Path(config.run.dir).expanduser() if config.run.dir else sweep_directory
    if config.resume == "auto":
        candidates = [named] if named else _unfinished_alike(config)
        for candidate in filter(_is_run, candidates):
            _check_kept(candidate)
            if _status(candidate).get("status") == "finished":
                _check_finished(candidate, config)
                return Place(candidate.resolve(), finished=True)
            newest = _newest_good(candidate)
            if newest is not None:
                _check_continues(newest, config)
                return Place(candidate.resolve(), newest.resolve())
            if named:
                if found := changes.changes(_configuration(candidate), _plain(config)):
                    print(f"{candidate} has no checkpoint; it starts anew: {changes.listed(found)}", flush=True)
                return Place(candidate.resolve())
    source = None
    if config.resume not in ("never", "auto"):
        source = checkpoint.find(config.resume).resolve()
        _check_continues(source, config, to_do=1)
    is_new = named is None or not os.path.exists(named)
    place = directory.claim(named) if named else directory.allocate(config.run.root, config.run.name)
    return Place(place, source, is_new=is_new)


def _check_kept(run: Path) -> None:
    """Refuse to work in a folder whose links would have the run write elsewhere."""
    for path in run.rglob("*"):
        if path.is_symlink():
            raise ConfigError(
                f"run.dir: {path} is a link, by which this run would write elsewhere; put there what it leads to, or "
                "name another run.dir"
            )


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("status.json", directory.LOCK, "checkpoints"))


def _check_continues(file: Path, config: DictConfig, to_do: int = 0) -> None:
    """Refuse settings that continuing from a checkpoint could not follow, and name those that it follows.

    Raises:
        ConfigError: naming them; or fewer than ``to_do`` iterations are left.
    """
    content = checkpoint.read(file)
    now = _plain(config)
    of_run = _configuration(file.parent.parent) if file.parent.name == "checkpoints" else {}
    stated = {key: content["genloom"][key] for key in STATED if key in content["genloom"]}
    found = changes.check({"init_from": None, **of_run, **stated}, now, file)
    done, most = content["global_step"], now["trainer"].get("max_steps") or -1
    if most != -1 and done + to_do > most:
        raise ConfigError(
            f"trainer.max_steps: {most} leaves nothing to do, since {file} has {done} iterations; set "
            f"trainer.max_steps={max(done + to_do, 2 * done)}, say"
        )
    if found:
        print(f"continues with changes: {changes.listed(found, 8)}", flush=True)


def _check_finished(run: Path, config: DictConfig) -> None:
    found = changes.changes(_configuration(run), _plain(config))
    if not found:
        return
    can_go_on = all(change.is_followed for change in found) and any("trainer.max_" in change.key for change in found)
    remedy = (
        f"{setting('resume', run)} with another run.dir continues it so"
        if can_go_on
        else "another run.dir starts a run of this one"
    )
    raise ConfigError(
        f"run.dir: {run} holds a finished run of another configuration: {changes.listed(found)}; {remedy}"
    )


def _configuration(run: Path) -> dict[str, Any]:
    try:
        content = reading.yaml_of(run / "config.yaml")
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _plain(config: Any) -> dict[str, Any]:
    plain = OmegaConf.to_container(config, resolve=True)
    return plain if isinstance(plain, dict) else {}  # pyright: ignore[reportReturnType]


def _status(run: Path) -> dict[str, Any]:
    try:
        content = reading.json_of(run / "status.json")
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


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
    runs = [file.parent for file in directory.folder(config.run.root, config.run.name).glob("*/status.json")]
    alike = [
        run
        for run in runs
        if _status(run).get("status") in ("running", "failed")
        and _status(run).get("configuration") == own
        and _is_free(run)
    ]
    return sorted(alike, key=lambda run: run.name, reverse=True)


def _is_free(run: Path) -> bool:
    try:
        return not directory.is_held(run)
    except OSError as error:
        raise ConfigError(
            f"resume: {run} cannot be written ({error.strerror or error}); resume=never starts a new run"
        ) from error


def identity(config: DictConfig) -> str:
    """Return the sha256 of what a run computes: its resolved configuration, wherever it is written."""
    plain = OmegaConf.create(OmegaConf.to_container(config))
    plain.run.dir = None
    resolved = OmegaConf.to_container(plain, resolve=True)
    assert isinstance(resolved, dict)
    computed = {name: value for name, value in resolved.items() if name not in ("resume", "run")}
    return hashlib.sha256(json.dumps(computed, sort_keys=True, default=str).encode()).hexdigest()
