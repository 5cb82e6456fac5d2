"""The columns of a table: what their cells are in a file, stored, and to a model.

Stored, a cell is one number in double precision, and NaN where it is missing: a number is itself, a category the place
of its level, a date its seconds since 1970. To a model a column is ``width`` values, in blocks; a column that may miss
cells ends with a block that chooses between "there" and "missing", or has "missing" as its last level.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int64, Shaped
from torch import Tensor

from genloom import figures
from genloom.contents.base import Values
from genloom.contents.condition import Condition, dealt
from genloom.contents.label import LabelContent
from genloom.contents.shown import Picture
from genloom.contents.transforms import Block, Quantile, Standard, Transform
from genloom.errors import ConfigError, DataError
from genloom.part import Part

if TYPE_CHECKING:
    import polars as pl

#: How a message names the row at a place.
Place = Callable[[int], str]
MISSING = ("", "nan", "na", "null", "none")  # what a cell of text that is missing holds, in letters of either case
MISSING_LEVEL = "(missing)"  # what it is called where it is given
_YEAR = 365.2425 * 86_400  # seconds


class Column(Part, ABC):
    """One column. A subclass is a frozen dataclass.

    Attributes:
        called: what its cells are, in the plural.
        is_number: whether its cells are numbers in a file, too.
        is_measured: whether its stored cells are quantities, which have an order and a mean; else they are names.
        name: in the file.
        missing: share of the rows whose cell is missing; where it is 0, none may be.
    """

    called: ClassVar[str]
    is_number: ClassVar[bool] = False
    is_measured: ClassVar[bool] = False
    name: str
    missing: float

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

    @abstractmethod
    def encode(self, stored: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows width"]:
        """Return what a model sees."""

    @abstractmethod
    def decode(self, encoded: Float64[Tensor, "rows width"]) -> Float64[Tensor, " rows"]:
        """Return stored cells; of each choice the largest value is taken."""

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
        """Return cells as a file has them."""

    def drawn(self, stored: Float64[Tensor, " rows"]) -> list[float] | list[str]:
        """Return the cells that are there for a figure: numbers, or texts."""
        return stored[~stored.isnan()].tolist()

    def read(self, cells: "pl.Series", place: Place) -> Float64[np.ndarray, " rows"]:
        """Return the stored cells of a file's.

        Args:
            cells: of the file, of any type.
            place: names a row.

        Raises:
            DataError: a cell is nothing that the column has, or is missing where none may be.
        """
        import polars as pl

        if cells.dtype == pl.String:
            texts = cells.str.strip_chars()
            cells = texts.set(texts.str.to_lowercase().is_in(list(MISSING)) & ~texts.is_in(list(self.known)), None)
        stored = self._read(cells, place)
        self.check(torch.from_numpy(stored), place)
        return stored

    def check(self, stored: Float64[Tensor, " rows"], place: Place) -> None:
        """Refuse stored cells that the column never has.

        Raises:
            DataError: naming the first.
        """
        absent = stored.isnan()
        if not self.optional and absent.any():
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

    def _refuse(self, cells: "pl.Series", wrong: np.ndarray, place: Place, why: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{place(row)}, column {self.name!r}: {cells[row]!r:.60} {why}")


class Measured(Column):
    """A column of numbers, encoded by a transform.

    Attributes:
        transform: fitted.
        low: the least; no decoded cell is below it.
        high: the largest; no decoded cell is above it.
    """

    is_measured = True
    transform: Transform
    low: float
    high: float

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Those of the transform; and whether the cell is there."""
        return (*self.transform.blocks, *([Block(2, chosen=True)] if self.optional else []))

    @property
    def flagged(self) -> bool:
        """Where cells may be missing."""
        return self.optional

    @property
    def bounds(self) -> tuple[float, float]:
        """The limits."""
        return self.low, self.high

    @abstractmethod
    def rounded(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return the nearest numbers that cells can have."""

    def nearest(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return the values, rounded and within the limits."""
        return self.rounded(values).clamp(self.low, self.high)

    def encode(self, stored: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows width"]:
        """Return what the transform gives; where a cell is missing, that of a usual number."""
        absent = stored.isnan()
        widths = sum(block.width for block in self.transform.blocks)
        usual = self.transform.decode(stored.new_zeros(1, widths))
        encoded = self.transform.encode(torch.where(absent, usual, stored))
        return torch.cat([encoded, F.one_hot(absent.long(), 2)], dim=1) if self.optional else encoded

    def condition(self) -> "CellCondition":
        """Return the cells as a condition; those that are asked for may lie beyond the limits."""
        if self.optional:
            raise DataError(
                f"column {self.name!r}: {self.missing:.1%} of its cells are missing, and data.given names it; fill "
                "them, or leave it out of data.given"
            )
        return CellCondition(self.unlimited())

    def neutral(self, stored: Float64[Tensor, " rows"]) -> "Measured":
        """Return the column with normal scores among those rows as its transform."""
        there = stored[~stored.isnan()].numpy()
        return self.transformed(Quantile().fitted(there) if len(there) else Standard())

    @abstractmethod
    def transformed(self, transform: Transform) -> "Measured":
        """Return the column with another transform."""

    @abstractmethod
    def unlimited(self) -> "Measured":
        """Return the column without its limits."""

    def decode(self, encoded: Float64[Tensor, "rows width"]) -> Float64[Tensor, " rows"]:
        """Return what the transform gives back, rounded and within the limits."""
        absent = encoded[:, -1] > encoded[:, -2] if self.optional else None
        numbers = self.transform.decode(encoded[:, :-2] if self.optional else encoded)
        values = self.nearest(numbers)
        return values if absent is None else values.masked_fill(absent, torch.nan)


@dataclass(frozen=True)
class NumberColumn(Measured):
    """Numbers.

    Args:
        name: in the file.
        transform: fitted.
        decimals: after the point, at most; 0 are whole numbers, None as many as double precision has.
        low: the least.
        high: the largest.
        missing: share of the rows whose cell is missing.
    """

    called = "numbers"
    is_number = True

    name: str
    transform: Transform
    decimals: int | None
    low: float
    high: float
    missing: float = 0.0

    def transformed(self, transform: Transform) -> "NumberColumn":
        """Return the column with another transform."""
        return replace(self, transform=transform)

    def unlimited(self) -> "NumberColumn":
        """Return the column without its limits."""
        return replace(self, low=-inf, high=inf)

    def rounded(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Round to the decimals."""
        return values if self.decimals is None else values.round(decimals=self.decimals)

    @property
    def unit(self) -> tuple[str, float | None]:
        """The decimals."""
        return self.called, self.decimals

    def cells(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return whole numbers, or decimal ones."""
        import polars as pl

        series = pl.Series(self.name, stored.contiguous().numpy()).fill_nan(None)
        fits = not (series.abs() > 2.0**62).any()
        return series.cast(pl.Int64) if self.decimals == 0 and fits else series

    def _read(self, cells: "pl.Series", place: Place) -> Float64[np.ndarray, " rows"]:
        import polars as pl

        numbers = cells.cast(pl.Float64, strict=False)
        values = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
        self._refuse(cells, (numbers.is_null() & cells.is_not_null()).to_numpy(), place, "is no number")
        self._refuse(cells, np.isinf(values), place, "is not finite")
        return values


@dataclass(frozen=True)
class DateColumn(Measured):
    """Points in time.

    Args:
        name: in the file.
        transform: fitted to seconds since 1970.
        form: how they are written, for ``strftime``.
        step: seconds; all of them are whole steps.
        low: the first, in seconds since 1970.
        high: the last.
        missing: share of the rows whose cell is missing.
    """

    called = "dates"

    name: str
    transform: Transform
    form: str
    step: float
    low: float
    high: float
    missing: float = 0.0

    def transformed(self, transform: Transform) -> "DateColumn":
        """Return the column with another transform."""
        return replace(self, transform=transform)

    def unlimited(self) -> "DateColumn":
        """Return the column without its limits."""
        return replace(self, low=-inf, high=inf)

    def rounded(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Round to whole steps."""
        return (values / self.step).round() * self.step

    @property
    def unit(self) -> tuple[str, float | None]:
        """The step."""
        return self.called, self.step

    def cells(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return texts."""
        import polars as pl

        seconds = pl.Series(self.name, stored.contiguous().numpy()).fill_nan(None)
        return (seconds * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us")).dt.strftime(self.form)

    def drawn(self, stored: Float64[Tensor, " rows"]) -> list[float]:
        """Return years."""
        return (1970 + stored[~stored.isnan()] / _YEAR).tolist()

    def _read(self, cells: "pl.Series", place: Place) -> Float64[np.ndarray, " rows"]:
        import polars as pl

        times = cells
        if cells.dtype == pl.String:
            times = cells.str.to_datetime(self.form, strict=False, time_unit="us")
            if times.dtype.time_zone is not None:  # pyright: ignore[reportAttributeAccessIssue]
                times = times.dt.convert_time_zone("UTC")
        elif not cells.dtype.is_temporal():
            times = pl.Series([None] * len(cells), dtype=pl.Datetime("us"))
        self._refuse(
            cells, (times.is_null() & cells.is_not_null()).to_numpy(), place, f"is no time of the form {self.form}"
        )
        return (times.cast(pl.Datetime("us")).dt.epoch("us") / 1e6).fill_null(np.nan).to_numpy().astype(np.float64)


@dataclass(frozen=True)
class CategoryColumn(Column):
    """One of several levels.

    Args:
        name: in the file.
        levels: as they are written; a stored cell is an index into them.
        counts: training rows of each level.
        missing: share of the rows whose cell is missing.
        other: whether the last level stands for all that are not among the others.
    """

    called = "categories"

    name: str
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    missing: float = 0.0
    other: bool = False

    @property
    def known(self) -> tuple[str, ...]:
        """The levels."""
        return self.levels

    @property
    def remarks(self) -> list[str]:
        """How much is missing, and whether rare levels became one."""
        rest = f"all but the {len(self.levels) - 1} most frequent are {self.levels[-1]!r}: data.max_levels"
        return [*super().remarks, *([rest] if self.other else [])]

    def condition(self) -> LabelContent:
        """Return the levels as classes; a missing cell is one, too."""
        there = sum(self.counts)
        absent = ((MISSING_LEVEL,), (round(there * self.missing / (1 - self.missing)),)) if self.optional else ((), ())
        return LabelContent((*self.levels, *absent[0]), (*self.counts, *absent[1]))

    def to_given(self, stored: Float64[Tensor, " rows"]) -> Int64[Tensor, " rows"]:
        """Return places of classes."""
        return stored.nan_to_num(len(self.levels)).long()

    def from_given(self, given: Int64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return places of levels."""
        return given.double().masked_fill(given == len(self.levels), torch.nan)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """A value per level, and one for "missing"."""
        return (Block(len(self.levels) + self.optional, chosen=True),)

    @property
    def flagged(self) -> bool:
        """Never: "missing" is a level."""
        return False

    @property
    def bounds(self) -> tuple[float, float]:
        """The places of the first and of the last level."""
        return 0.0, len(self.levels) - 1.0

    def nearest(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Return places of levels."""
        return values.round().clamp(*self.bounds)

    def encode(self, stored: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows width"]:
        """Return ones and zeros (one-hot)."""
        places = stored.nan_to_num(len(self.levels)).long()
        return F.one_hot(places, len(self.levels) + self.optional).to(stored.dtype)

    def decode(self, encoded: Float64[Tensor, "rows width"]) -> Float64[Tensor, " rows"]:
        """Return the level of the largest value."""
        places = encoded.argmax(1).to(encoded.dtype)
        return places.masked_fill(places == len(self.levels), torch.nan)

    def has(self, stored: Float64[Tensor, " rows"]) -> Bool[Tensor, " rows"]:
        """Return which are places of levels."""
        return (stored >= 0) & (stored < len(self.levels)) & (stored == stored.floor())

    def cells(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return the levels."""
        import polars as pl

        levels = pl.Series(self.name, self.levels, dtype=pl.String)
        return levels.gather(pl.Series(stored.contiguous().numpy()).fill_nan(None).cast(pl.UInt32)).alias(self.name)

    def drawn(self, stored: Float64[Tensor, " rows"]) -> list[str]:
        """Return the levels."""
        return [self.levels[int(place)] for place in stored[~stored.isnan()].tolist()]

    def _read(self, cells: "pl.Series", place: Place) -> Float64[np.ndarray, " rows"]:
        import polars as pl

        codes = dict(zip(self.levels, map(float, range(len(self.levels))), strict=True))
        texts = written(cells)
        found = texts.replace_strict(codes, default=None, return_dtype=pl.Float64)
        if self.other:
            found = found.fill_null(len(self.levels) - 1.0).set(texts.is_null(), None)
        levels = ", ".join(self.levels[:10]) + (", …" if len(self.levels) > 10 else "")
        self._refuse(cells, (found.is_null() & texts.is_not_null()).to_numpy(), place, f"is not among {levels}")
        return found.fill_null(np.nan).to_numpy().astype(np.float64)


@dataclass(frozen=True)
class CellCondition(Values):
    """Cells of one column of numbers or dates, as what rows are given.

    Args:
        column: its transform and its limits reach beyond the training rows, so that a cell that is asked for stays.
    """

    called = "cells"
    array = "cells"

    column: Measured

    @property
    def shape(self) -> tuple[int]:
        """``(width,)``."""
        return (self.column.width,)

    @property
    def stored_shape(self) -> tuple[()]:
        """``()``."""
        return ()

    def encode(self, stored: Float64[Tensor, "*batch"]) -> Float[Tensor, "*batch width"]:
        """Return what the column gives."""
        encoded = self.column.encode(stored.reshape(-1))
        return encoded.view(*stored.shape, -1).to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "*batch width"]) -> Float64[Tensor, "*batch"]:
        """Return stored cells, on the CPU."""
        flat = content.detach().cpu().double().reshape(-1, content.shape[-1])
        return self.column.decode(flat).view(content.shape[:-1])

    def asked(self, texts: Sequence[str], num: int, key: str) -> Float[Tensor, "num width"]:
        """Return the cells that are written in ``texts``, in turn.

        Raises:
            ConfigError: there is none, or one is no such cell, or finer than those of the training rows.
        """
        import polars as pl

        if not texts:
            raise ConfigError(f"{key}: nothing is asked for; name {self.column.called}")
        try:
            stored = torch.from_numpy(self.column.read(pl.Series(list(texts), dtype=pl.String), lambda row: key))
        except DataError as error:
            raise ConfigError(str(error)) from error
        encoded = self.encode(stored)
        kept = self.decode(encoded)
        if (unlike := (kept != stored) & ~stored.isnan()).any():
            place = int(unlike.int().argmax())
            near = self.column.cells(kept)[place]
            raise ConfigError(f"{key}: {texts[place]} is finer than the column {self.column.name!r}; ask for {near}")
        return dealt(encoded, num)

    def show(self, stored: Float64[Tensor, " num"], *, columns: int | None = None) -> Picture:
        """Draw how they are distributed."""
        return figures.marginals({self.column.name: self.column.drawn(stored)}, num=len(stored))


def written(cells: "pl.Series") -> "pl.Series":
    """Return cells as the texts that levels are; whole numbers without a point."""
    import polars as pl

    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        if (whole.cast(pl.Float64) == cells).all():
            cells = whole
    return cells.cast(pl.String)
