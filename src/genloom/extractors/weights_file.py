"""Files of weights."""

import hashlib
from pathlib import Path

from genloom.errors import CheckpointError


def file_sha256(path: Path, key: str = "weights_path") -> str:
    """Return the sha256 of a file of weights, which the configuration names by ``key``.

    Raises:
        CheckpointError: if it cannot be read.
    """
    endless = path.exists() and not path.is_dir() and not (path.is_file() and path.stat().st_size)
    if endless:  # a pipe or a device, or a file that the system makes up, might never end
        raise CheckpointError(f"{path}: this is no regular file of weights; check {key}")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: the weights cannot be read ({error.strerror}); check {key}") from error
