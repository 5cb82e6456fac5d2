"""Rows that hold encoded pictures beside what is known of them, wherever they are stored."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["image", "label", "other"]

#: What a set may say that a column holds, in the words of `datasets`.
KINDS: Mapping[str, Kind] = {"Image": "image", "ClassLabel": "label"}


@dataclass(frozen=True)
class Column:
    """What a set says of one of its columns.

    Args:
        kind: what it holds; ``other`` is all that is neither.
        names: of the classes, where the set has them.
    """

    kind: Kind
    names: tuple[str, ...] | None = None


class Rows(ABC):
    """The rows of one split.

    Attributes:
        columns: by name, in the set's order.
    """

    columns: Mapping[str, Column]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def identity(self) -> str:
        """Return the files that hold the rows, with their sizes and times of change."""

    @abstractmethod
    def values(self, column: str) -> list[Any]:
        """Return all cells of a column; of small cells."""

    @abstractmethod
    def images(self, column: str, rows: Sequence[int]) -> Iterator[bytes | str | Mapping[str, Any] | None]:
        """Yield the undecoded images of rows, with a bounded number of them in memory.

        Args:
            column: that holds them.
            rows: ascending.
        """
