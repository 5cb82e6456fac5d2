"""Tables: rows of mixed columns."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from genloom import figures
from genloom.contents.base import Values
from genloom.contents.columns.base import Column, Place, identifier
from genloom.contents.columns.category import levels
from genloom.contents.columns.variables import Variable, variables
from genloom.contents.condition import as_list, dealt
from genloom.contents.files import first_array
from genloom.contents.levels import Levels
from genloom.contents.partial import Partial
from genloom.contents.shown import Picture
from genloom.contents.transforms import Block
from genloom.contents.vector import VectorContent
from genloom.errors import ConfigError, DataError, reason
from genloom.examples import Examples
from genloom.part import Part

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class GivenColumn(Part):
    """A column that rows are given, rather than content.

    Args:
        condition: its name among the conditions.
        column: how its cells are written.
        place: among all columns of a file.
    """

    condition: str
    column: Column
    place: int


@dataclass(frozen=True)
class Order(Part):
    """One column is never above another.

    Args:
        lower: place of the one.
        upper: place of the other, whose cells are of the same kind.
    """

    lower: int
    upper: int


@dataclass(frozen=True)
class TableContent(Values):
    """Rows of mixed columns, as :mod:`genloom.contents.columns` stores and encodes them.

    Args:
        columns: in their order, without those that are given.
        given: columns that rows are given.
        target: name of the column that others would be used to predict; None if nobody said.
        orders: what holds in every row, and so in every decoded one.
    """

    called = "rows of tables"
    suite = "table"
    array = "rows"
    forms = ("csv", "parquet")
    layout = " float64: categories by their place, dates as seconds since 1970, NaN where nothing is"
    units = "encoded values"
    resized = "; give rows of the same columns"
    seen_at_once = 1000

    columns: tuple[Column, ...]
    given: tuple[GivenColumn, ...] = ()
    target: str | None = None
    orders: tuple[Order, ...] = ()

    def __post_init__(self) -> None:
        if not self.columns:
            raise DataError("a table without a column to model: name some in data.columns, or fewer in data.given")

    @property
    def shape(self) -> tuple[int]:
        """Encoded: ``(width,)``, the sum over all columns."""
        return (sum(column.width for column in self.columns),)

    @property
    def stored_shape(self) -> tuple[int]:
        """``(columns,)``."""
        return (len(self.columns),)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Those of all columns."""
        return tuple(block for column in self.columns for block in column.blocks)

    @property
    def levels(self) -> Levels | None:
        """Those of all columns that have some."""
        return levels(self.columns)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """What a model that makes a row step by step draws at once."""
        return tuple(variables(self.columns))

    def split(self, encoded: Tensor) -> Iterator[tuple[Column, Tensor]]:
        """Yield each column with its encoded values, of shape (…, width), out of those of all columns."""
        yield from zip(self.columns, encoded.split([column.width for column in self.columns], dim=-1), strict=True)

    @property
    def encoded(self) -> VectorContent:
        """The encoded values."""
        return VectorContent(*self.shape)

    def encode(self, stored: Float64[Tensor, "*batch columns"]) -> Float[Tensor, "*batch width"]:
        """Return the encoded values of all columns, one column after the other."""
        flat = stored.reshape(-1, len(self.columns))
        parts = [column.encode(flat[:, place]) for place, column in enumerate(self.columns)]
        return torch.cat(parts, dim=1).view(*stored.shape[:-1], -1).to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "*batch width"]) -> Float64[Tensor, "*batch columns"]:
        """Return stored rows, on the CPU: not every device has double precision. They keep to the orders."""
        flat = content.detach().cpu().double().reshape(-1, content.shape[-1])
        parts = [column.decode(encoded) for column, encoded in self.split(flat)]
        return torch.stack(self.ordered(parts), dim=1).view(*content.shape[:-1], -1)

    def ordered(
        self, cells: Sequence[Float64[Tensor, " rows"]], *, known: Bool[Tensor, "rows columns"] | None = None
    ) -> list[Float64[Tensor, " rows"]]:
        """Return the cells of each column, those of two that are in the wrong order having changed places.

        What a column may hold stays: of two columns in order, the least and the largest cells are so, too.

        Args:
            cells: of each column.
            known: cells that stay where they are.
        """
        kept = list(cells)
        for _ in self.orders:  # a change may put a third one in the wrong order, and so on along a chain
            changed = False
            for order in self.orders:
                low, high = kept[order.lower], kept[order.upper]
                wrong = low > high  # not where one is missing
                if known is not None:
                    wrong &= ~(known[:, order.lower] | known[:, order.upper])
                if wrong.any():
                    below, above = self.columns[order.lower].floored(high), self.columns[order.upper].ceiled(low)
                    kept[order.lower], kept[order.upper] = (
                        torch.where(wrong, below, low),
                        torch.where(wrong, above, high),
                    )
                    changed = True
            if not changed:
                break
        return kept

    def neutral(self, stored: Float64[Tensor, "rows columns"]) -> "TableContent":
        """Return the content as it encodes the same whatever transforms a run chose: by normal scores among the rows.

        Numbers are compared between runs by this encoding.
        """
        columns = [column.neutral(stored[:, place]) for place, column in enumerate(self.columns)]
        return replace(self, columns=tuple(columns))

    # What a model completes

    @property
    def parts(self) -> tuple[str, ...]:
        """The columns, by what they are called where they are asked for."""
        return tuple(identifier(name) for name in self.names)

    def in_part(self, asked: Mapping[str, Sequence[str]], num: int) -> Partial:
        """Return ``num`` rows of which only the cells that are asked for are known.

        Raises:
            ConfigError: a cell is none that the column has, or cells are asked for that no row has together.
        """
        stored = torch.zeros(num, len(self.columns), dtype=torch.float64)
        known = torch.zeros_like(stored, dtype=torch.bool)
        for name, texts in asked.items():
            key, place = f"given.{name}", self.parts.index(name)
            stored[:, place] = dealt(_asked(self.columns[place], texts, key), num)
            known[:, place] = True
        for order in self.orders:
            both = known[:, order.lower] & known[:, order.upper]
            if (both & (stored[:, order.lower] > stored[:, order.upper])).any():
                low, high = (self.parts[place] for place in (order.lower, order.upper))
                raise ConfigError(
                    f"given.{low}: {', '.join(asked[low])} with given.{high}={','.join(asked[high])}, and in no row of "
                    f"the data is {low} above {high}; ask for others, or train with data.find_orders=false"
                )
        return Partial(stored, known)

    def to_complete(self, partial: Partial) -> tuple[Tensor, Tensor, Tensor]:
        """Return rows as a model sees them, which of these values are known, and which choices are allowed."""
        usual = torch.tensor([column.bounds[0] for column in self.columns], dtype=torch.float64)
        widths = torch.tensor([column.width for column in self.columns])
        known = partial.known.repeat_interleave(widths, dim=1)
        allowed = torch.ones_like(known)
        first = 0
        for column in self.columns:
            if column.absent is not None and not partial.gaps:
                allowed[:, first + column.absent] = False
            first += column.width
        return self.encode(torch.where(partial.known, partial.stored, usual)), known, allowed

    def kept(self, completed: Float64[Tensor, "rows columns"], partial: Partial) -> Float64[Tensor, "rows columns"]:
        """Return completed rows with the known cells as they were; the others keep to the orders with these."""
        known = partial.known
        bound = known & ~partial.stored.isnan()
        least = list(partial.stored.masked_fill(~bound, -torch.inf).unbind(1))
        most = list(partial.stored.masked_fill(~bound, torch.inf).unbind(1))
        for _ in self.orders:  # along chains
            for order in self.orders:
                lower, upper = self.columns[order.lower], self.columns[order.upper]
                least[order.upper] = torch.maximum(least[order.upper], lower.ceiled(least[order.lower]))
                most[order.lower] = torch.minimum(most[order.lower], upper.floored(most[order.upper]))
        cells = [
            torch.where(mine, own, _between(column, drawn, low, high))
            for column, mine, own, drawn, low, high in zip(
                self.columns, known.unbind(1), partial.stored.unbind(1), completed.unbind(1), least, most, strict=True
            )
        ]
        return torch.stack(self.ordered(cells, known=known), dim=1)

    def centres(self, draws: Float64[Tensor, "rows draws columns"]) -> Float64[Tensor, "rows columns"]:
        """Return the mean of each cell's draws, as it can be written; of categories the most frequent."""
        cells = [
            column.rounded(own.mean(1)) if column.is_measured else own.mode(1).values
            for column, own in zip(self.columns, draws.unbind(2), strict=True)
        ]
        return torch.stack(cells, dim=1)

    # What a person sees

    def show(self, stored: Float64[Tensor, "num columns"], *, columns: int | None = None) -> Picture:
        """Draw how the cells of each of the first twelve columns are distributed."""
        return figures.marginals({"": self._drawn(stored)}, note=self._left_out)

    def compared(self, samples: Float64[Tensor, "num columns"], real: Float64[Tensor, "others columns"]) -> Picture:
        """Draw the distributions of generated and of real cells into the same panels."""
        return figures.marginals({"real": self._drawn(real), "samples": self._drawn(samples)}, note=self._left_out)

    def _drawn(self, stored: Float64[Tensor, "num columns"]) -> dict[str, list[float] | list[str]]:
        return {column.name: column.drawn(stored[:, place]) for place, column in enumerate(self.columns[:_SHOWN])}

    @property
    def _left_out(self) -> str | None:
        return f"the first {_SHOWN} of {len(self.columns)} columns" if len(self.columns) > _SHOWN else None

    # Files

    def save(self, examples: Examples, out: Path, *, columns: int | None = None) -> list[str]:
        """Write ``marginals.png`` and ``samples.npz``."""
        picture = self.show(examples.content).save(out / "marginals")
        return [f"shown:    {os.path.relpath(picture)}", self.save_arrays(examples, out / "samples.npz")]

    def export(self, examples: Examples, stem: Path, form: str | None) -> list[str]:
        """Write rows with the columns' own names and order: texts as the user's file has them, or cells with types."""
        path = stem.with_name(f"{stem.name}.{form}")
        frame = self.frame(examples, typed=form == "parquet")
        frame.write_parquet(path) if form == "parquet" else frame.write_csv(path)
        return [f"rows:     {os.path.relpath(path)} ({len(frame)} rows of {len(frame.columns)} columns)"]

    def frame(self, examples: Examples, *, typed: bool = False) -> "pl.DataFrame":
        """Return rows as a table: all columns in their own order, those that are given among them.

        Args:
            examples: with what they are given.
            typed: whether cells have the types of their columns, see :meth:`Column.typed`; else they are as in a CSV.
        """
        import polars as pl

        def cells(column: Column, stored: Float64[Tensor, " rows"]) -> pl.Series:
            return column.typed(stored) if typed else column.cells(stored)

        frame = pl.DataFrame([cells(column, examples.content[:, place]) for place, column in enumerate(self.columns)])
        for each in sorted(self.given, key=lambda each: each.place):
            if each.condition in examples.given:
                given = cells(each.column, each.column.from_given(examples.given[each.condition]))
                frame.insert_column(min(each.place, len(frame.columns)), given)
        return frame

    def rows(self, frame: "pl.DataFrame", place: Place) -> Float64[Tensor, "rows columns"]:
        """Return the stored rows of a table that holds the columns, in any order, and maybe others.

        Args:
            frame: the table; texts, or the columns' own types.
            place: names a row.

        Raises:
            DataError: naming row and column.
        """
        stored = torch.empty(len(frame), len(self.columns), dtype=torch.float64)
        for index, column in enumerate(self.columns):
            stored[:, index] = torch.from_numpy(column.read(frame[column.name], place))
        return stored

    def read(self, path: Path, key: str, *, at_least: int = 1) -> Examples:
        """Read a CSV or Parquet with these columns, in any order, or the first array of an npz, as it is saved.

        Raises:
            DataError: it cannot be read, lacks a column, has fewer rows, or a cell that the column never has; names
                the file.
        """
        if path.suffix.lower() == ".npz":
            rows = self._read_array(path, key)
        else:
            frame = _read_frame(path, key)
            if absent := [name for name in self.names if name not in frame.columns]:
                raise DataError(
                    f"{key}: {path} has no column {absent[0]!r}; it has {', '.join(frame.columns)}; rename it as in "
                    "the data, or write all columns"
                )
            rows = self.rows(frame, lambda row: f"{key}: {path}, row {row + 1}")
        if len(rows) < at_least:
            raise DataError(f"{key}: {path} holds {len(rows)} rows; at least {at_least} are needed")
        return self.examples(rows)

    def _read_array(self, path: Path, key: str) -> Float64[Tensor, "rows columns"]:
        array = first_array(path, key)
        if array.dtype.kind not in "fiu" or array.shape[1:] != self.stored_shape:
            raise DataError(
                f"{key}: {path} holds {array.dtype} of {array.shape}; rows of {self.stored_shape} are needed"
            )
        rows = torch.from_numpy(array.astype(np.float64))
        for index, column in enumerate(self.columns):
            column.check(rows[:, index], lambda row: f"{key}: {path}, row {row + 1}")
        return rows

    # What is said of numbers

    def squared_error(self, ours: Float64[Tensor, "num columns"], real: Float64[Tensor, "num columns"]) -> float:
        """Return that of encoded values."""
        return (self.encode(ours) - self.encode(real)).square().mean().item()

    def facts(self) -> dict[str, Any]:
        """Return the columns' names and what they are, and the target."""
        return {"columns": {column.name: column.called for column in self.columns}, "target": self.target}


