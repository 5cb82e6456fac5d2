"""A user's table whose empty cells are to be filled: what is known of it, and the table with what was found."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from genloom.contents.columns.base import Column
from genloom.contents.partial import Partial
from genloom.contents.table import TableContent
from genloom.data.tables.cells import cells
from genloom.data.tables.table import Table, listed
from genloom.errors import DataError
from genloom.spec import Spec

if TYPE_CHECKING:
    import polars as pl


class Gaps:
    """A table with empty cells, of the columns that a model knows.

    Args:
        path: of a CSV or Parquet; it may have further columns, which stay as they are.
        spec: of the model.
        separator: between the cells of a CSV; None is a comma, for .tsv a tab.
        decimal: how numbers are written, see :class:`~genloom.data.tables.table.Table`.

    Raises:
        ConfigError: the model is not of tables.
        DataError: the table can't be read, lacks a column, or holds a cell that a column never has.
    """

    kind = TableContent

    def __init__(
        self, path: str | os.PathLike[str], spec: Spec, *, separator: str | None = None, decimal: str | None = None
    ) -> None:
        spec.check(self, "checkpoint")
        self.content = TableContent.of(spec.content)
        self.table = Table(path, separator=separator, decimal=decimal)
        if lacking := [name for name in self.content.names if name not in self.table.columns]:
            raise DataError(
                f"data.path: {self.table.path} has no column {lacking[0]!r}, which the model was trained on; it has "
                f"{listed(self.table.columns)}; rename one, or add it with empty cells, to be filled"
            )
        read = [cells(self.table, column, gaps=True) for column in self.content.columns]
        self.stored = torch.from_numpy(np.stack(read, axis=1))

    @cached_property
    def rows(self) -> Int64[Tensor, " incomplete"]:
        """The places of the rows that have an empty cell."""
        return self.stored.isnan().any(1).nonzero().squeeze(1)

    @property
    def partial(self) -> Partial:
        """What is known of those rows."""
        some = self.stored[self.rows]
        return Partial(some, ~some.isnan(), gaps=False)

    @property
    def others(self) -> list[str]:
        """Columns of the table that the model does not know."""
        return [name for name in self.table.columns if name not in self.content.names]

    def counts(self) -> dict[str, int]:
        """Return how many cells are empty, by column, where any is."""
        counts = self.stored.isnan().sum(0).tolist()
        return {name: count for name, count in zip(self.content.names, counts, strict=True) if count}

    def filled(self, completed: Float64[Tensor, "incomplete columns"], *, typed: bool = False) -> "pl.DataFrame":
        """Return the table with its empty cells filled, all else as it is.

        Args:
            completed: the rows with an empty cell, in their order.
            typed: give the cells of a CSV, which are texts, the types of the model's columns.
        """
        frame = self.table.frame
        drawn = self.stored.index_copy(0, self.rows, completed)
        whole = torch.where(self.stored.isnan(), drawn, self.stored)
        for place, column in enumerate(self.content.columns):
            absent = self.stored[:, place].isnan()
            if absent.any():
                own = frame[column.name]
                found = self._written(column, whole[absent, place], own.dtype)
                own = own.cast(found.dtype)  # another only where all cells are empty
                frame = frame.with_columns(own.scatter(absent.nonzero().squeeze(1).numpy(), found))
            if typed and self.table.is_csv and not column.merges:
                frame = frame.with_columns(column.typed(whole[:, place]))
        return frame

    def write(self, completed: Float64[Tensor, "incomplete columns"], path: Path) -> None:
        """Write the filled table by the name of the file: Parquet, or a CSV with the separator of the user's."""
        if path.suffix.lower() in (".parquet", ".pq"):
            self.filled(completed, typed=True).write_parquet(path)
        else:
            separator = self.table.separator if self.table.is_csv else ","
            self.filled(completed).write_csv(path, separator=separator)

    def _written(self, column: Column, stored: Float64[Tensor, " rows"], dtype: "pl.DataType") -> "pl.Series":
        """Return cells in the type that the table has them in."""
        import polars as pl

        if dtype.is_temporal():
            return (
                (pl.Series(column.name, stored.numpy()) * 1e6)
                .round()
                .cast(pl.Int64)
                .cast(pl.Datetime("us"))
                .cast(dtype)
            )
        written = column.cells(stored)
        if dtype == pl.Null:
            return written
        if dtype.is_numeric() and written.dtype.is_numeric():
            return written.cast(dtype)
        texts = written.cast(pl.String)
        if column.is_number and self.table.decimal == ",":
            texts = texts.str.replace(".", ",", literal=True)
        return (texts == "true") if dtype == pl.Boolean else texts.cast(dtype)
