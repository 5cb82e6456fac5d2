"""A user's own folder of images: any tree, with or without class folders.

A hash of its path below the root, u in [0, 1), assigns each file to a split: test where u < t, validation where
t ≤ u < t + v, else training. So a file stays in its split whatever else is added. Within a split the order is that of
the sorted paths. Every file is decoded once, into one tensor whose slices are the splits.
"""

import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from genloom import randomness
from genloom.data.base import ImageData, Images, Split
from genloom.data.image_file import SUFFIXES, Decoder, UnusableFileError
from genloom.errors import ConfigError, DataError
from genloom.limits import Count, Ge, PartialShare
from genloom.spec import ImageContent, Spec

OnBad = Literal["error", "skip"]

_SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "test"}
_MIN_IMAGES = 2 * len(get_args(Split))

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Folder:
    """What was read: all images, ordered by split, and what was left out."""

    images: Images
    bounds: dict[Split, slice]
    classes: tuple[str, ...] | None
    skipped: list[tuple[Path, str]]


class ImageFolder(ImageData):
    """A tree of images (png, jpg, jpeg, bmp, webp, tif, tiff, gif; of several pictures in one file, the first).

    If every image lies in one of at least two folders directly below the root, those folders are the classes; else the
    data is unlabelled. EXIF orientation is honoured. Hidden files and files of other kinds are ignored.

    Args:
        root: the folder.
        size: pixels; the shorter side is scaled to it (Lanczos, antialiased), then the centre is cut out. None keeps
            the stored size, which all images must share.
        channels: 1 or 3 converts every image, transparent ones over white. None takes grey and RGB files as they are:
            one channel if all are grey, else three.
        on_bad: what to do with files that cannot be used: ``error``, or ``skip`` to leave them out and list them in
            :attr:`skipped`.
        val_fraction: expected share of the validation split.
        test_fraction: expected share of the test split.
        **image_data: see :class:`~genloom.data.base.ImageData`.

    Raises:
        ConfigError: for an impossible argument.
        DataError: if ``root`` is None; on reading, naming the files that cannot be used.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str] | None = None,
        name: str = "image_folder",
        size: Annotated[int, Ge(4)] | None = None,
        channels: Count | None = None,
        on_bad: OnBad = "error",
        val_fraction: PartialShare = 0.1,
        test_fraction: PartialShare = 0.1,
        **image_data: Any,
    ) -> None:
        super().__init__(name=name, size=size, **image_data)
        if channels not in (None, 1, 3):
            raise ConfigError(f"data.channels: {channels} is none of null, 1, 3")
        if on_bad not in get_args(OnBad):
            raise ConfigError(f"data.on_bad: {on_bad!r} is none of {', '.join(get_args(OnBad))}")
        if not (val_fraction > 0 and test_fraction > 0 and val_fraction + test_fraction < 1):
            raise ConfigError(
                f"data.val_fraction, data.test_fraction: {val_fraction}, {test_fraction} must be above 0 "
                "and their sum below 1"
            )
        if root is None:
            raise DataError(f"{name}: no folder given; set data.root to the folder that holds the images")
        self.root = Path(root).expanduser().absolute()
        self.channels = channels
        self.on_bad = on_bad
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the class folders, or None for unlabelled data."""
        return self._folder.classes

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """The files that were left out, each with the reason; empty under ``on_bad=error``."""
        return self._folder.skipped

    def follow(self, spec: Spec) -> None:
        """Take the size and the channels of a model of pictures."""
        super().follow(spec)
        if isinstance(spec.content, ImageContent):
            self.channels = spec.content.channels

    def read(self, split: Split) -> Images:
        """Return one split, a view of the one tensor that holds them all."""
        return self._folder.images[self._folder.bounds[split]]

    def _split_of(self, path: Path) -> Split:
        u = randomness.key("image_folder", self._relative(path)) / 2**63
        if u < self.test_fraction:
            return "test"
        return "val" if u < self.test_fraction + self.val_fraction else "train"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @cached_property
    def _folder(self) -> _Folder:
        found, bad = self._find()
        order = get_args(Split)
        found.sort(key=lambda path: (order.index(self._split_of(path)), path.relative_to(self.root).parts))
        _refuse_split_folders(self.root, found)
        paths, pixels, damaged = self._decode(found)
        bad += damaged
        if bad and self.on_bad == "error":
            listing = "".join(f"\n  {line}" for line in self._listing(bad))
            raise DataError(
                f"{len(bad)} of the images in {self.root} cannot be used:{listing}\n"
                "Repair or remove them, or set data.on_bad=skip to leave them out."
            )
        bounds = self._bounds(paths, bad)
        if bad:
            _log.warning(
                f"left out {len(bad)} of the images in {self.root}: {'; '.join(self._listing(bad))}. "
                "All are listed in skipped.txt of the run's directory."
            )
        classes = _class_folders(self.root, paths)
        number = {name: index for index, name in enumerate(classes or ())}
        labels = torch.tensor([number[path.relative_to(self.root).parts[0]] for path in paths]) if classes else None
        return _Folder(Images(torch.from_numpy(_stack(pixels)), labels), bounds, classes, bad)

    def _find(self) -> tuple[list[Path], list[tuple[Path, str]]]:
        """Return the files that look like images, and the folders that cannot be read."""
        if not self.root.is_dir():
            problem = "is not a folder" if self.root.exists() else "does not exist"
            raise DataError(f"{self.root} {problem}; set data.root to the folder that holds the images")
        found: list[Path] = []
        others: list[str] = []
        unreadable: list[OSError] = []
        for folder, subfolders, names in os.walk(self.root, onerror=unreadable.append, followlinks=True):
            subfolders[:] = [s for s in subfolders if s[0] != "." and not _leads_back(Path(folder, s))]
            for name in names:
                if name[0] != ".":
                    is_image = name.lower().endswith(SUFFIXES)
                    found.append(Path(folder, name)) if is_image else others.append(name)
        bad = [(Path(error.filename), error.strerror or str(error)) for error in unreadable]
        if not found and not bad:
            holds = f"only other files ({', '.join(sorted(others)[:3])})" if others else "no files"
            raise DataError(
                f"{self.root} holds {holds} and no image ({' '.join(s[1:] for s in SUFFIXES)}); "
                "set data.root to the folder that holds the images"
            )
        return found, bad

    def _decode(self, paths: list[Path]) -> tuple[list[Path], list[np.ndarray], list[tuple[Path, str]]]:
        """Decode all files; return the usable ones, their pixels, and the others with the reason."""
        usable: list[Path] = []
        decoded: list[np.ndarray] = []
        bad: list[tuple[Path, str]] = []
        decode = partial(_pixels_or_reason, Decoder(self.size, self.channels))
        with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for path, pixels in zip(paths, pool.map(decode, paths), strict=True):
                if isinstance(pixels, str):
                    bad.append((path, pixels))
                    continue
                if not usable:
                    self._check_memory(len(paths) * pixels.nbytes)
                elif pixels.shape[:2] != decoded[0].shape[:2]:
                    raise DataError(
                        f"images in {self.root} differ in size: {_sized(self._relative(usable[0]), decoded[0])}, "
                        f"{_sized(self._relative(path), pixels)}; set data.size=64 to scale and crop all"
                    )
                usable.append(path)
                decoded.append(pixels)
        return usable, decoded, bad

    def _check_memory(self, num_bytes: int) -> None:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if num_bytes > memory:
            raise DataError(
                f"the images in {self.root} need {num_bytes / 1e9:.1f} GB, and this machine has {memory / 1e9:.1f} GB "
                "of memory; set a smaller data.size"
            )

    def _bounds(self, paths: list[Path], bad: list[tuple[Path, str]]) -> dict[Split, slice]:
        """Return where each split lies in ``paths``."""
        left_out = f" ({len(bad)} left out, e.g. {self._listing(bad)[0]})" if bad else ""
        if len(paths) < _MIN_IMAGES:
            raise DataError(
                f"{self.root} holds {len(paths)} usable images{left_out}; at least {_MIN_IMAGES} are needed, two each "
                "for training, validation and test; add images or set data.root to another folder (genloom encode and "
                "genloom reconstruct take pictures without splits: images=FOLDER)"
            )
        splits = [self._split_of(path) for path in paths]
        bounds: dict[Split, slice] = {}
        start = 0
        for split in get_args(Split):
            num = splits.count(split)
            if num < 2:
                remedy = "lower the other fractions" if split == "train" else f"raise data.{split}_fraction"
                raise DataError(
                    f"{self.root} holds {len(paths)} usable images{left_out}, of which {num} fall into the {split} "
                    f"split; at least 2 are needed; add images or {remedy}"
                )
            bounds[split] = slice(start, start + num)
            start += num
        return bounds

    def _listing(self, bad: list[tuple[Path, str]]) -> list[str]:
        """Name the first three."""
        shown = [f"{self._relative(path)}: {reason}" for path, reason in bad[:3]]
        return [*shown, f"and {len(bad) - 3} more"] if len(bad) > 3 else shown


