"""Images in rows, with their labels and captions.

They are of Parquet files, or of what else the library `datasets` reads (Arrow files, sets of a hub). Where a set has a
test split, that is the test split, and validation is cut from training where there is none; else a hash of the row's
number assigns each row to a split. What is decoded, and how it is kept, is as of
:class:`~genloom.data.images.folder.ImageFolder`.
"""

import hashlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl
import torch

from genloom import randomness
from genloom.contents.caption import CaptionCondition
from genloom.contents.condition import Condition
from genloom.contents.decoder import Decoder, UnusableFileError
from genloom.contents.vocabulary import Vocabulary
from genloom.data.base import Split
from genloom.data.images import captions, datasets_rows, parquet
from genloom.data.images.base import Images
from genloom.data.images.captions import Captions
from genloom.data.images.decoded import DecodedImages, Read
from genloom.data.images.decoding import Pixels, decode
from genloom.data.images.pictures import Pictures
from genloom.data.images.rows import Rows
from genloom.data.images.split_folders import split_named
from genloom.data.texts.text import FromPieces
from genloom.errors import ConfigError, DataError, reason
from genloom.limits import Count
from genloom.spec import Spec


class TablePictures(Pictures):
    """The images in rows of tables.

    Args:
        where: the tables are, for messages.
        tables: by the names of their splits.
        column: that holds the images.
        places: table and row of each picture; they are read in long parts if rows mostly ascend.
        decoder: reads one.
        decoders: see :func:`~genloom.data.images.decoding.decode`.
    """

    remedy = "add rows or set data.path to another set"

    def __init__(
        self,
        where: str,
        tables: Mapping[str, Rows],
        column: str,
        places: Sequence[tuple[str, int]],
        decoder: Decoder,
        decoders: int | None,
    ) -> None:
        self.where = where
        self.tables = tables
        self.column = column
        self.places = places
        self.decoder = decoder
        self.decoders = decoders

    def __len__(self) -> int:
        return len(self.places)

    def path(self, position: int) -> Path:
        """Return the split and the number of the row, the first being 0."""
        name, row = self.places[position]
        return Path(name, f"row {row}")

    def called(self, path: Path) -> str:
        """Return the same."""
        return str(path)

    def identity(self) -> str:
        """Return a digest of the files that hold the rows: their paths, sizes and times of change."""
        digest = hashlib.sha256()
        for name, table in self.tables.items():
            digest.update(f"{name} {len(table)} {self.column}\n{table.identity()}".encode())
        return digest.hexdigest()

    def decoded(self, first: int = 0) -> Generator[Pixels | str]:
        """Decode the images from position ``first`` on."""
        return decode(self._encoded(first), len(self) - first, _CellDecoder(self.decoder), self.decoders)

    def _encoded(self, first: int) -> Iterator[Any]:
        for name, rows in ascending(self.places[first:]):
            yield from self.tables[name].images(self.column, rows)


def ascending(places: Sequence[tuple[str, int]]) -> Iterator[tuple[str, list[int]]]:
    """Cut places, in their order, into parts of one table whose rows ascend: each is read in one go."""
    starts = [
        at
        for at, ((table, row), (before, last)) in enumerate(zip(places[1:], places[:-1], strict=True), 1)
        if table != before or row <= last
    ]
    for start, end in pairwise([0, *starts, len(places)]):
        yield places[start][0], [row for _, row in places[start:end]]


@dataclass(frozen=True)
class _CellDecoder:
    """Reads what a cell of images holds: the bytes of a file, or its path, or both by name."""

    decoder: Decoder

    def __call__(self, cell: bytes | str | Mapping[str, Any] | None) -> Pixels:
        found = (cell["path"] if cell["bytes"] is None else cell["bytes"]) if isinstance(cell, Mapping) else cell
        if found is None:
            raise UnusableFileError("no image in this row")
        return self.decoder(Path(found) if isinstance(found, str) else found)


_Role = Literal["image", "label", "caption"]


@dataclass(frozen=True)
class _Set:
    """What was read."""

    images: Images
    read: Read
    classes: tuple[str, ...] | None
    captions: Captions | None
    own_validation: bool


