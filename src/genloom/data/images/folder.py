"""A user's own folder of images: any tree, with or without class folders.

A hash of its path below the root, u in [0, 1), assigns each file to a split: test where u < t, validation where
t ≤ u < t + v, else training. So a file stays in its split whatever else is added. Or folders named after splits do, of
which one without a folder is cut from training by the same hash. Within a split the order is that of the sorted paths.
Every file is decoded once, into one tensor whose slices are the splits.
"""

import logging
import os
import shlex
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from genloom import randomness
from genloom.contents.decoder import Decoder, UnusableFileError, is_picture
from genloom.contents.files import shown, walk
from genloom.contents.image import ImageContent
from genloom.data.base import Split
from genloom.data.images import copies, split_folders
from genloom.data.images.base import ImageData, Images
from genloom.data.images.split_folders import SplitFolders
from genloom.errors import ConfigError, DataError
from genloom.limits import Count, Ge, PartialShare
from genloom.spec import Spec

OnBad = Literal["error", "skip"]

_MIN_IMAGES = 2 * len(get_args(Split))

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Folder:
    """What was read: all images, ordered by split, and what was left out."""

    images: Images
    bounds: dict[Split, slice]
    classes: tuple[str, ...] | None
    why_unlabelled: str | None
    skipped: list[tuple[Path, str]]
    own_validation: bool  # whether a folder of its own gives the validation split