def _leads_back(folder: Path) -> bool:
    # A link to a folder on the way to it would be walked for ever.
    return folder.is_symlink() and folder.resolve() in {parent.resolve() for parent in folder.parents}


def _sized(name: str, pixels: np.ndarray) -> str:
    return f"{name} is {pixels.shape[1]}x{pixels.shape[0]}"


def _pixels_or_reason(decode: Decoder, path: Path) -> np.ndarray | str:
    # The error as a value, so that one bad file does not end a parallel map.
    try:
        return decode(path)
    except UnusableFileError as problem:
        return str(problem)


def _class_folders(root: Path, paths: list[Path]) -> tuple[str, ...] | None:
    """Return the sorted first-level folders if all paths lie in one and there are at least two, else None."""
    parts = [path.relative_to(root).parts for path in paths]
    names = sorted({p[0] for p in parts})
    return tuple(names) if len(names) > 1 and all(len(p) > 1 for p in parts) else None


def _refuse_split_folders(root: Path, paths: list[Path]) -> None:
    names = _class_folders(root, paths)
    if names and _SPLIT_FOLDERS.issuperset(name.lower() for name in names):
        raise DataError(
            f"{root} is divided into {' and '.join(names)}, which are splits rather than classes; "
            f"set data.root={root / names[-1]} or another one of them"
        )


def _stack(decoded: list[np.ndarray]) -> UInt8[np.ndarray, "num channels height width"]:
    """Stack grey and colour images, grey ones repeated where any is in colour; empties the list as it goes."""
    height, width = decoded[0].shape[:2]
    stacked = np.empty((len(decoded), max(1 if a.ndim == 2 else 3 for a in decoded), height, width), np.uint8)
    for i, a in enumerate(decoded):
        stacked[i] = a if a.ndim == 2 else a.transpose(2, 0, 1)
        decoded[i] = np.empty(0, np.uint8)  # frees the memory
    return stacked
