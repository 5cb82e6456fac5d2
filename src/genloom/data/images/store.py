"""Pictures that were decoded once into a file, for data larger than memory.

Below the cache, each set has a folder of its own: ``pixels.u8``, picture after picture as 8-bit (channels, height,
width), and ``store.json``, which says what of. Both have these names only when all is decoded; until then the pixels
are ``pixels.partial``, written to the disk before ``progress.json`` counts them, so that whoever is killed goes on from
there. The file is mapped into memory: its pages are the system's, which drops them when others need the room.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from filelock import FileLock, Timeout

from genloom import progress
from genloom.contents.files import shown
from genloom.contents.image import Images
from genloom.data.images.mapped import REDRAWN_END, PixelFile, StoredImages, not_written
from genloom.data.images.pictures import Decoded, Pictures, planar
from genloom.errors import DataError, reason
from genloom.printable import in_bytes

_SECONDS = 2  # between two entries of the progress
_ENDS = {"store.json", "progress.json", "pixels.u8", "pixels.partial", "known.json"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _State:
    """What is said of the pixels beside them.

    Args:
        what: is decoded, and how.
        identity: digest of the pictures.
        num: how many there are.
        shape: of one; None before the first.
        done: how many were read.
        stored: how many of them are in the file.
        crc: CRC-32 of the file.
        bad: positions of the others, each with the reason.
        modified: time of the file's last change, in nanoseconds, once it is whole.
    """

    what: dict[str, Any]
    identity: str
    num: int
    shape: tuple[int, int, int] | None = None
    done: int = 0
    stored: int = 0
    crc: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    modified: int | None = None

    @classmethod
    def read(cls, path: Path) -> "_State | None":
        """Return what a file says; None if it is not there.

        Raises:
            ValueError: it says something else.
        """
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            shape = None if plain["shape"] is None else tuple(map(int, plain["shape"]))
            bad = [(int(position), str(why)) for position, why in plain["bad"]]
            return cls(**{**plain, "shape": shape, "bad": bad})
        except FileNotFoundError:
            return None
        except (OSError, TypeError, KeyError) as error:
            raise ValueError(reason(error)) from error

    @property
    def num_bytes(self) -> int:
        """Of the file."""
        return self.stored * int(np.prod(self.shape or (0,)))

    def write(self, path: Path) -> None:
        """Write to the disk at once, and at no moment half of it."""
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


class Store:
    """Where pictures are decoded to.

    Args:
        what: is decoded, and how: plain values, by which the folder is named.
        name: begins the folder's name.
        cache_dir: holds it; None is ``GENLOOM_CACHE``, or else the user's cache folder.
    """

    def __init__(self, what: Mapping[str, Any], name: str, cache_dir: str | os.PathLike[str] | None) -> None:
        cache = Path(cache_dir or os.environ.get("GENLOOM_CACHE") or platformdirs.user_cache_path("genloom"))
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
        self.folder = cache.expanduser().absolute() / "decoded" / f"{name}-{digest[:12]}"
        self.what = dict(what)

    def decoded(self, pictures: Pictures) -> Decoded:
        """Return all pictures, decoding those that are not there yet.

        Raises:
            DataError: they differ in size; the disk is full, or can't be written.
        """
        fresh = _State(self.what, pictures.identity(), len(pictures))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked(pictures):
                state = self._whole(fresh, pictures) or self._filled(fresh, pictures)
        except OSError as error:
            raise not_written(self.folder, error) from error
        if state.shape is None:  # not one of them could be used
            return Decoded(Images(torch.empty(0, 1, 0, 0, dtype=torch.uint8)), state.bad)
        file = PixelFile(self.folder / "pixels.u8", (state.stored, *state.shape))
        return Decoded(StoredImages(file, range(state.stored), {}), state.bad)

    @contextlib.contextmanager
    def _locked(self, pictures: Pictures) -> Iterator[None]:
        """Let others that decode the same finish first."""
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=1)
        except Timeout:
            _log.warning(f"{pictures.where} is being decoded by another process; waiting for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _whole(self, fresh: _State, pictures: Pictures) -> _State | None:
        """Return what there is, if it is whole and of these pictures."""
        path, file = self.folder / "store.json", self.folder / "pixels.u8"
        try:
            state = _State.read(path)
            if state is None:
                return None
            if state.identity != fresh.identity:
                _log.warning(
                    f"{pictures.where} changed since it was decoded: {fresh.num:,} pictures now, {state.num:,} "
                    "then; decoding it again"
                )
            elif _is_intact(file, state):
                (self.folder / "progress.json").unlink(missing_ok=True)  # whoever wrote it was killed at the last step
                return state
            else:
                raise ValueError("its pixels are others than were written")
        except ValueError as error:
            _log.warning(f"{shown(self.folder)} is damaged ({error}); decoding {pictures.where} again")
        for name in _ENDS:
            (self.folder / name).unlink(missing_ok=True)
        return None

    def _begun(self, fresh: _State) -> _State:
        """Return how far an earlier process came with these pictures; ``fresh`` if it has to be begun anew."""
        partial, file = self.folder / "pixels.partial", self.folder / "pixels.u8"
        with contextlib.suppress(ValueError):
            state = _State.read(self.folder / "progress.json")
            if state is not None and state.identity == fresh.identity:
                if state.done == state.num and not partial.exists() and file.exists():
                    file.rename(partial)  # it was killed between the last two steps
                if partial.exists() and partial.stat().st_size >= state.num_bytes and _crc(partial, state) == state.crc:
                    return state
        (self.folder / "progress.json").unlink(missing_ok=True)
        return fresh

    def _filled(self, fresh: _State, pictures: Pictures) -> _State:
        partial, path = self.folder / "pixels.partial", self.folder / "progress.json"
        state = self._begun(fresh)
        while (ended := self._appended(partial, path, state, pictures)).done < len(pictures):
            state = ended
        for made in ((self.folder / "known.json"), *self.folder.glob(f"*{REDRAWN_END}*")):
            made.unlink(missing_ok=True)
        partial.rename(self.folder / "pixels.u8")
        whole = replace(ended, modified=(self.folder / "pixels.u8").stat().st_mtime_ns)
        whole.write(self.folder / "store.json")
        path.unlink()
        return whole

    def _appended(self, partial: Path, path: Path, state: _State, pictures: Pictures) -> _State:
        """Decode from ``state`` on. Grey pictures before one in colour are to be begun again, in colour."""
        shape, done, stored, crc, bad = state.shape, state.done, state.stored, state.crc, list(state.bad)
        with partial.open("r+b" if partial.exists() else "w+b") as file, contextlib.ExitStack() as stack:
            file.truncate(state.num_bytes)
            file.seek(0, os.SEEK_END)
            decoded = stack.enter_context(contextlib.closing(pictures.decoded(done)))
            bar: Any = None
            entered = time.monotonic()

            def entry() -> _State:
                file.flush()
                os.fsync(file.fileno())
                now = replace(state, shape=shape, done=done, stored=stored, crc=crc, bad=bad)
                now.write(path)
                return now

            for pixels in decoded:
                if isinstance(pixels, str):
                    bad.append((done, pixels))
                else:
                    if shape is None:
                        shape = (1 if pixels.ndim == 2 else 3, *pixels.shape[:2])
                    if pixels.shape[:2] != shape[1:]:
                        first = next(place for place in range(done) if place not in dict(bad))
                        raise pictures.differ(first, shape[1:], done, pixels.shape[:2])
                    if pixels.ndim == 3 and shape[0] == 1:
                        return replace(state, shape=(3, *shape[1:]), done=0, stored=0, crc=0, bad=[])
                    if bar is None:
                        self._check_room(pictures, shape, len(pictures) - done)
                        bar = stack.enter_context(
                            progress.bar(len(pictures), f"decoding into {self.folder.name}", "pictures", initial=done)
                        )
                    planes = planar(pixels, shape[0]).data
                    crc = zlib.crc32(planes, crc)
                    file.write(planes)
                    stored += 1
                done += 1
                if bar is not None:
                    bar.update()
                if time.monotonic() - entered > _SECONDS:
                    entry()
                    entered = time.monotonic()
            return entry()

    def _check_room(self, pictures: Pictures, shape: tuple[int, int, int], num: int) -> None:
        needed, free = num * int(np.prod(shape)), shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"{shown(self.folder)}: the pictures in {pictures.where} need {in_bytes(needed)}, and "
                f"{in_bytes(free)} are free there; make room, set data.cache_dir to a folder of another disk, or a "
                "smaller data.size"
            )
        print(
            f"decoding {num:,} pictures of {tuple(shape)} into {shown(self.folder)}: {in_bytes(needed)} of the "
            f"{in_bytes(free)} that are free",
            file=sys.stderr,
            flush=True,
        )


def _is_intact(file: Path, state: _State) -> bool:
    """Return whether pixels are those that were written; they are read only if somebody touched the file."""
    try:
        status = file.stat()
    except OSError:
        return False
    if status.st_size != state.num_bytes:
        return False
    return status.st_mtime_ns == state.modified or _crc(file, state) == state.crc


def _crc(path: Path, state: _State) -> int:
    crc, left = 0, state.num_bytes
    with path.open("rb") as file:
        while part := file.read(min(left, 2**24)):
            crc, left = zlib.crc32(part, crc), left - len(part)
    return crc
