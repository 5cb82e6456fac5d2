"""Images of what the library `datasets` reads: Parquet shards, Arrow files, image folders, sets of a hub.

https://huggingface.co/docs/datasets. Where a set has a test split, that is the test split, and validation is cut from
training where there is none; else a hash of the row's number assigns each row to a split. What is decoded, and how it
is kept, is as of :class:`~genloom.data.images.folder.ImageFolder`.
"""

import hashlib
import pickle
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import torch

from genloom import randomness
from genloom.contents.decoder import Decoder, UnusableFileError
from genloom.data.base import Split
from genloom.data.images.base import Images
from genloom.data.images.decoded import DecodedImages, Read
from genloom.data.images.decoding import Pixels, decode
from genloom.data.images.pictures import Pictures
from genloom.data.images.split_folders import split_named
from genloom.errors import ConfigError, DataError, reason

_TOGETHER = 64  # rows that are read at a time
_MAPPED = 10_000  # rows after which the pages that they were read from are given back


class TablePictures(Pictures):
    """The images in rows of tables.

    Args:
        where: the tables are, for messages.
        tables: of `datasets`, by the names of their splits; their images undecoded.
        column: that holds the images.
        places: table and row of each picture; rows of one table that follow each other are read together.
        decoder: reads one.
        decoders: see :func:`~genloom.data.images.decoding.decode`.
    """

    remedy = "add rows or set data.path to another set"

    def __init__(
        self,
        where: str,
        tables: Mapping[str, Any],
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
        """Return a digest of the Arrow files that `datasets` maps: their paths, sizes and times of change."""
        digest = hashlib.sha256()
        for name, table in self.tables.items():
            digest.update(f"{name} {len(table)} {self.column}\n".encode())
            for file in table.cache_files:
                status = Path(file["filename"]).stat()
                digest.update(f"{file['filename']} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def decoded(self, first: int = 0) -> Generator[Pixels | str]:
        """Decode the images from position ``first`` on."""
        return decode(self._encoded(first), len(self) - first, _CellDecoder(self.decoder), self.decoders)

    def _encoded(self, first: int) -> Iterator[Mapping[str, Any] | None]:
        name, table, read = "", None, 0
        for begin in range(first, len(self), _TOGETHER):
            together = self.places[begin : begin + _TOGETHER]
            for split in dict.fromkeys(split for split, _ in together):
                if table is None or split != name or read > _MAPPED:
                    # a table that is sent maps its files anew, and the old map's pages go
                    name, table, read = split, pickle.loads(pickle.dumps(self.tables[split])), 0
                cells = table[[row for each, row in together if each == split]][self.column]
                yield from cells
                read += len(cells)


@dataclass(frozen=True)
class _CellDecoder:
    """Reads what a cell of images holds: the bytes of a file, or its path."""

    decoder: Decoder

    def __call__(self, cell: Mapping[str, Any] | None) -> Pixels:
        if cell is None or (cell["bytes"] is None and cell["path"] is None):
            raise UnusableFileError("no image in this row")
        return self.decoder(Path(cell["path"]) if cell["bytes"] is None else cell["bytes"])


@dataclass(frozen=True)
class _Set:
    """What was read."""

    images: Images
    read: Read
    classes: tuple[str, ...] | None
    own_validation: bool


class Hub(DecodedImages):
    """Images, and their labels, of a set that the library `datasets` reads.

    Args:
        path: a folder (of Parquet, Arrow or picture files, or as ``save_to_disk`` writes it), a file, or the name of a
            set on the Hugging Face Hub, which is fetched.
        subset: of sets that have several.
        columns: the names of the columns that hold the ``image`` and the ``label``; None is the only one that the set
            says to be of images, of class labels.
        download: fetch what is not there.
        **decoded: see :class:`~genloom.data.images.decoded.DecodedImages`.

    Raises:
        ConfigError: `datasets` is not installed, or columns are not there.
        DataError: there is no such set; on reading, naming the rows that cannot be used.
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        name: str = "hub",
        subset: str | None = None,
        columns: Mapping[str, str | None] | None = None,
        download: bool = True,
        **decoded: Any,
    ) -> None:
        super().__init__(name=name, **decoded)
        if path is None:
            raise DataError(f"{name}: no set is named; set data.path to a folder, a file, or a name of the hub")
        if unknown := set(columns or {}) - {"image", "label"}:
            raise ConfigError(f"data.columns.{min(unknown)}: it is none of image, label")
        self.path = str(path)
        self.subset = subset
        self.columns = dict(columns or {})
        self.download = download

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
    def _tables(self) -> dict[str, Any]:
        """The set's splits, by its own names of them."""
        datasets = _library()
        place = Path(self.path).expanduser()
        try:
            if any((place / file).is_file() for file in ("state.json", "dataset_dict.json")):
                found = datasets.load_from_disk(str(place))
            elif place.is_file():
                kind = "arrow" if place.suffix == ".arrow" else place.suffix.removeprefix(".")
                found = datasets.load_dataset(kind, self.subset, data_files=str(place))
            elif place.exists():
                found = datasets.load_dataset(str(place), self.subset)
            else:
                local = datasets.DownloadConfig(local_files_only=not self.download)
                found = datasets.load_dataset(self.path, self.subset, download_config=local)
        except Exception as error:  # whatever is wrong with files or network, of any of a dozen libraries
            missing = "" if place.exists() else "there is no such file or folder, and no set of this name came: "
            raise DataError(f"data.path: {self.path}: {missing}{reason(error)}; name another") from error
        return dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}

    def _column(self, role: str, kind: str) -> str | None:
        """Return the column that is named, or the only one that is of a kind of `datasets`; None if none is."""
        features = next(iter(self._tables.values())).features
        named = self.columns.get(role)
        if named is not None:
            if named not in features:
                raise ConfigError(f"data.columns.{role}: {self.path} has no {named}; it has {', '.join(features)}")
            return named
        able = [name for name, feature in features.items() if type(feature).__name__ == kind]
        if len(able) > 1:
            raise ConfigError(
                f"data.columns.{role}: {self.path} has {' and '.join(able)}; choose one, as "
                f"data.columns.{role}={able[0]}"
            )
        return able[0] if able else None

    def _image_column(self) -> str:
        column = self._column("image", "Image")
        if column is None:
            columns = ", ".join(next(iter(self._tables.values())).features)
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
        undecoded = {name: table.cast_column(column, _library().Image(decode=False)) for name, table in tables.items()}
        pictures = TablePictures(self.path, undecoded, column, places, Decoder(self.size, self.channels), self.decoders)
        made_of = {"path": self.path, "subset": self.subset, "column": column}
        read = self._read(pictures, splits, [], made_of)
        classes, labels = self._labels(tables, [places[position] for position in read.usable])
        images = read.images if labels is None else read.images.with_given({"label": labels})
        return _Set(images, read, classes, given == set(get_args(Split)))

    def _labels(
        self, tables: Mapping[str, Any], places: Sequence[tuple[str, int]]
    ) -> tuple[tuple[str, ...] | None, torch.Tensor | None]:
        """Return the classes, and the class of each picture; None twice if no column says."""
        column = self._column("label", "ClassLabel")
        if column is None:
            return None, None
        cells = {name: list(table[column]) for name, table in tables.items()}
        values = [cells[name][row] for name, row in places]
        names = getattr(next(iter(tables.values())).features[column], "names", None)
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


def _library() -> Any:
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            "data: data=hub reads by the package datasets, which is not installed; pip install datasets"
        ) from error
    return datasets
