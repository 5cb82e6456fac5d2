"""Checkpoints: written completely or not at all, with a digest inside, read without executing anything.

A checkpoint alone is enough to rebuild its model: beside Lightning's entries it holds ``genloom``, plain dicts with
the model's configuration, the data's spec and configuration, and ``digest``, the sha256 of everything else.
"""

import contextlib
import hashlib
import math
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from genloom.errors import CheckpointError, reason


def digest(content: Any) -> str:
    """Return the sha256 of nested dicts, lists, tensors and scalars: of their values, not of a file's bytes."""
    hasher = hashlib.sha256()

    def visit(node: Any) -> None:
        if isinstance(node, Tensor):
            hasher.update(f"tensor {node.dtype} {tuple(node.shape)}".encode())
            hasher.update(node.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(node, Mapping):
            hasher.update(f"dict {len(node)}".encode())
            for name, value in node.items():
                visit(name)
                visit(value)
        elif isinstance(node, list | tuple):
            hasher.update(f"list {len(node)}".encode())
            for value in node:
                visit(value)
        else:
            hasher.update(f"{type(node).__name__} {node!r};".encode())

    visit(content)
    return hasher.hexdigest()


REQUIRED = {"required": True}  # of the options of storage: the run fails if this checkpoint can't be written


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's way to disk: a temporary file beside the final one, flushed, then renamed.

    One that is written during training and can't be is a warning, and none is removed until one is written again: the
    last good one is what a run can continue from.
    """

    _can_write = True

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write ``checkpoint`` with its digest to ``path``; if it can't be written, whatever stood there still does.

        Args:
            checkpoint: its content.
            path: of the file.
            storage_options: :data:`REQUIRED` if the run is nothing without this one.

        Raises:
            CheckpointError: it is required, and cannot be written.
        """
        try:
            self._write(checkpoint, Path(path))
            self._can_write = True
        except CheckpointError as error:
            if storage_options == REQUIRED:
                raise
            if self._can_write:
                print(f"warning: {error}; training goes on, and keeps the checkpoints that there are", flush=True)
            self._can_write = False

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a file that a newer one stands for, if that could be written and this one can be removed."""
        if self._can_write:
            with contextlib.suppress(OSError):
                super().remove_checkpoint(Path(path))

    def _write(self, checkpoint: dict[str, Any], final: Path) -> None:
        temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                torch.save({**checkpoint, "digest": digest(checkpoint)}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, final)
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"{final}: cannot be written ({error}); free some space or set run.root") from error
        finally:
            with contextlib.suppress(OSError):  # nothing can be removed either where a file stands in a folder's place
                temporary.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read by :func:`read`, whatever ``weights_only`` says.

        Raises:
            CheckpointError: see :func:`read`; or it would have a callback delete files outside the run's directory.
        """
        content = read(path)
        if (place := next(filter(_leads_out, _texts(content.get("callbacks"))), None)) is not None:
            raise CheckpointError(f"{path}: callbacks: {place[:80]!r} is no place within a run; resume another one")
        return content


def _leads_out(text: str) -> bool:
    return ".." in Path(text).parts or "://" in text or "::" in text


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _texts(name)
            yield from _texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value)


