"""Where a command writes what it makes of a checkpoint: where the user says, else in a new place of its own.

A new place is numbered where something is there already, so that nothing of an earlier call, or of another job of a
sweep, is lost, or passes for something of this one.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from genloom.errors import ConfigError
from genloom.runs.directory import given_back


def file(named: str | None, usual: Path) -> Path:
    """Return the file to write, in a folder that is there; one that the user names is written anew if it is there.

    Args:
        named: by the user.
        usual: without a name; a number is appended where it is there already.

    Raises:
        ConfigError: it can't be written, is a folder, or a job of a sweep names what is there already.
    """
    path = _place(named, usual, lambda path: path.touch(exist_ok=False))
    if path.is_dir():
        raise ConfigError(f"out: {path} is a folder; name a file in it, as {path / usual.name}")
    return path


@contextlib.contextmanager
def folder(named: str | None, usual: Path, *, keeps: bool = True) -> Iterator[Path]:
    """Give the folder to write to; a new one in which nothing was written is removed.

    Args:
        named: by the user.
        usual: without a name; a number is appended where it is there already.
        keeps: whether what the user names may hold something. It may not where a file of each example goes there, since
            those of another call would pass for some of this one.

    Raises:
        ConfigError: it can't be written, holds something, or a job of a sweep names what is there already.
    """
    path = _place(named, usual, Path.mkdir)
    is_new = not named or not path.exists()
    with _writable(path):
        path.mkdir(parents=True, exist_ok=True)
        if not keeps and any(not inside.name.startswith(".") for inside in path.iterdir()):
            raise ConfigError(
                f"out: {path} is not empty, and what it holds would pass for some of these; name another folder, or "
                "remove it"
            )
    with given_back(path, is_new=is_new):
        yield path


def _place(named: str | None, usual: Path, create: Callable[[Path], None]) -> Path:
    path = Path(named).expanduser() if named else usual
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if named:
            _check_sweep(path)
            return path
        for number in itertools.count(2):
            try:
                create(path)
                return path
            except FileExistsError:
                path = usual.with_name(f"{usual.name.removesuffix(usual.suffix)}_{number}{usual.suffix}")
    raise AssertionError


def _check_sweep(path: Path) -> None:
    """Refuse what another job of the sweep has written, perhaps."""
    if HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN and path.exists():
        raise ConfigError(
            f"out: {path} is there already; each job of a sweep needs a place of its own: leave out away, which "
            "numbers them, or write what is swept into it, as 'out=drawn/${seed}'"
        )


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"out: {path} cannot be written ({error.strerror or error}); set out") from error
