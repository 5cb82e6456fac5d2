"""Errors that a user can act on.

Each message states the offending value, the limit that it broke and the remedy. Commands print it without a
traceback and exit with the class's ``exit_code``.
"""


class GenloomError(Exception):
    """Base of every error that is the input's fault rather than the program's."""

    exit_code = 2


class ConfigError(GenloomError):
    """A configuration cannot be used; the message starts with the key."""


class NeedsLabelsError(ConfigError):
    """A part is told classes, and the data has none."""


class DataError(GenloomError):
    """Data is missing, damaged or of the wrong kind; the message names the file or the row."""


class CapabilityError(GenloomError):
    """A command, metric or callback wants something that the model does not offer."""


class CheckpointError(GenloomError):
    """A checkpoint is missing, damaged, incompatible or not trusted."""


class TrainingError(GenloomError):
    """Training had to stop: a loss or a weight is no longer finite."""

    exit_code = 1