def find(path: str | os.PathLike[str]) -> Path:
    """Return the checkpoint file that ``path`` means: itself, or the newest of a run's directory.

    Raises:
        CheckpointError: there is none.
    """
    given = Path(path).expanduser()
    if given.is_file():
        return given
    folder = given / "checkpoints" if (given / "checkpoints").is_dir() else given
    found = sorted(folder.glob("*.ckpt"), key=lambda file: file.stat().st_mtime) if folder.is_dir() else []
    if not found:
        raise CheckpointError(f"{given}: no such checkpoint; name a .ckpt file or a run's directory that holds one")
    return found[-1]


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a checkpoint's content, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, not genloom's, or holds objects other than plain data.
    """
    file = find(path)
    try:
        _check_archive(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are refused anyway
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file}: damaged, or holds objects that could execute code; genloom reads plain data only; use another one"
        ) from error  # torch's own words advise to read it without the restriction
    except Exception as error:  # a damaged file makes torch and zipfile raise anything
        raise CheckpointError(f"{file}: damaged or not a checkpoint ({reason(error)}); use an earlier one") from error
    if not isinstance(content, dict) or not isinstance(content.get("genloom"), dict) or "digest" not in content:
        raise CheckpointError(f"{file}: not a checkpoint of genloom: it does not say what it is made of")
    try:
        _check_size(content, file.stat().st_size)
        found = digest({name: value for name, value in content.items() if name != "digest"})
    except Exception as error:  # nested without end, tensors of other kinds
        raise CheckpointError(f"{file}: it holds what no checkpoint of genloom holds ({reason(error)})") from error
    if not isinstance(content["digest"], str) or found != content["digest"]:
        raise CheckpointError(f"{file}: damaged: the content does not match its digest; use an earlier one")
    if not _are_weights(content.get("state_dict")) or type(content.get("global_step")) is not int:
        raise CheckpointError(f"{file}: not a checkpoint of genloom: it holds no weights, or not when they were taken")
    return content


#: What torch's reader would call, though no checkpoint needs it: bytearray(10**11) fills the memory.
_CALLED = re.compile(rb"c(?:builtins|_codecs)\n(\w+)\n")


def _check_archive(file: Path) -> None:
    """Refuse an archive that would take more memory than it is large; ours are not packed, and call nothing."""
    with file.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":  # torch goes by this, and the archive may stand behind something else
            raise ValueError("it does not begin as an archive does")
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > file.stat().st_size:
            raise ValueError("what it unpacks to is larger than the file")
        for entry in archive.infolist():
            if entry.filename.lower().endswith(".pkl") and (called := _CALLED.search(archive.read(entry))):
                raise ValueError(f"it would call {called[1].decode()}")


def _check_size(content: Any, num_bytes: int) -> None:
    """Refuse values that say of each other, or of their own size, more than ``num_bytes`` of a file can hold."""
    known: dict[int, float] = {}
    storages: dict[int, int] = {}
    met = 0

    def count(node: Any) -> float:
        """Return how many values there are in ``node``, with itself, as often as a reader of them would meet each."""
        nonlocal met
        met += 1
        if isinstance(node, Tensor):
            storage = node.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            if node.numel() * node.element_size() > storage.nbytes():
                raise ValueError(f"a tensor of {tuple(node.shape)} in {storage.nbytes()} bytes")
        if not isinstance(node, Mapping | list | tuple):
            return 1
        if id(node) not in known:
            known[id(node)] = math.inf  # until it is known: it may hold itself
            inner = [*node.keys(), *node.values()] if isinstance(node, Mapping) else node
            known[id(node)] = 1 + sum(map(count, inner))
        return known[id(node)]

    if count(content) > 10 * met:
        raise ValueError("values that repeat each other without end")
    if sum(storages.values()) > num_bytes:
        raise ValueError(f"tensors of {sum(storages.values()):,} bytes in a file of {num_bytes:,}")


def _are_weights(weights: Any) -> bool:
    return isinstance(weights, dict) and all(
        isinstance(name, str) and isinstance(weight, Tensor) for name, weight in weights.items()
    )


def position(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the epoch of a checkpoint and how many of its batches had been seen.

    ``ready``, not ``completed``: a checkpoint written at a batch's end has that batch not completed yet.

    Raises:
        CheckpointError: it does not say so.
    """
    content = read(path)
    try:
        loop = content["loops"]["fit_loop"]
        epochs, batches = loop["epoch_progress"]["current"], loop["epoch_loop.batch_progress"]["current"]
        between_epochs = epochs["completed"] == epochs["ready"]
        return int(epochs["completed"]), 0 if between_epochs else int(batches["ready"])
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: it does not say how far it was trained ({error!r})") from error
