"""The files of a user's folder: which are wanted, which are passed over, and what that is said of; files of arrays.

Hidden files and folders are no data, nor is what systems and programs leave behind (copies that notebooks keep,
previews, the second halves that macOS writes). Everything else is either wanted or counted.
"""

import codecs
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

import numpy as np

from genloom.errors import DataError, reason
from genloom.printable import printable

#: how files begin that hold no text, whatever they are called
_BINARY = {
    b"PK\x03\x04": "a zip archive, or a document or workbook of an office program",
    b"\xd0\xcf\x11\xe0": "a document or workbook of an office program",
    b"\x1f\x8b": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a data base",
    b"version https://git-lfs": "what Git LFS leaves in place of a file (git lfs pull fetches it)",
}
_LEFT_BEHIND = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "$recycle.bin", "lost+found"}
_UNPACKED = 2**30  # bytes that an array may have however small its file is
_MOST_PACKED = 100  # times the file's size that a larger one may have: pictures are packed far less


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Args:
        files: the wanted ones, in the order of their paths' parts.
        others: how many files there are of each other ending, as ``.json``; without one, the empty text.
        unreadable: folders that can't be listed, each with the reason.
    """

    files: list[Path]
    others: Counter[str]
    unreadable: list[tuple[Path, str]]

    @property
    def passed_over(self) -> str | None:
        """How many files of which other kinds there are, in words; None if there are none."""
        if not self.others:
            return None
        kinds = [f"{number} {ending or 'without an ending'}" for ending, number in self.others.most_common(5)]
        more = ", …" if len(self.others) > 5 else ""
        return f"passed over {self.others.total()} files of other kinds ({', '.join(kinds)}{more})"


def walk(root: Path, wanted: Callable[[PurePath], bool]) -> Found:
    """Look through a folder and all below it, along links, but for those that lead back.

    Args:
        root: the folder; its own name may be hidden.
        wanted: whether a file is, by its path below ``root``.
    """
    files: list[Path] = []
    others: Counter[str] = Counter()
    errors: list[OSError] = []
    for folder, subfolders, names in os.walk(root, onerror=errors.append, followlinks=True):
        subfolders[:] = [name for name in subfolders if _is_data(name) and not _leads_back(Path(folder, name))]
        for name in filter(_is_data, names):
            file = Path(folder, name)
            if wanted(file.relative_to(root)):
                files.append(file)
            else:
                others[shown(file.suffix.lower())] += 1
    files.sort(key=lambda file: file.relative_to(root).parts)
    return Found(files, others, [(Path(error.filename), error.strerror or str(error)) for error in errors])


def shown(path: str | PurePath) -> str:
    """Return a name that any file and terminal takes: bytes that are no UTF-8, as of an old archive, are escaped."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"))


def matching(glob: str) -> Callable[[PurePath], bool]:
    """Return whether a path is what ``glob`` means, in letters of either case; ``**/`` is any folders, or none.

    Raises:
        ValueError: it is empty or absolute, or ``**`` does not stand for folders.
    """
    pattern = PurePath(glob.lower()).parts
    if not pattern or PurePath(glob).is_absolute():
        raise ValueError("a path below the folder is needed")
    if any("**" in part and part != "**" for part in pattern) or pattern[-1] == "**":
        raise ValueError("** stands for whole folders")
    return lambda path: _matches(PurePath(str(path).lower()).parts, pattern)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[first:], pattern[1:]) for first in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _is_data(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _LEFT_BEHIND


def _leads_back(folder: Path) -> bool:
    # a link to a folder on the way to it would be walked for ever
    return folder.is_symlink() and folder.resolve() in {parent.resolve() for parent in folder.parents}


def binary(content: bytes) -> str | None:
    """Say what a file is that holds no text, by how it begins; None of any other."""
    return next((what for begin, what in _BINARY.items() if content.startswith(begin)), None)


def decoded(content: bytes) -> str:
    """Return a file's text: of UTF-8, or of UTF-16 if it begins with the mark of that, which is left out.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16") if is_utf16 else content.decode("utf-8").removeprefix("\ufeff")


def first_array(path: Path, key: str) -> np.ndarray:
    """Return the first array of an npz.

    Args:
        path: the file.
        key: of the configuration that named it.

    Raises:
        DataError: it is missing, no regular file, damaged, empty, holds objects that are no numbers, or is a small
            file that would fill the memory.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe might never be written to
            raise ValueError("it is no regular file")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if not archive.files:
                raise ValueError("it is empty")
            unpacked = archive.zip.infolist()[0].file_size
            if unpacked > max(_UNPACKED, _MOST_PACKED * path.stat().st_size):
                raise ValueError(
                    f"its first array unpacks to {unpacked / 2**30:.1f} GiB, far more than such a file does"
                )
            array = archive[archive.files[0]]
            if not isinstance(array, np.ndarray):  # numpy gives the bytes of what does not begin as its arrays do
                raise ValueError("its first entry is no array")
            return array
    except FileNotFoundError as error:
        raise DataError(f"{key}: {path} does not exist") from error
    except Exception as error:  # a damaged archive makes numpy and zipfile raise anything
        raise DataError(
            f"{key}: {path} is damaged, or no npz of plain arrays ({reason(error)}); copy it again"
        ) from error
