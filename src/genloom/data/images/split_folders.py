"""Folders that are named after splits: ``train`` and ``test``, ``Training``, ``train2017``, ``seg_train``."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from genloom.data.base import Split

_WORDS: dict[Split, str] = {
    "train": "training|train|trn",
    "val": "validation|valid|val|development|develop|dev|evaluation|eval",
    "test": "testing|test|tst|hold[-_ ]?out|held[-_ ]?out",
}
_BEFORE, _AFTER = r"(?:\w+[-_. ])?", r"(?:[-_. ]?(?:set|split|data|dataset|images?|imgs?|pictures?|photos?|\d+))*"
_NAMES: dict[Split, re.Pattern[str]] = {
    split: re.compile(rf"{_BEFORE}(?:{words})(?:{_AFTER}|[-_. ]?(?P<side>[ab]))", re.IGNORECASE)
    for split, words in _WORDS.items()
}


_FOLD = re.compile(r"(?:cv|k)?[-_. ]?fold[-_. ]?\d+", re.IGNORECASE)


@dataclass(frozen=True)
class SplitFolders:
    """Where in a tree the folders lie that are named after splits.

    Args:
        level: how many folders below the root.
        names: of the folders, and which split each is named after.
        strays: files that lie in none of them.
    """

    level: int
    names: Mapping[str, Split]
    strays: tuple[PurePath, ...] = ()

    def split_of(self, path: PurePath) -> Split:
        """Return the split that a path below the root is in."""
        return self.names[path.parts[self.level]]

    def without(self, path: PurePath) -> PurePath:
        """Return the path without the folder of its split; what ``trainA`` says beside that stays, as ``A``."""
        name = path.parts[self.level]
        side = _NAMES[self.names[name]].fullmatch(name)
        kept = side["side"] if side and side["side"] else None
        return PurePath(*path.parts[: self.level], *([kept] if kept else []), *path.parts[self.level + 1 :])


def split_named(name: str) -> Split | None:
    """Return the split that a folder is named after, if any."""
    return next((split for split, names in _NAMES.items() if names.fullmatch(name)), None)


def are_folds(names: Collection[str]) -> bool:
    """Whether all of at least two folders are numbered parts of a cross-validation: ``fold0``, ``fold_1`` …"""
    return len(names) > 1 and all(_FOLD.fullmatch(name) for name in names)


def find(paths: Sequence[PurePath]) -> SplitFolders | None:
    """Return where files are divided by folders that are named after at least two splits.

    Files beside these folders, and other folders with fewer files than they have, do not hide them.

    Args:
        paths: of all files, below the root.
    """
    for level in range(max((len(path.parts) for path in paths), default=1) - 1):
        counts = Counter(path.parts[level] for path in paths if len(path.parts) > level + 1)
        splits: dict[str, Split] = {}
        for name in sorted(counts):
            if (split := split_named(name)) is not None:
                splits[name] = split
        if len(set(splits.values())) > 1 and sum(counts[name] for name in splits) > len(paths) / 2:
            within = [len(path.parts) > level + 1 and path.parts[level] in splits for path in paths]
            return SplitFolders(
                level, splits, tuple(path for path, inside in zip(paths, within, strict=True) if not inside)
            )
    return None