class Hub(DecodedImages):
    """Images, and their labels, of a published set; `datasets` reads what is no Parquet.

    Args:
        path: a folder (of Parquet, Arrow or picture files, or as ``save_to_disk`` writes it), a file, or the name of a
            set on the Hugging Face Hub, which is fetched.
        subset: of sets that have several.
        columns: the names of the columns that hold the ``image``, the ``label`` and the ``caption``, which is a text,
            or several of which the first is taken; None is the only one that the set says to be of images, of class
            labels, and no caption.
        vocabulary: of captions, called as ``vocabulary(texts, texts_of_training)``; None is 1000 pieces.
        caption_length: tokens of a caption; more are cut off, which is said.
        download: fetch what is not there.
        **decoded: see :class:`~genloom.data.images.decoded.DecodedImages`.

    Raises:
        ConfigError: columns are not there, or `datasets` is needed and not installed.
        DataError: there is no such set; on reading, naming the rows that cannot be used.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        name: str = "hub",
        subset: str | None = None,
        columns: Mapping[str, str | None] | None = None,
        vocabulary: Callable[[str, str], Vocabulary] | None = None,
        caption_length: Count = 64,
        download: bool = True,
        **decoded: Any,
    ) -> None:
        super().__init__(name=name, **decoded)
        if path is None:
            raise DataError(f"{name}: no set is named; set data.path to a folder, a file, or a name of the hub")
        if unknown := set(columns or {}) - set(get_args(_Role)):
            raise ConfigError(f"data.columns.{min(unknown)}: it is none of {', '.join(get_args(_Role))}")
        if caption_length < 1:
            raise ConfigError(f"data.caption_length: {caption_length} is below the limit of 1 token")
        self.path = str(path)
        self.subset = subset
        self.columns = dict(columns or {})
        self.vocabulary = vocabulary or FromPieces(1000)
        self.caption_length = caption_length
        self.download = download

    def follow(self, spec: Spec) -> None:
        """Take also the length and the vocabulary of captions."""
        super().follow(spec)
        if isinstance(theirs := spec.given.get("caption"), CaptionCondition):
            self.caption_length, self.vocabulary = theirs.length, lambda texts, trained: theirs.vocabulary

    def conditions(self) -> Mapping[str, Condition]:
        """The labels and the captions, where there are some."""
        told = self._set.captions
        return {**super().conditions(), **({} if told is None else {"caption": told.condition})}

    @property
    def classes(self) -> tuple[str, ...] | None:
        """What the labels mean, or None for unlabelled data."""
        return self._set.classes

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """The rows that were left out, each with the reason; empty under ``on_bad=error``."""
        return self._set.read.skipped

    def read(self, split: Split) -> Images:
        """Return one split, a view of the one tensor or file that holds them all."""
        return self._set.images[self._set.read.bounds[split]]

    def whole_training_set(self) -> Images:
        """Return the training split; with the validation split where the set has none of its own."""
        train, val = self._set.read.bounds["train"], self._set.read.bounds["val"]  # neighbours, in this order
        return self.split("train") if self._set.own_validation else self._set.images[train.start : val.stop]

    @cached_property
    def _tables(self) -> Mapping[str, Rows]:
        """The set's splits, by its own names of them."""
        place = Path(self.path).expanduser()
        if place.exists():
            try:
                if (found := parquet.splits(place, self.subset)) is not None:
                    return found
            except (OSError, pl.exceptions.PolarsError) as error:
                raise DataError(f"data.path: {self.path}: {reason(error)}; name another") from error
        return datasets_rows.read(self.path, self.subset, download=self.download)

    def _column(self, role: _Role) -> str | None:
        """Return the column that is named, or the only one of that kind; None if none is."""
        columns = next(iter(self._tables.values())).columns
        named = self.columns.get(role)
        if named is not None:
            if named not in columns:
                raise ConfigError(f"data.columns.{role}: {self.path} has no {named}; it has {', '.join(columns)}")
            return named
        able = [name for name, column in columns.items() if column.kind == role]
        if len(able) > 1:
            raise ConfigError(
                f"data.columns.{role}: {self.path} has {' and '.join(able)}; choose one, as "
                f"data.columns.{role}={able[0]}"
            )
        return able[0] if able else None

    def _image_column(self) -> str:
        column = self._column("image")
        if column is None:
            columns = ", ".join(next(iter(self._tables.values())).columns)
            raise DataError(
                f"data.columns.image: {self.path} says of none of its columns ({columns}) that it holds images; set "
                "data.columns.image, if one does"
            )
        return column

    def _split_of(self, name: str, row: int, given: Collection[Split | None]) -> Split:
        named = split_named(name)
        u = randomness.key("hub", name, row) / 2**63
        if len(given) == 1:
            if u < self.test_fraction:
                return "test"
            return "val" if u < self.test_fraction + self.val_fraction else "train"
        if named == "val" and "test" not in given:
            return "test"
        assert named is not None
        return "val" if named == "train" and given != set(get_args(Split)) and u < self.val_fraction else named

    @cached_property
    def _set(self) -> _Set:
        column = self._image_column()
        known = {name: table for name, table in self._tables.items() if split_named(name)}
        tables = known if {"train"} < {split_named(name) for name in known} else self._tables
        if len(tables) > 1 and tables is not known:
            raise DataError(
                f"data.path: {self.path} has the splits {', '.join(tables)}, none of them to train and another to test "
                "on; save the rows as one split, or name them train and test"
            )
        given: set[Split | None] = {split_named(name) for name in tables}
        order: dict[Split, list[tuple[str, int]]] = {split: [] for split in get_args(Split)}
        for name, table in tables.items():
            for row in range(len(table)):
                order[self._split_of(name, row, given)].append((name, row))
        places = [place for rows in order.values() for place in rows]
        splits: list[Split] = [split for split, rows in order.items() for _ in rows]
        pictures = TablePictures(self.path, tables, column, places, Decoder(self.size, self.channels), self.decoders)
        made_of = {"path": self.path, "subset": self.subset, "column": column}
        read = self._read(pictures, splits, [], made_of)
        classes, labels = self._labels(tables, [places[position] for position in read.usable])
        told = self._captions(tables, [places[position] for position in read.usable], read.bounds["train"])
        known_of_each = {
            **({} if labels is None else {"label": labels}),
            **({} if told is None else {"caption": told.tokens}),
        }
        images = read.images.with_given(known_of_each) if known_of_each else read.images
        return _Set(images, read, classes, told, given == set(get_args(Split)))

    def _captions(
        self, tables: Mapping[str, Rows], places: Sequence[tuple[str, int]], trained: slice
    ) -> Captions | None:
        """Return the captions of the pictures; None if no column is named."""
        column = self._column("caption")
        if column is None:
            return None
        cells = {name: table.values(column) for name, table in tables.items()}

        def place(position: int) -> str:
            name, row = places[position]
            return f"data.columns.caption: {self.path}, {name}, row {row}, column {column}"

        texts = [cells[name][row] for name, row in places]
        return captions.read(texts, place, trained, self.vocabulary, self.caption_length)

    def _labels(
        self, tables: Mapping[str, Rows], places: Sequence[tuple[str, int]]
    ) -> tuple[tuple[str, ...] | None, torch.Tensor | None]:
        """Return the classes, and the class of each picture; None twice if no column says."""
        column = self._column("label")
        if column is None:
            return None, None
        cells = {name: table.values(column) for name, table in tables.items()}
        values = [cells[name][row] for name, row in places]
        names = next(iter(tables.values())).columns[column].names
        lacking = [place for place, value in zip(places, values, strict=True) if value is None or value == -1]
        if lacking:
            raise DataError(
                f"data.columns.label: {self.path}, {lacking[0][0]}, row {lacking[0][1]} has no {column}; every row "
                "needs one"
            )
        if names is None:
            names = sorted(set(values))
            values = [names.index(value) for value in values] if len(names) <= 1000 else []
            if not values:
                raise ConfigError(
                    f"data.columns.label: {column} of {self.path} has {len(names):,} different values, which are no "
                    "classes; name another"
                )
        return tuple(map(str, names)), torch.tensor(values, dtype=torch.int64)
