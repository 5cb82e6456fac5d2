"""Rows that the library `datasets` reads: https://huggingface.co/docs/datasets."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from genloom.data.images.rows import KINDS, Column, Kind, Rows
from genloom.errors import ConfigError, DataError, reason

_TOGETHER = 64  # rows that are read at a time
_MAPPED = 10_000  # rows after which the pages that they were read from are given back


class DatasetsRows(Rows):
    """The rows of a table of `datasets`.

    Args:
        table: see above.
    """

    def __init__(self, table: Any) -> None:
        self.table = table

    @cached_property
    def columns(self) -> Mapping[str, Column]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the table says of its columns."""
        kinds: dict[str, Kind] = {
            name: KINDS.get(type(feature).__name__, "other") for name, feature in self.table.features.items()
        }
        names = {name: self.table.features[name].names for name, kind in kinds.items() if kind == "label"}
        return {name: Column(kind, tuple(names[name]) if name in names else None) for name, kind in kinds.items()}

    def __len__(self) -> int:
        return len(self.table)

    def identity(self) -> str:
        """Return the Arrow files that are mapped, with their sizes and times of change."""
        status = [(file["filename"], Path(file["filename"]).stat()) for file in self.table.cache_files]
        return "".join(f"{file} {each.st_size} {each.st_mtime_ns}\n" for file, each in status)

    def values(self, column: str) -> list[Any]:
        """Return all cells of a column."""
        return list(self.table[column])

    def images(self, column: str, rows: Sequence[int]) -> Iterator[bytes | str | Mapping[str, Any] | None]:
        """Yield the undecoded images of rows, 64 at a time."""
        undecoded = self.table.cast_column(column, library().Image(decode=False))
        table = undecoded
        for begin in range(0, len(rows), _TOGETHER):
            if begin % _MAPPED < _TOGETHER:
                table = pickle.loads(pickle.dumps(undecoded))  # maps its files anew, and the old map's pages go
            yield from table[list(rows[begin : begin + _TOGETHER])][column]


def read(path: str, subset: str | None, *, download: bool) -> dict[str, DatasetsRows]:
    """Return the splits of a set, by its own names of them.

    Args:
        path: a folder, as ``save_to_disk`` writes it or of files, a file, or a name on the Hugging Face Hub.
        subset: of sets that have several.
        download: fetch what is not there.

    Raises:
        ConfigError: `datasets` is not installed.
        DataError: there is no such set.
    """
    datasets = library()
    place = Path(path).expanduser()
    try:
        if any((place / file).is_file() for file in ("state.json", "dataset_dict.json")):
            found = datasets.load_from_disk(str(place))
        elif place.is_file():
            kind = "arrow" if place.suffix == ".arrow" else place.suffix.removeprefix(".")
            found = datasets.load_dataset(kind, subset, data_files=str(place))
        elif place.exists():
            found = datasets.load_dataset(str(place), subset)
        else:
            local = datasets.DownloadConfig(local_files_only=not download)
            found = datasets.load_dataset(path, subset, download_config=local)
    except Exception as error:  # whatever is wrong with files or network, of any of a dozen libraries
        missing = "" if place.exists() else "there is no such file or folder, and no set of this name came: "
        raise DataError(f"data.path: {path}: {missing}{reason(error)}; name another") from error
    tables = dict(found) if isinstance(found, dict) else {str(found.split or "train"): found}
    return {name: DatasetsRows(table) for name, table in tables.items()}


def library() -> Any:
    """Return the library.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError(
            "data.path: what is no file or folder of Parquet is read by the package datasets, which is not installed; "
            "pip install datasets"
        ) from error
    return datasets