_SHOWN = 12  # columns of a picture


def _between(
    column: Column, drawn: Float64[Tensor, " rows"], low: Float64[Tensor, " rows"], high: Float64[Tensor, " rows"]
) -> Float64[Tensor, " rows"]:
    """Return drawn cells within limits, as the column writes them where it has such a cell between the limits."""
    above, below = column.ceiled(low), column.floored(high)
    has_one = above <= below
    return drawn.maximum(torch.where(has_one, above, low)).minimum(torch.where(has_one, below, high))


def _asked(column: Column, texts: Sequence[str], key: str) -> Float64[Tensor, " texts"]:
    """Return the cells that are asked for, stored."""
    import polars as pl

    if not texts:
        raise ConfigError(f"{key}: nothing is asked for; name {column.called}")
    try:
        stored = torch.from_numpy(column.read(pl.Series(list(texts), dtype=pl.String), lambda row: key))
    except DataError as error:
        raise ConfigError(f"{error}{as_list(texts, key)}") from error
    near = column.rounded(stored)
    if (unlike := (near != stored) & ~stored.isnan()).any():
        place = int(unlike.int().argmax())
        cell = column.cells(near)[place]
        raise ConfigError(f"{key}: {texts[place]} is finer than the column {column.name!r}; ask for {cell}")
    return stored


def _read_frame(path: Path, key: str) -> "pl.DataFrame":
    import polars as pl

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path)
        if path.suffix.lower() in (".csv", ".tsv", ".txt"):
            return pl.read_csv(path, infer_schema=False, separator="\t" if path.suffix.lower() == ".tsv" else ",")
    except FileNotFoundError as error:
        raise DataError(f"{key}: {path} does not exist") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{key}: {path} cannot be read as a table ({reason(error)})") from error
    raise DataError(f"{key}: {path} is no .csv, .parquet or .npz; write rows as one of these")
