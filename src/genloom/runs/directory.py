"""The directory of a run: new for each run, whatever second it starts in, and held by one process at a time."""

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from genloom.errors import ConfigError

LOCK = ".lock"


def folder(root: str | os.PathLike[str], name: str) -> Path:
    """Return ``root/name``, where the runs of that name are.

    Raises:
        ConfigError: the name is that of no folder in ``root``.
    """
    if name in ("", "..") or Path(name).name != name or "\0" in name:
        raise ConfigError(
            f"run.name: {name!r} is no name of a folder in run.root; leave out '/' and '..', and set run.root to the "
            "place where runs belong"
        )
    return Path(root).expanduser() / name


def allocate(root: str | os.PathLike[str], name: str) -> Path:
    """Create and return a new directory ``root/name/TIME``; a number is appended where another run was faster.

    Raises:
        ConfigError: the name is that of no folder in ``root``, or the place cannot be written.
    """
    parent = folder(root, name)
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    attempt = 1
    while True:
        path = parent / (stamp if attempt == 1 else f"{stamp}_{attempt}")
        try:
            parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            return path.resolve()
        except FileExistsError:
            attempt += 1
        except OSError as error:
            raise _unwritable("run.root", parent, error) from error


def claim(path: str | os.PathLike[str]) -> Path:
    """Create and return the directory ``path``, which must be new or empty, but for a lock that was left behind.

    Raises:
        ConfigError: it already holds something, or cannot be written.
    """
    directory = Path(path).expanduser()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        taken = any(file.name != LOCK for file in directory.iterdir())
    except OSError as error:
        raise _unwritable("run.dir", directory, error) from error
    if taken:
        is_run = (directory / "status.json").exists()
        remedy = "resume=auto continues the run in it, another run.dir starts a new one"
        raise ConfigError(
            f"run.dir: {directory} is not empty; {remedy if is_run else 'it holds no run, so name another run.dir'}"
        )
    return directory.resolve()


@contextlib.contextmanager
def given_back(directory: Path, *, is_new: bool) -> Iterator[None]:
    """Leave nothing of a directory if what is to go into it is refused, so that the corrected command may have it.

    Args:
        directory: holds nothing yet but the lock.
        is_new: whether it was created for this run; one that was there stays.
    """
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # a part that was built wrote into it already
                (directory / LOCK).unlink(missing_ok=True)
                directory.rmdir()
        raise


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the run's lock, which the operating system releases however the process ends.

    Raises:
        ConfigError: a live process holds it, or the directory cannot be written.
    """
    lock = FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"run.dir: {directory} is in use by another process; wait for it or choose another"
        ) from error
    except OSError as error:
        raise _unwritable("run.dir", directory, error) from error
    try:
        yield
    finally:
        lock.release()


def _unwritable(key: str, place: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{key}: {place} cannot be written ({error.strerror or error}); set {key}")


def is_held(directory: Path) -> bool:
    """Whether a live process holds the run's lock.

    Raises:
        OSError: the directory cannot be written, and so cannot be asked; or the lock is a link to elsewhere.
    """
    if (directory / LOCK).is_symlink():  # older versions of filelock would empty what it leads to
        raise OSError(f"{directory / '.lock'} is a link")
    try:
        with FileLock(directory / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def write_text(path: Path, text: str) -> None:
    """Write a file completely or not at all: a reader never sees half of it, and a full disk leaves the old one.

    Raises:
        ConfigError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")  # names of files may be no UTF-8
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror or error}); free some space or choose another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON by :func:`write_text`: what is not finite is null, and the list ``not_finite`` says so.

    Raises:
        ConfigError: it cannot be written.
    """
    found: list[str] = []
    plain = _finite(content, "", found)
    if found:
        plain = {**plain, "not_finite": found}
    write_text(path, json.dumps(plain, indent=2, allow_nan=False) + "\n")


def _finite(node: Any, name: str, found: list[str]) -> Any:
    """Return plain data with None in place of NaN and infinities, whose names and values are added to ``found``."""
    if isinstance(node, Mapping):
        return {key: _finite(value, f"{name}.{key}".lstrip("."), found) for key, value in node.items()}
    if isinstance(node, list | tuple):
        inside: list[str] = []
        plain = [_finite(value, f"{name}[{place}]", inside) for place, value in enumerate(node)]
        more = [f"{name}: {len(inside) - 1} more"] if len(inside) > 1 else []
        found += [*inside[:1], *more]
        return plain
    if isinstance(node, float) and not math.isfinite(node):
        found.append(f"{name}: {node}")
        return None
    return node
