"""Rows of Parquet files as sets of pictures are published: shards, a column of encoded images, and what columns mean.

The files' metadata says the latter under the key ``huggingface``, as the library `datasets` writes it
(https://huggingface.co/docs/datasets); which file is of which split is said by names, by that library's rules, or by a
README (``dataset_card.py``).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path, PurePath
from typing import Any

import polars as pl

from genloom.contents.files import matching
from genloom.data.images import dataset_card
from genloom.data.images.rows import KINDS, Column, Rows
from genloom.errors import DataError, reason

_READ = 2**25  # bytes of a file that are read at a time
_FIELDS = {"bytes", "path"}  # of an image
_SHARD = re.compile(r"data/(?P<split>[^/]+?)-\d{5}-of-\d{5}[^/]*")
_SEPARATOR = r"[-._ 0-9/]"
_WORDS = {"train": "train|training", "validation": "validation|valid|dev|val", "test": "test|testing|eval|evaluation"}


class ParquetRows(Rows):
    """The rows of Parquet files, one file after the other.

    Args:
        files: in their order; all with the columns of the first.
        told: what columns hold, where that is known already.
    """

    def __init__(self, files: Sequence[Path], told: Mapping[str, Column] | None = None) -> None:
        self.files = files
        self.told = told or {}

    @cached_property
    def columns(self) -> Mapping[str, Column]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What is told of the columns, or the first file says; other images are known by their fields."""
        said: Mapping[str, Any] = {}
        if (text := pl.read_parquet_metadata(self.files[0]).get("huggingface")) is not None:
            said = json.loads(text)["info"]["features"]
        found = {}
        for name, dtype in pl.read_parquet_schema(self.files[0]).items():
            feature: Any = said.get(name)
            kind = KINDS.get(str(feature.get("_type")), "other") if isinstance(feature, dict) else "other"
            if feature is None and isinstance(dtype, pl.Struct) and {field.name for field in dtype.fields} == _FIELDS:
                kind = "image"
            own = Column(kind, tuple(feature["names"]) if kind == "label" and feature else None)
            found[name] = self.told.get(name, own)
        return found

    @cached_property
    def _ends(self) -> list[int]:
        counts = (pl.scan_parquet(file).select(pl.len()).collect().item() for file in self.files)
        return list(accumulate(counts))

    def __len__(self) -> int:
        return self._ends[-1]

    def identity(self) -> str:
        """Return the files, with their sizes and times of change."""
        status = [(file, file.stat()) for file in self.files]
        return "".join(f"{file} {each.st_size} {each.st_mtime_ns}\n" for file, each in status)

    def values(self, column: str) -> list[Any]:
        """Return all cells of a column."""
        return [cell for file in self.files for cell in pl.read_parquet(file, columns=[column])[column].to_list()]

    def images(self, column: str, rows: Sequence[int]) -> Iterator[bytes | str | Mapping[str, Any] | None]:
        """Yield the undecoded images of rows; some 32 MB of a file are read at a time."""
        wanted, start = iter(rows), 0
        row = next(wanted, None)
        for file, end in zip(self.files, self._ends, strict=True):
            together = max(1, (end - start) * _READ // max(file.stat().st_size, 1))
            while row is not None and row < end:
                try:
                    cells = pl.scan_parquet(file).select(column).slice(row - start, together).collect()[column]
                except (OSError, pl.exceptions.PolarsError) as error:
                    raise DataError(
                        f"{file}: its rows from {row - start} on cannot be read: {reason(error)}"
                    ) from error
                first = row
                while row is not None and row < min(first + together, end):
                    yield cells[row - first]
                    row = next(wanted, None)
            start = end


def splits(place: Path, subset: str | None = None) -> dict[str, ParquetRows] | None:
    """Return the splits of a Parquet file, or of a folder of such; None of anything else, as a folder with other data.

    Args:
        place: the file or folder.
        subset: of a folder whose README names several.

    Raises:
        ConfigError: there is no such subset, or one must be chosen.
        DataError: there are no files, or some lack columns that others have.
    """
    if place.is_file():
        return {"train": ParquetRows([place])} if place.suffix == ".parquet" and subset is None else None
    files = [
        file
        for file in sorted(place.rglob("*"))
        if file.is_file() and not any(part.startswith((".", "__")) for part in file.relative_to(place).parts)
    ]
    relative = [file.relative_to(place) for file in files if file != place / "README.md"]
    has_card = len(relative) < len(files)
    if subset is not None and not has_card:
        return None
    said = dataset_card.subset(place / "README.md", subset) if has_card else dataset_card.Subset()
    if any("://" in glob for own in said.globs.values() for glob in own):
        return None
    by_name = _globbed(place, relative, said.globs) if said.globs else by_split(relative)
    files = [place / file for own in by_name.values() for file in own]
    if not files:
        raise DataError(f"data.path: {place} holds no files; set data.path to a folder, a file, or a name of the hub")
    if any(file.suffix != ".parquet" for file in files):
        return None
    columns = pl.read_parquet_schema(files[0])
    for file in files:
        if lacking := sorted(set(columns) - set(pl.read_parquet_schema(file))):
            raise DataError(f"data.path: {file} has no {lacking[0]}, which {files[0]} has; make their columns the same")
    return {name: ParquetRows([place / each for each in own], said.columns) for name, own in by_name.items()}


def _globbed(place: Path, files: Sequence[Path], globs: Mapping[str, Sequence[str]]) -> dict[str, list[Path]]:
    """Return the files that the globs of each split mean.

    Raises:
        DataError: one means none.
    """
    found: dict[str, dict[Path, None]] = {split: {} for split in globs}
    for split, glob in ((split, glob) for split, own in globs.items() for glob in own):
        wanted = matching(glob)
        own = [file for file in files if wanted(file)]
        if not own:
            raise DataError(
                f"data.path: {place / 'README.md'} says that {glob} is the split {split}, and there is no such file in "
                f"{place}; copy it there, or correct the README"
            )
        found[split].update(dict.fromkeys(own))
    return {split: list(own) for split, own in found.items()}


def by_split(files: Sequence[PurePath]) -> dict[str, list[PurePath]]:
    """Return files by the split that they are named after.

    Shards in ``data`` are of any split that they name. Else a folder's name says train, validation or test, else a
    file's; files that do not are left out. If none does, all are to train on.

    Args:
        files: paths below the folder of the set.
    """
    shards: dict[str, list[PurePath]] = {}
    for file in files:
        if shard := _SHARD.fullmatch(file.as_posix()):
            shards.setdefault(shard["split"], []).append(file)
    if shards:
        usual = [*_WORDS]
        return dict(sorted(shards.items(), key=lambda each: usual.index(each[0]) if each[0] in usual else len(usual)))
    for text in (lambda file: f"/{file.parent.as_posix()}/", lambda file: f"/{file.as_posix()}"):
        found = {
            split: [file for file in files if re.search(f"{_SEPARATOR}(?:{words}){_SEPARATOR}", text(file))]
            for split, words in _WORDS.items()
        }
        if any(found.values()):
            return {split: own for split, own in found.items() if own}
    return {"train": list(files)}
