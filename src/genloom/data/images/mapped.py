"""Pictures in a file that is mapped into memory, as examples like any other; store.py writes such files."""

import contextlib
import errno
import hashlib
import json
import math
import mmap
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Int, UInt8
from torch import Tensor

from genloom.contents.files import shown
from genloom.contents.image import REDRAWN, Images, Redraw
from genloom.errors import DataError, reason

#: how files end that hold what was made of pictures in the same folder
REDRAWN_END = ".redrawn"
_READ = 1000  # pictures that are read at a time
_DROPPED = 64 * 2**20  # bytes that are mapped by reading before the pages of the map are given back
_AROUND = 2**16  # bytes that Linux maps at least where one of them is read


class PixelFile:
    """Pictures one after the other in a file, mapped into memory; other processes open it by its path.

    Args:
        path: 8-bit pixels.
        shape: ``(num, channels, height, width)``.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int]) -> None:
        self.path = path
        self.shape = shape
        self._read = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "shape": self.shape, "_read": 0}

    @cached_property
    def _map(self) -> mmap.mmap:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def pixels(self) -> UInt8[Tensor, "num channels height width"]:
        """All pictures; not to be written to."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")
            return torch.frombuffer(self._map, dtype=torch.uint8).view(self.shape)

    def drop(self, pictures: int) -> None:
        """Count what was read, and now and then give back the pages that it was read from."""
        self._read += pictures * max(int(np.prod(self.shape[1:])), _AROUND)
        if self._read > _DROPPED and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0


class StoredImages(Images):
    """Pictures in a file, read when they are wanted. A selection of them is another view of the file.

    Args:
        file: where they are.
        rows: which of the file's pictures, in their order.
        given: see :class:`~genloom.examples.Examples`; in memory.
    """

    file: PixelFile
    rows: range | Int[Tensor, " num"]

    def __init__(self, file: PixelFile, rows: range | Tensor, given: Mapping[str, Tensor]) -> None:
        vars(self).update(file=file, rows=rows, given=given, factors=None)

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in ("file", "rows", "given", "factors")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} of {self.file.path})"

    def __getitem__(self, index: slice | Tensor) -> "StoredImages":
        rows = self.rows[index] if isinstance(index, slice) else self._places[index]
        return StoredImages(self.file, rows, {name: values[index] for name, values in self.given.items()})

    def __add__(self, other: Images) -> Images:
        """Return these pictures, then ``other``; of one file as a view of it, else in memory."""
        given = {name: torch.cat([values, other.given[name]]) for name, values in self.given.items()}
        if isinstance(other, StoredImages) and other.file is self.file:
            return StoredImages(self.file, torch.cat([self._places, other._places]), given)
        return Images(torch.cat([self.content, other.content]), given)

    def with_given(self, given: Mapping[str, Tensor]) -> "StoredImages":
        """Return the same pictures with something else given."""
        return StoredImages(self.file, self.rows, given)

    @property
    def _places(self) -> Int[Tensor, " num"]:
        return torch.tensor(self.rows) if isinstance(self.rows, range) else self.rows

    @property
    def shape(self) -> tuple[int, ...]:
        """``(num, channels, height, width)``."""
        return (len(self), *self.file.shape[1:])

    @property
    def content(self) -> UInt8[Tensor, "num channels height width"]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The pixels: of neighbours in the file a part of the map, of others a copy in memory."""
        if isinstance(self.rows, range) and self.rows.step == 1:
            return self.file.pixels[self.rows.start : self.rows.stop]
        return torch.cat([part.clone() for part in self.parts(_READ)])

    def content_at(self, index: Int[Tensor, " chosen"]) -> UInt8[Tensor, "chosen channels height width"]:
        """Read the pictures at these places."""
        rows = self.rows.start + self.rows.step * index if isinstance(self.rows, range) else self.rows[index]
        content = self.file.pixels.index_select(0, rows)
        self.file.drop(len(index))
        return content

    def parts(self, size: int) -> Iterator[UInt8[Tensor, "part channels height width"]]:
        """Read all in their order, ``size`` at a time."""
        for index in torch.arange(len(self)).split(size):
            yield self.content_at(index)

    def to(self, device: torch.device) -> Images:
        """Read all pictures into the memory of a device."""
        pixels = torch.empty(self.shape, dtype=torch.uint8, device=device)
        for place, part in zip(pixels.split(_READ), self.parts(_READ), strict=True):
            place.copy_(part)
        return Images(pixels, {name: values.to(device) for name, values in self.given.items()})

    @property
    def num_bytes(self) -> int:
        """How much memory they would take."""
        return math.prod(self.shape) + sum(values.nbytes for values in self.given.values())

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the pixels and of what goes with them, as of pictures in memory; kept beside the file."""
        fingerprint = self.remembered("fingerprint", lambda: Images.fingerprint.func(self))
        assert fingerprint is not None
        return fingerprint

    def remembered(self, name: str, compute: Callable[[], str | None]) -> str | None:
        """Return a text on these pictures, computed once for a file that nobody touches, and kept beside it."""
        path, key = self.file.path.with_name("known.json"), self._key(name)
        for given, values in sorted(self.given.items()):
            key.update(f"{given} {values.dtype} {tuple(values.shape)};".encode())
            key.update(values.contiguous().numpy().data)
        known: dict[str, str | None] = {}
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(path.read_text(encoding="utf-8"))
        if key.hexdigest() not in known:
            known[key.hexdigest()] = compute()
            temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
            with contextlib.suppress(OSError):  # it will be computed again
                temporary.write_text(json.dumps(known), encoding="utf-8")
                temporary.replace(path)
        return known[key.hexdigest()]

    def redrawn(self, name: str, redraw: Redraw) -> "StoredImages":
        """Return these pictures with other pixels, which are written once into a file beside theirs.

        The file has the time of the one that it is made of: another one says that somebody touched it.

        Raises:
            DataError: it cannot be written.
        """
        path = self.file.path.with_name(f"{name}-{self._key(name).hexdigest()[:12]}{REDRAWN_END}")
        whole = int(np.prod(self.shape)), self.file.path.stat().st_mtime_ns
        try:
            with FileLock(f"{path}.lock"):
                if not path.exists() or (path.stat().st_size, path.stat().st_mtime_ns) != whole:
                    partial = path.with_name(f"{path.name}.partial")
                    with partial.open("wb") as file:
                        for part in self.parts(REDRAWN):
                            file.write(redraw(part).contiguous().numpy().data)
                        file.flush()
                        os.fsync(file.fileno())
                    os.utime(partial, ns=(whole[1], whole[1]))
                    partial.replace(path)
        except OSError as error:
            raise not_written(path.parent, error) from error
        return StoredImages(PixelFile(path, (len(self), *self.file.shape[1:])), range(len(self)), self.given)

    def _key(self, name: str) -> "hashlib._Hash":
        """Begin a digest of what is made of these pictures, whatever they are given."""
        status = self.file.path.stat()
        key = hashlib.sha256(f"{name} {self.file.path.name} {status.st_size} {status.st_mtime_ns};".encode())
        key.update(repr(self.rows).encode() if isinstance(self.rows, range) else self.rows.numpy().tobytes())
        return key


def not_written(folder: Path, error: OSError) -> DataError:
    """Return the refusal of a folder for pixels that cannot be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DataError(
            f"{shown(folder)}: the disk is full; make room and start again, which goes on with the pictures that are "
            "decoded, or set data.cache_dir to a folder of another disk, or a smaller data.size"
        )
    return DataError(
        f"{shown(folder)}: it cannot be written ({reason(error)}); set data.cache_dir to a folder that can"
    )