class ImageFolder(ImageData):
    """A tree of images (png, jpg, webp and what else Pillow reads; of several pictures in one file, the first).

    If every image lies in one of at least two folders directly below the root, those folders are the classes; else the
    data is unlabelled. EXIF orientation is honoured. Hidden files are no data; files of other kinds are counted.

    Args:
        root: the folder.
        size: pixels; the shorter side is scaled to it (Lanczos, antialiased), then the centre is cut out. None keeps
            the stored size, which all images must share.
        channels: 1 or 3 converts every image, transparent ones over white. None takes grey and RGB files as they are:
            one channel if all are grey, else three.
        on_bad: what to do with files that cannot be used: ``error``, or ``skip`` to leave them out and list them in
            :attr:`skipped`.
        splits_by_folder: where folders are named after splits (``train`` and ``test``, ``Training``, ``train2017`` …),
            True makes them the splits, and what else their files' paths say the classes; False makes them classes or
            nothing, like any other folders. None refuses such a tree, since official test images are not to be
            trained on unnoticed.
        val_fraction: expected share of the validation split; of the training folder where there is none for it.
        test_fraction: expected share of the test split; of no use where folders are the splits.
        **image_data: see :class:`~genloom.data.images.base.ImageData`.

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
        splits_by_folder: bool | None = None,
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
        self.splits_by_folder = splits_by_folder
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

    @property
    def why_unlabelled(self) -> str | None:
        """Why there are no classes, and what would give some; None if there are classes, or no sign of any."""
        return self._folder.why_unlabelled

    def follow(self, spec: Spec) -> None:
        """Take the size and the channels of a model of pictures."""
        super().follow(spec)
        self.channels = ImageContent.of(spec.content).channels

    def read(self, split: Split) -> Images:
        """Return one split, a view of the one tensor that holds them all."""
        return self._folder.images[self._folder.bounds[split]]

    def whole_training_set(self) -> Images:
        """Return the training split; with the validation split where no folder of its own gives it."""
        return self.split("train") if self._folder.own_validation else self.split("train") + self.split("val")

    def _split_of(self, path: PurePath, folders: SplitFolders | None) -> Split:
        u = randomness.key("image_folder", shown(path.as_posix())) / 2**63
        if folders is None:
            if u < self.test_fraction:
                return "test"
            return "val" if u < self.test_fraction + self.val_fraction else "train"
        # a folder that is only called validation is what others are compared on: the test split
        named, given = folders.split_of(path), set(folders.names.values())
        if named == "val" and "test" not in given:
            return "test"
        return "val" if named == "train" and given != set(get_args(Split)) and u < self.val_fraction else named

    def _relative(self, path: Path) -> PurePath:
        return PurePath(path.relative_to(self.root))

    @cached_property
    def _folder(self) -> _Folder:
        found, bad = self._find()
        folders = self._split_folders([self._relative(path) for path in found])
        order: tuple[Split, ...] = get_args(Split)
        splits: dict[Path, Split] = {path: self._split_of(self._relative(path), folders) for path in found}
        found.sort(key=lambda path: (order.index(splits[path]), path.relative_to(self.root).parts))
        paths, pixels, damaged = self._decode(found)
        bad += damaged
        if bad and self.on_bad == "error":
            listing = "".join(f"\n  {line}" for line in self._listing(bad))
            raise DataError(
                f"{len(bad)} of the images in {shown(self.root)} cannot be used:{listing}\n"
                "Repair or remove them, or set data.on_bad=skip to leave them out."
            )
        bounds = self._bounds([splits[path] for path in paths], bad)
        if bad:
            _log.warning(
                f"left out {len(bad)} of the images in {shown(self.root)}: {'; '.join(self._listing(bad))}. "
                "All are listed in skipped.txt of the run's directory."
            )
        relative = [self._relative(path) for path in paths]
        inner = [path if folders is None else folders.without(path) for path in relative]
        classes = _class_folders(inner)
        number = {name: index for index, name in enumerate(classes or ())}
        labels = torch.tensor([number[shown(path.parts[0])] for path in inner]) if classes else None
        why = None if classes else self._why_unlabelled(inner, folders)
        own = folders is not None and set(folders.names.values()) == set(get_args(Split))
        images = torch.from_numpy(_stack(pixels))
        suspicions = (
            copies.trained_and_tested(images, relative, bounds["train"], bounds["test"]),
            copies.masks(relative),
        )
        for suspicion in filter(None, suspicions):
            _log.warning(f"{shown(self.root)}: {suspicion}")
        return _Folder(
            Images(images, {} if labels is None else {"label": labels}),
            bounds,
            classes,
            why,
            bad,
            own,
        )

    def _split_folders(self, paths: list[PurePath]) -> SplitFolders | None:
        """Return the folders that are the splits; refuse such as nobody has decided on."""
        if self.splits_by_folder is False:
            return None
        folders = split_folders.find(paths)
        root = shown(self.root)
        if folders is None and self.splits_by_folder:
            raise DataError(
                f"data.splits_by_folder: {root} has no folders of pictures that are all named after splits, such as "
                "train and test; leave it out"
            )
        if folders is None:
            return None
        names = " and ".join(map(shown, folders.names))
        if self.splits_by_folder is None:
            raise DataError(
                f"{root} is divided into {names}, which are called as splits are; set data.splits_by_folder=true to "
                "train on the one and be judged by the other, or data.splits_by_folder=false to take all as one set"
            )
        if folders.strays:
            raise DataError(
                f"data.splits_by_folder: {shown(folders.strays[0])} is in none of {names} of {root}; move it into "
                "one, or away, or set data.splits_by_folder=false to take all as one set"
            )
        if "train" not in folders.names.values():
            raise DataError(
                f"data.splits_by_folder: {root} has {names}, and none to train on; set data.splits_by_folder=false to "
                "take all as one set"
            )
        return folders

    def _why_unlabelled(self, paths: list[PurePath], folders: SplitFolders | None) -> str | None:
        names = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
        stray = [path for path in paths if len(path.parts) == 1]
        if len(names) > 1 and stray:
            more = f" and {len(stray) - 1} more" if len(stray) > 1 else ""
            lie = "lie" if more else "lies"
            return f"{shown(stray[0])}{more} {lie} beside the folders {_few(names)}; move it into one, or away"
        if len(names) == 1 and not stray and folders is None:
            common = PurePath(os.path.commonpath([path.parent for path in paths]))
            if any(len(path.parts) > len(common.parts) + 1 for path in paths):
                root = shlex.quote(shown(self.root / common))
                return f"all lie in one folder, {shown(common)}; set data.root={root} for the folders in it"
        return None

    def _find(self) -> tuple[list[Path], list[tuple[Path, str]]]:
        """Return the files that look like images, and the folders that cannot be read."""
        root = shown(self.root)
        if not self.root.is_dir():
            problem = "is not a folder" if self.root.exists() else "does not exist"
            raise DataError(f"{root} {problem}; set data.root to the folder that holds the images")
        found = walk(self.root, is_picture)
        if not found.files and not found.unreadable:
            holds = f"no image ({found.passed_over})" if found.others else "no files"
            raise DataError(f"{root} holds {holds}; set data.root to the folder that holds the images")
        if found.passed_over:
            _log.warning(f"{root}: {found.passed_over}")
        return found.files, found.unreadable

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
                        f"images in {shown(self.root)} differ in size: "
                        f"{_sized(shown(self._relative(usable[0])), decoded[0])}, "
                        f"{_sized(shown(self._relative(path)), pixels)}; set data.size=64 to scale and crop all"
                    )
                usable.append(path)
                decoded.append(pixels)
        return usable, decoded, bad

    def _check_memory(self, num_bytes: int) -> None:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if num_bytes > memory:
            raise DataError(
                f"the images in {shown(self.root)} need {num_bytes / 1e9:.1f} GB, and this machine has "
                f"{memory / 1e9:.1f} GB of memory; set a smaller data.size"
            )

    def _bounds(self, splits: Sequence[Split], bad: list[tuple[Path, str]]) -> dict[Split, slice]:
        """Return where each split lies among the files, whose splits are in order."""
        left_out = f" ({len(bad)} left out, e.g. {self._listing(bad)[0]})" if bad else ""
        if len(splits) < _MIN_IMAGES:
            raise DataError(
                f"{shown(self.root)} holds {len(splits)} usable images{left_out}; at least {_MIN_IMAGES} are needed, "
                "two each for training, validation and test; add images or set data.root to another folder (genloom "
                "encode and genloom reconstruct take pictures without splits: images=FOLDER)"
            )
        bounds: dict[Split, slice] = {}
        start = 0
        for split in get_args(Split):
            num = splits.count(split)
            if num < 2:
                remedy = "lower the other fractions" if split == "train" else f"raise data.{split}_fraction"
                raise DataError(
                    f"{shown(self.root)} holds {len(splits)} usable images{left_out}, of which {num} fall into the "
                    f"{split} split; at least 2 are needed; add images or {remedy}"
                )
            bounds[split] = slice(start, start + num)
            start += num
        return bounds

    def _listing(self, bad: list[tuple[Path, str]]) -> list[str]:
        """Name the first three."""
        few = [f"{shown(self._relative(path))}: {reason}" for path, reason in bad[:3]]
        return [*few, f"and {len(bad) - 3} more"] if len(bad) > 3 else few


def _sized(name: str, pixels: np.ndarray) -> str:
    return f"{name} is {pixels.shape[1]}x{pixels.shape[0]}"


def _pixels_or_reason(decode: Decoder, path: Path) -> np.ndarray | str:
    # The error as a value, so that one bad file does not end a parallel map.
    try:
        return decode(path)
    except UnusableFileError as problem:
        return str(problem)


def _class_folders(paths: list[PurePath]) -> tuple[str, ...] | None:
    """Return the sorted first-level folders if all paths lie in one and there are at least two, else None."""
    names = sorted({path.parts[0] for path in paths})
    return tuple(map(shown, names)) if len(names) > 1 and all(len(path.parts) > 1 for path in paths) else None


def _few(names: list[str]) -> str:
    return ", ".join(map(shown, names[:3])) + (", …" if len(names) > 3 else "")


def _stack(decoded: list[np.ndarray]) -> UInt8[np.ndarray, "num channels height width"]:
    """Stack grey and colour images, grey ones repeated where any is in colour; empties the list as it goes."""
    height, width = decoded[0].shape[:2]
    stacked = np.empty((len(decoded), max(1 if a.ndim == 2 else 3 for a in decoded), height, width), np.uint8)
    for i, a in enumerate(decoded):
        stacked[i] = a if a.ndim == 2 else a.transpose(2, 0, 1)
        decoded[i] = np.empty(0, np.uint8)  # frees the memory
    return stacked
