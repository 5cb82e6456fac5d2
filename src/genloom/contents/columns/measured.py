"""Columns of numbers and of dates, and their cells as what rows are given."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor

from genloom import figures
from genloom.contents.base import Values
from genloom.contents.condition import as_list, dealt
from genloom.contents.shown import Picture
from genloom.contents.transforms import Block, Quantile, Standard, Transform
from genloom.contents.vector import VectorContent
from genloom.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl
from genloom.contents.columns.base import Column, Place

_DAY = 86_400.0  # seconds
_YEAR = 365.2425 * _DAY


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

    @property
    def absent(self) -> int | None:
        """The last, where cells may be missing."""
        return self.width - 1 if self.optional else None

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
        dtype: see :class:`~genloom.contents.columns.base.Column`.
        step: all of them are whole multiples of it; None where they are none but of their decimals.
    """

    called = "numbers"
    is_number = True

    name: str
    transform: Transform
    decimals: int | None
    low: float
    high: float
    missing: float = 0.0
    dtype: str | None = None
    step: float | None = None

    def transformed(self, transform: Transform) -> "NumberColumn":
        """Return the column with another transform."""
        return replace(self, transform=transform)

    def unlimited(self) -> "NumberColumn":
        """Return the column without its limits."""
        return replace(self, low=-inf, high=inf)

    def rounded(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Round to whole steps, to the decimals, and to single precision where the file has that."""
        stepped = values if self.step is None else (values / self.step).round() * self.step + 0.0
        rounded = stepped if self.decimals is None else stepped.round(decimals=self.decimals)
        return rounded.float().double() if self.is_single else rounded

    def floored(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Round down to whole steps, where there are some."""
        if self.step is None:
            return values
        near = self.rounded(values)
        return torch.where(near > values, self.rounded(near - self.step), near)

    def ceiled(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
        """Round up to whole steps, where there are some."""
        return 0.0 - self.floored(-values)  # and no negative zero

    @property
    def remarks(self) -> list[str]:
        """How much is missing, and the step."""
        return [*super().remarks, *([f"multiples of {self.step:g} (data.find_steps)"] if self.step else [])]

    @property
    def is_single(self) -> bool:
        """Whether the file has them in single precision."""
        return self.dtype == "Float32"

    @property
    def unit(self) -> tuple[str, float | None]:
        """The decimals."""
        return self.called, self.decimals

    def cells(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return whole numbers, or decimal ones."""
        import polars as pl

        series = pl.Series(self.name, stored.contiguous().numpy()).fill_nan(None)
        if self.decimals == 0 and not ((series.abs() > 2.0**62) | (series != series.floor())).any():
            return series.cast(pl.Int64)
        return series.cast(pl.Float32) if self.is_single else series

    def _read(self, cells: "pl.Series", place: Place) -> Float64[np.ndarray, " rows"]:
        import polars as pl

        numbers = cells.cast(pl.Float32 if self.is_single else pl.Float64, strict=False).cast(pl.Float64)
        values = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
        self._check(cells, (numbers.is_null() & cells.is_not_null()).to_numpy(), place, "is no number")
        self._check(cells, np.isinf(values), place, "is not finite")
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
        dtype: see :class:`~genloom.contents.columns.base.Column`.
    """

    called = "dates"

    name: str
    transform: Transform
    form: str
    step: float
    low: float
    high: float
    missing: float = 0.0
    dtype: str | None = None

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
        return self._times(stored).dt.strftime(self.form)

    def _typed(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        """Return days, or times; those that say their distance from UTC in UTC."""
        import polars as pl

        times = self._times(stored)
        if self.form.endswith(("%z", "+00:00")):
            return times.dt.replace_time_zone("UTC")
        return times.cast(pl.Date) if self.step == _DAY and not (stored % _DAY > 0).any() else times

    def _times(self, stored: Float64[Tensor, " rows"]) -> "pl.Series":
        import polars as pl

        seconds = pl.Series(self.name, stored.contiguous().numpy()).fill_nan(None)
        return (seconds * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us"))

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
        self._check(
            cells, (times.is_null() & cells.is_not_null()).to_numpy(), place, f"is no time of the form {self.form}"
        )
        return (times.cast(pl.Datetime("us")).dt.epoch("us") / 1e6).fill_null(np.nan).to_numpy().astype(np.float64)


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

    @property
    def encoded(self) -> VectorContent:
        """The encoded values."""
        return VectorContent(self.column.width)

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
            raise ConfigError(f"{error}{as_list(texts, key)}") from error
        encoded = self.encode(stored)
        kept = self.decode(encoded)
        if (unlike := (kept != stored) & ~stored.isnan()).any():
            place = int(unlike.int().argmax())
            near = self.column.cells(kept)[place]
            raise ConfigError(f"{key}: {texts[place]} is finer than the column {self.column.name!r}; ask for {near}")
        return dealt(encoded, num)

    def show(self, stored: Float64[Tensor, " num"], *, columns: int | None = None) -> Picture:
        """Draw how they are distributed."""
        return figures.marginals({"": {self.column.name: self.column.drawn(stored)}})
