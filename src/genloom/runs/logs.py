"""Loggers that never cost a run: what one can't write is a warning, and training goes on without that log."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.loggers.logger import DummyExperiment  # pyright: ignore[reportPrivateImportUsage]

from genloom.errors import ConfigError, reason


class _Careful(Logger):
    """Stands before a logger's own class, so that every way of writing passes through it."""

    key: str
    _gave_up = False
    _files: frozenset[str] = frozenset()

    def _try(self, write: Callable[..., None], *arguments: Any, **named: Any) -> None:
        if self._gave_up:
            return
        was_removed = self._was_removed()
        try:
            write(*arguments, **named)
            if was_removed:
                print(
                    f"warning: {self.key}: files in {Path(self.log_dir or '')} were removed, and with them what was "
                    "logged so far",
                    flush=True,
                )
        except Exception as error:  # a full disk, a folder that is gone, a server that does not answer
            self._give_up(error)

    def _was_removed(self) -> bool:
        """Whether a file of the log is gone: a logger makes its folder and files anew, without the past."""
        before = self._files
        try:
            self._files = frozenset(os.listdir(self.log_dir)) if self.log_dir else frozenset()
        except OSError:
            self._files = frozenset()
        return not before <= self._files

    def _give_up(self, error: Exception) -> None:
        self._gave_up = True
        print(f"warning: {self.key}: can't be written ({reason(error)}); training goes on without this log", flush=True)

    @property
    def experiment(self) -> Any:
        """What the logger writes by; where it can't, one that does nothing.

        Raises:
            ConfigError: it can't be opened for another reason than a file's, as when nobody is logged in.
        """
        try:
            if not self._gave_up:
                return super().experiment  # pyright: ignore[reportAttributeAccessIssue]
        except OSError as error:
            self._give_up(error)
        except Exception as error:
            raise ConfigError(f"{self.key}: {reason(error)}; logger=none logs nothing") from error
        return DummyExperiment()

    def log_metrics(self, *arguments: Any, **named: Any) -> None:
        """Log numbers."""
        self._try(super().log_metrics, *arguments, **named)

    def log_hyperparams(self, *arguments: Any, **named: Any) -> None:
        """Log settings."""
        self._try(super().log_hyperparams, *arguments, **named)

    def save(self) -> None:
        """Write what is held back."""
        self._try(super().save)

    def finalize(self, status: str) -> None:
        """Write the rest and close."""
        self._try(super().finalize, status)

    def after_save_checkpoint(self, *arguments: Any) -> None:
        """Send a checkpoint, if the logger does so."""
        self._try(super().after_save_checkpoint, *arguments)


def careful(logger: Logger, key: str) -> Logger:
    """Return ``logger``, of its class still, so that nothing that it can't write ends the run.

    Args:
        logger: any of Lightning's, or of the user's.
        key: where the configuration has it, for the warning.
    """
    kind = type(logger)
    logger.__class__ = type(kind.__name__, (_Careful, kind), {"key": key})
    return logger


@contextlib.contextmanager
def without_tracebacks() -> Iterator[None]:
    """Print no traceback of the thread in which TensorBoard writes: it raises its error at the next call as well."""
    usual = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not type(failure.thread).__module__.startswith("tensorboard."):
            usual(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual
