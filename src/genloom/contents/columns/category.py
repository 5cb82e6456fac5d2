"""Columns of categories."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from genloom.contents.label import LabelContent
from genloom.contents.levels import Levels
from genloom.contents.transforms import Block

if TYPE_CHECKING:
    import polars as pl
from genloom.contents.columns.base import Column, Place

MISSING_LEVEL = "(missing)"  # what it is called where it is given
_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")  # as a file of numbers gives them back


@dataclass(frozen=True)
class CategoryColumn(Column):
    """One of several levels.

    Args:
        name: in the file.
        levels: as they are written; a stored cell is an index into them.
        counts: training rows of each level.
        missing: share of the rows whose cell is missing.
        other: whether the last level stands for all that are not among the others.
        dtype: see :class:`~genloom.contents.columns.base.Column`.
    """

    called = "categories"

    name: str
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    missing: float = 0.0
    other: bool = False
    dtype: str | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """The levels."""
        return self.levels

    @property
    def merges(self) -> bool:
        """Where one level stands for others."""
        return self.other

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
    def absent(self) -> int | None:
        """The last, where cells may be missing."""
        return len(self.levels) if self.optional else None

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

    def _typed(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return true and false, whole numbers, or categories."""
        import polars as pl

        texts = self.cells(stored)
        if {level.lower() for level in self.levels} <= {"true", "false"}:
            return texts.str.to_lowercase() == "true"
        whole = all(_WHOLE.fullmatch(level) for level in self.levels)
        return texts.cast(pl.Int64 if whole else pl.Categorical)

    def drawn(self, stored: Float64[Tensor, " rows"]) -> list[str]:
        """Return the levels."""
        return [self.levels[int(place)] for place in stored[~stored.isnan()].tolist()]

    def _read(self, cells: "pl.Series", place: Place) -> Float64[np.ndarray, " rows"]:
        import polars as pl

        spelled = [level.lower() for level in self.levels] if cells.dtype == pl.Boolean else self.levels
        codes = dict(zip(spelled, map(float, range(len(self.levels))), strict=True))
        texts = written(cells)
        found = texts.replace_strict(codes, default=None, return_dtype=pl.Float64)
        if self.other:
            found = found.fill_null(len(self.levels) - 1.0).set(texts.is_null(), None)
        levels = ", ".join(self.levels[:10]) + (", …" if len(self.levels) > 10 else "")
        self._check(cells, (found.is_null() & texts.is_not_null()).to_numpy(), place, f"is not among {levels}")
        return found.fill_null(np.nan).to_numpy().astype(np.float64)


def levels(columns: Sequence[Column]) -> Levels | None:
    """Return the levels of all columns of categories; a missing cell is one, too."""
    classes: list[str] = []
    counts: list[int] = []
    groups: list[int] = []
    places: list[int] = []
    first = 0
    for place, column in enumerate(columns):
        if isinstance(column, CategoryColumn):
            condition = column.condition()
            classes += [f"{column.name}={level}" for level in condition.classes]
            counts += condition.counts or ()
            groups += [place] * len(condition.classes)
            places += range(first, first + column.width)
        first += column.width
    return Levels(tuple(classes), tuple(counts), tuple(groups), tuple(places)) if classes else None


def written(cells: "pl.Series") -> "pl.Series":
    """Return cells as the texts that levels are; whole numbers without a point."""
    import polars as pl

    if cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        if (whole.cast(pl.Float64) == cells).all():
            cells = whole
    return cells.cast(pl.String)
