"""What is known about real pictures, kept on disk: features, moments, neighbours and floors.

Each entry is one safetensors file, named after the sha256 of the canonical JSON of its key. The key names everything
that the values depend on: the exact pixels, the extractor's weights and preprocessing, parameters, the code and the
libraries' versions. The file repeats the key and the digest of its tensors; one that does not match is computed again.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genloom.data import base

_log = logging.getLogger(__name__)
_ROOMS = ("contents", "extractors", "judging", "metrics")  # whose code computes features and floors


@cache
def schema() -> str:
    """Return the digest of the code that computes what is stored, so that changed code never meets old values."""
    package = Path(base.__file__).parents[1]
    sources = [base.__file__, *(path for room in _ROOMS for path in sorted((package / room).rglob("*.py")))]
    return hashlib.sha256(b"".join(Path(source).read_bytes() for source in sources)).hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that compute features and distances."""
    return {name: metadata.version(name) for name in ("torch", "torchmetrics", "torch-fidelity")}


def canonical_json(value: Any) -> str:
    """Return one text per value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


class ReferenceCache:
    """Named tensors on disk.

    A cache that cannot be written is reported once, in the log, and costs only time.

    Args:
        folder: where; None is ``GENLOOM_CACHE``, or else the user's cache folder.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        default = os.environ.get("GENLOOM_CACHE") or platformdirs.user_cache_path("genloom") / "reference"
        self.folder = Path(folder or default).expanduser()
        self._writable = True

    def tensors(self, key: Mapping[str, Any], compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Return the tensors stored under ``key``, computing and storing them if there are none."""
        path, text = self._place(key)
        stored = _read(path, text)
        if stored is not None:
            return stored
        computed = compute()
        self._write(path, text, computed)
        return computed

    def gathered(
        self, key: Mapping[str, Any], num: int, parts: Callable[[], Iterable[Mapping[str, Tensor]]]
    ) -> dict[str, Tensor]:
        """Return tensors of ``num`` rows, as :meth:`tensors` does, that are computed a part at a time.

        They are a file that is mapped into memory, its pages the system's to drop: there may be more than memory holds.

        Args:
            key: see above.
            num: rows of all parts together.
            parts: yields some rows of each tensor, on the CPU.
        """
        path, text = self._place(key)
        stored = _read(path, text)
        if stored is not None:
            return stored
        whole = None
        if self._writable:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                whole = _on_disk(self.folder, num, parts())
            except OSError as error:
                self._give_up(error)
        whole = gathered(num, parts()) if whole is None else whole
        if not self._write(path, text, whole):
            return whole
        del whole  # the pages of one file at a time are enough
        return _read(path, text) or gathered(num, parts())

    def _place(self, key: Mapping[str, Any]) -> tuple[Path, str]:
        text = canonical_json({"schema": schema(), "versions": library_versions(), **key})
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors", text

    def plain(self, key: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """Return the plain data (what JSON can hold) stored under ``key``, as :meth:`tensors` does."""

        def encode() -> dict[str, Tensor]:
            return {"json": torch.tensor(list(canonical_json(compute()).encode()), dtype=torch.uint8)}

        return json.loads(bytes(self.tensors(key, encode)["json"].tolist()))

    def _write(self, path: Path, key: str, tensors: dict[str, Tensor]) -> bool:
        """Return whether they are kept."""
        if not self._writable:
            return False
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        temporary = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".partial")
            os.close(handle)
            save_file(whole, temporary, metadata={"key": key, "sha256": tensors_digest(whole)})
            os.replace(temporary, path)
        except (OSError, SafetensorError) as error:
            self._give_up(error)
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
        return self._writable

    def _give_up(self, error: Exception) -> None:
        self._writable = False
        _log.warning("reference statistics are not kept: %s cannot be written (%s)", self.folder, error)


def gathered(num: int, parts: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return tensors of ``num`` rows, which come in parts, in memory."""
    whole: dict[str, Tensor] = {}
    done = 0
    for part in parts:
        for name, rows in part.items():
            if name not in whole:
                whole[name] = torch.empty(num, *rows.shape[1:], dtype=rows.dtype)
            whole[name][done : done + len(rows)] = rows
        done += len(next(iter(part.values())))
    return whole


def _on_disk(folder: Path, num: int, parts: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the same in files without a name, which are there as long as somebody uses them."""
    with ExitStack() as stack:
        written: dict[str, tuple[BinaryIO, Tensor]] = {}
        for part in parts:
            for name, rows in part.items():
                if name not in written:
                    written[name] = stack.enter_context(tempfile.TemporaryFile(dir=folder)), rows[:0].clone()
                written[name][0].write(_bytes(rows))
        return {name: _mapped(file, (num, *none.shape[1:]), none) for name, (file, none) in written.items()}


def _mapped(file: BinaryIO, shape: tuple[int, ...], like: Tensor) -> Tensor:
    if 0 in shape:
        return like.new_empty(shape)
    file.flush()
    return torch.from_numpy(np.memmap(file, like.numpy().dtype, mode="c", shape=shape))


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.contiguous().numpy().reshape(-1).view(np.uint8).data


def _read(path: Path, key: str) -> dict[str, Tensor] | None:
    """Return the tensors of a file, or None if it is missing, damaged or of another key."""
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError):
        return None
    return tensors if notes.get("key") == key and notes.get("sha256") == tensors_digest(tensors) else None


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of named tensors on the CPU: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(_bytes(tensors[name]))
    return digest.hexdigest()
