"""A user's own folder of images: any tree, with or without class folders.

A hash of its path below the root, u in [0, 1), assigns each file to a split: test where u < t, validation where
t ≤ u < t + v, else training. So a file stays in its split whatever else is added. Or folders named after splits do, of
which one without a folder is cut from training by the same hash. Within a split the order is that of the sorted paths.
Every file is decoded once, into one tensor or file whose slices are the splits.
"""

import hashlib
import logging
import os
import shlex
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, get_args

import torch

from genloom import randomness
from genloom.contents.decoder import Decoder, is_picture
from genloom.contents.files import shown, walk
from genloom.data.base import Split
from genloom.data.images import copies, split_folders
from genloom.data.images.base import Images
from genloom.data.images.decoded import DecodedImages, Read
from genloom.data.images.decoding import Pixels, decode
from genloom.data.images.pictures import Pictures
from genloom.data.images.split_folders import SplitFolders
from genloom.errors import DataError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Folder:
    """What was read: all images, ordered by split, and what was left out."""

    images: Images
    read: Read
    classes: tuple[str, ...] | None
    why_unlabelled: str | None
    own_validation: bool  # whether a folder of its own gives the validation split


class Files(Pictures):
    """Picture files.

    Args:
        root: the folder that they are in.
        paths: of the files.
        decoder: reads one.
        decoders: see :func:`~genloom.data.images.decoding.decode`.
    """

    remedy = (
        "add images or set data.root to another folder (genloom encode and genloom reconstruct take pictures without "
        "splits: images=FOLDER)"
    )

    def __init__(self, root: Path, paths: list[Path], decoder: Decoder, decoders: int | None) -> None:
        self.root = root
        self.where = shown(root)
        self.paths = paths
        self.decoder = decoder
        self.decoders = decoders

    def __len__(self) -> int:
        return len(self.paths)

    def path(self, position: int) -> Path:
        """Return the file's."""
        return self.paths[position]

    def called(self, path: Path) -> str:
        """Return the path below the root."""
        return shown(path.relative_to(self.root))

    def identity(self) -> str:
        """Return a digest of the files' paths, sizes and times of change, in their order."""
        digest = hashlib.sha256()
        for path in self.paths:
            try:
                status = path.stat()
                facts = f"{status.st_size} {status.st_mtime_ns}"
            except OSError as error:  # its decoding will say so, too
                facts = str(error.strerror)
            digest.update(os.fsencode(path.relative_to(self.root)) + f"\0{facts}\n".encode())
        return digest.hexdigest()

    def decoded(self, first: int = 0) -> Generator[Pixels | str]:
        """Decode the files from position ``first`` on."""
        return decode(self.paths[first:], len(self) - first, self.decoder, self.decoders)


class ImageFolder(DecodedImages):
    """A tree of images (png, jpg, webp and what else Pillow reads; of several pictures in one file, the first).

    If every image lies in one of at least two folders directly below the root, those folders are the classes; else the
    data is unlabelled. EXIF orientation is honoured. Hidden files are no data; files of other kinds are counted.

    Args:
        root: the folder.
        splits_by_folder: where folders are named after splits (``train`` and ``test``, ``Training``, ``train2017`` …),
            True makes them the splits, and what else their files' paths say the classes; False makes them classes or
            nothing, like any other folders. None refuses such a tree, since official test images are not to be
            trained on unnoticed.
        **decoded: see :class:`~genloom.data.images.decoded.DecodedImages`.

    Raises:
        DataError: if ``root`` is None; on reading, naming the files that cannot be used.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str] | None = None,
        name: str = "image_folder",
        splits_by_folder: bool | None = None,
        **decoded: Any,
    ) -> None:
        super().__init__(name=name, **decoded)
        if root is None:
            raise DataError(f"{name}: no folder given; set data.root to the folder that holds the images")
        self.root = Path(root).expanduser().absolute()
        self.splits_by_folder = splits_by_folder

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the class folders, or None for unlabelled data."""
        return self._folder.classes

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """The files that were left out, each with the reason; empty under ``on_bad=error``."""
        return self._folder.read.skipped

    @property
    def why_unlabelled(self) -> str | None:
        """Why there are no classes, and what would give some; None if there are classes, or no sign of any."""
        return self._folder.why_unlabelled

    def read(self, split: Split) -> Images:
        """Return one split, a view of the one tensor or file that holds them all."""
        return self._folder.images[self._folder.read.bounds[split]]

    def whole_training_set(self) -> Images:
        """Return the training split; with the validation split where no folder of its own gives it."""
        train, val = self._folder.read.bounds["train"], self._folder.read.bounds["val"]  # neighbours, in this order
        return self.split("train") if self._folder.own_validation else self._folder.images[train.start : val.stop]

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
        pictures = Files(self.root, found, Decoder(self.size, self.channels), self.decoders)
        made_of = {"root": shown(self.root), "splits_by_folder": self.splits_by_folder}
        read = self._read(pictures, [splits[path] for path in found], bad, made_of)
        relative = [self._relative(found[position]) for position in read.usable]
        inner = [path if folders is None else folders.without(path) for path in relative]
        classes = _class_folders(inner)
        number = {name: index for index, name in enumerate(classes or ())}
        labels = torch.tensor([number[shown(path.parts[0])] for path in inner]) if classes else None
        why = None if classes else self._why_unlabelled(inner, folders)
        own = folders is not None and set(folders.names.values()) == set(get_args(Split))
        images = read.images if labels is None else read.images.with_given({"label": labels})
        suspicions = (
            images.remembered(
                f"copies {sorted(read.bounds.items(), key=str)}",
                lambda: copies.trained_and_tested(images, relative, read.bounds["train"], read.bounds["test"]),
            ),
            copies.masks(relative),
        )
        for suspicion in filter(None, suspicions):
            _log.warning(f"{shown(self.root)}: {suspicion}")
        return _Folder(images, read, classes, why, own)

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
            self._check_folds(paths)
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

    def _check_folds(self, paths: list[PurePath]) -> None:
        """Refuse to take for classes what nobody has decided on: the parts of a cross-validation."""
        names = sorted({path.parts[0] for path in paths if len(path.parts) > 1})
        if split_folders.are_folds(names):
            raise DataError(
                f"{shown(self.root)} is divided into {_few(names)}, which are called as the parts of a "
                "cross-validation are; move them into folders train and test and set data.splits_by_folder=true, or "
                "set data.splits_by_folder=false to take them as classes"
            )

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


def _class_folders(paths: list[PurePath]) -> tuple[str, ...] | None:
    """Return the sorted first-level folders if all paths lie in one and there are at least two, else None."""
    names = sorted({path.parts[0] for path in paths})
    return tuple(map(shown, names)) if len(names) > 1 and all(len(path.parts) > 1 for path in paths) else None


def _few(names: list[str]) -> str:
    return ", ".join(map(shown, names[:3])) + (", …" if len(names) > 3 else "")
