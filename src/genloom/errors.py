"""Errors that a user can act on.

Each message states the offending value, the limit that it broke and the remedy. Commands print it without a
traceback and exit with the class's ``exit_code``.
"""

import contextlib
from collections.abc import Iterator

from genloom.printable import printable


def reason(error: BaseException) -> str:
    """Return the first line of what an error of a library says; of one that says nothing, what it is called."""
    return str(error).partition("\n")[0] or type(error).__name__


class GenloomError(Exception):
    """Base of every error that is the input's fault rather than the program's."""

    exit_code = 2

    def __str__(self) -> str:
        """Return the message; names that it quotes may be a stranger's."""
        return printable(super().__str__())


class ConfigError(GenloomError):
    """A configuration cannot be used; the message starts with the key."""


class NeedsLabelsError(ConfigError):
    """A part is told classes, and the data has none; the message starts with the part's key."""

    @classmethod
    @contextlib.contextmanager
    def of(cls, key: str) -> Iterator[None]:
        """Say where the configuration has the part that refuses."""
        try:
            yield
        except cls as error:
            raise cls(f"{key}.{error}") from error


class DataError(GenloomError):
    """Data is missing, damaged or of the wrong kind; the message names the file or the row."""


class CapabilityError(GenloomError):
    """A command, metric or callback wants something that the model does not offer."""


class CheckpointError(GenloomError):
    """A checkpoint is missing, damaged, incompatible or not trusted."""


class TrainingError(GenloomError):
    """Training had to stop: a loss or a weight is no longer finite."""

    exit_code = 1
