"""The columns of a table: what their cells are in a file, stored, and to a model.

Stored, a cell is one number in double precision, and NaN where it is missing: a number is itself, a category the place
of its level, a date its seconds since 1970. To a model a column is ``width`` values, in blocks; a column that may miss
cells ends with a block that chooses between "there" and "missing", or has "missing" as its last level.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Shaped
from torch import Tensor

from genloom.contents.columns import dtypes
from genloom.contents.condition import Condition
from genloom.contents.transforms import Block
from genloom.errors import DataError
from genloom.part import Part

if TYPE_CHECKING:
    import polars as pl

#: How a message names the row at a place.
Place = Callable[[int], str]
MISSING = ("", "nan", "na", "null", "none")  # what a cell of text that is missing holds, in letters of either case


class Column(Part, ABC):
    """One column. A subclass is a frozen dataclass.

    Attributes:
        called: what its cells are, in the plural.
        is_number: whether its cells are numbers in a file, too.
        is_measured: whether its stored cells are quantities, which have an order and a mean; else they are names.
        name: in the file.
        missing: share of the rows whose cell is missing; where it is 0, none may be.
        dtype: the type that its cells have in the file that they were learned from, as
            :mod:`genloom.contents.columns.dtypes` calls it; None of a file of texts, or another type.
    """

    called: ClassVar[str]
    is_number: ClassVar[bool] = False
    is_measured: ClassVar[bool] = False
    name: str
    missing: float
    dtype: str | None

    @property
    def optional(self) -> bool:
        """Whether cells may be missing."""
        return self.missing > 0

    @property
    @abstractmethod
    def blocks(self) -> tuple[Block, ...]:
        """What the encoded values are, in their order."""

    @property
    def width(self) -> int:
        """Encoded values of a cell."""
        return sum(block.width for block in self.blocks)

    @property
    @abstractmethod
    def flagged(self) -> bool:
        """Whether the last block says that the cell is missing, in which case the others mean nothing."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The least and the largest stored cell."""

    @abstractmethod
    def nearest(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return the nearest stored cells that there are; NaN stays."""

    def rounded(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return the nearest that can be written, within the bounds or not."""
        return values

    def floored(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return the nearest that can be written and are not above."""
        return values

    def ceiled(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return the nearest that can be written and are not below."""
        return values

    @property
    @abstractmethod
    def absent(self) -> int | None:
        """Which encoded value says that the cell is missing, counted from the column's first; None if none does."""

    @abstractmethod
    def encode(self, stored: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows width"]:
        """Return what a model sees."""

    @abstractmethod
    def decode(self, encoded: Float64[Tensor, "rows width"]) -> Float64[Tensor, " rows"]:
        """Return stored cells; of each choice the largest value is taken."""

    @property
    def merges(self) -> bool:
        """Whether different cells of a file are stored as the same."""
        return False

    @property
    def remarks(self) -> list[str]:
        """What a person is told of it beside what its cells are."""
        return [f"{self.missing:.1%} missing"] if self.missing else []

    @property
    def unit(self) -> tuple[str, float | None] | None:
        """What two columns share whose cells can be held against each other, and change places; None of others."""
        return None

    def neutral(self, stored: Float64[Tensor, " rows"]) -> "Column":
        """Return the column as it encodes the same whatever a run chose, by the rows that it is to be compared by."""
        return self

    # As what rows are given

    @abstractmethod
    def condition(self) -> Condition:
        """Return what it is where rows are given it.

        Raises:
            DataError: it may miss cells, and so there is nothing to give.
        """

    def to_given(self, stored: Float64[Tensor, " rows"]) -> Shaped[Tensor, " rows"]:
        """Return stored cells as that condition stores them."""
        return stored

    def from_given(self, given: Shaped[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return stored cells of what that condition stores."""
        return given

    # Files

    @abstractmethod
    def cells(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return cells as a file of texts has them."""

    def typed(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return cells in the type that they have in the file that they were learned from, if it holds all of them.

        Else the type is one that says what they are.
        """
        import polars as pl

        natural, written = self._typed(stored), self.cells(stored)
        dtype = None if self.dtype is None else dtypes.named(self.dtype)
        if dtype is None or dtype == natural.dtype:
            return natural
        if dtype == written.dtype:  # dates and booleans that are texts there
            return written
        plain = natural.cast(pl.String) if natural.dtype == pl.Categorical else natural  # its numbers are of no use
        with suppress(pl.exceptions.PolarsError):
            cells = plain.cast(dtype, strict=False)
            if cells.cast(plain.dtype, strict=False).equals(plain, null_equal=True):
                return cells
        return natural

    def _typed(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return cells in a type that says what they are."""
        return self.cells(stored)

    def drawn(self, stored: Float64[Tensor, " rows"]) -> list[float] | list[str]:
        """Return the cells that are there for a figure: numbers, or texts."""
        return stored[~stored.isnan()].tolist()

    def read(self, cells: "pl.Series", place: Place, *, gaps: bool = False) -> Float64[np.ndarray, " rows"]:
        """Return the stored cells of a file's.

        Args:
            cells: of the file, of any type.
            place: names a row.
            gaps: whether any cell may be missing, since it is to be filled.

        Raises:
            DataError: a cell is nothing that the column has, or is missing where none may be.
        """
        import polars as pl

        if cells.dtype == pl.String:
            cells = stripped(cells, known=self.known)
        stored = self._read(cells, place)
        self.check(torch.from_numpy(stored), place, gaps=gaps)
        return stored

    def check(self, stored: Float64[Tensor, " rows"], place: Place, *, gaps: bool = False) -> None:
        """Refuse stored cells that the column never has.

        Raises:
            DataError: naming the first.
        """
        absent = stored.isnan()
        if not (self.optional or gaps) and absent.any():
            raise DataError(
                f"{place(int(absent.int().argmax()))}, column {self.name!r}: the cell is missing, and none was among "
                "those that the column was learned from; fill it, or leave the row out"
            )
        if (wrong := ~(absent | self.has(stored))).any():
            row = int(wrong.int().argmax())
            raise DataError(f"{place(row)}, column {self.name!r}: {stored[row].item()} stands for none of its cells")

    def has(self, stored: Float64[Tensor, " rows"]) -> Bool[Tensor, " rows"]:
        """Return which numbers stand for cells of this column."""
        return stored.isfinite()

    @property
    def known(self) -> tuple[str, ...]:
        """Texts that are cells of this column, whatever they say."""
        return ()

    @abstractmethod
    def _read(self, cells: "pl.Series", place: Place) -> Float64[np.ndarray, " rows"]:
        """Return the stored cells; NaN where they are null."""

    def _check(self, cells: "pl.Series", wrong: np.ndarray, place: Place, why: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{place(row)}, column {self.name!r}: {cells[row]!r:.60} {why}")


def identifier(name: str) -> str:
    """Return what a column is called where its cells are asked for: its name with letters, digits and _ alone."""
    bare = "".join(char if char.isalnum() and char.isascii() else "_" for char in name)
    return bare if bare[:1].isalpha() else f"column_{bare}"


def stripped(texts: "pl.Series", known: Sequence[str] = ()) -> "pl.Series":
    """Return texts without blanks around them; null where one says that a cell is missing and is not ``known``."""
    bare = texts.str.strip_chars()
    return bare.set(bare.str.to_lowercase().is_in(list(MISSING)) & ~bare.is_in(list(known)), None)
