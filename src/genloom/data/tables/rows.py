"""Rows of a table: each is an example, whose cells are numbers, categories and dates."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from genloom import randomness
from genloom.contents.columns.base import Column, identifier
from genloom.contents.condition import Condition
from genloom.contents.table import GivenColumn, TableContent
from genloom.contents.transforms import Quantile, Standard, Transform
from genloom.data.base import InMemoryData, Split
from genloom.data.tables import orders
from genloom.data.tables.cells import cells
from genloom.data.tables.inference import Found, Kind, fitted, found
from genloom.data.tables.table import Table
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples
from genloom.limits import Count, Whole
from genloom.spec import Spec

_log = logging.getLogger(__name__)
_SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Rows(InMemoryData):
    """The rows of a CSV or Parquet file, divided at random into training, validation and test rows.

    Columns are what their cells say, unless ``columns`` says otherwise. Those that no model can learn from are named
    and left out: constants, ids, free text.

    Args:
        path: a .csv or .parquet file; its first line names the columns.
        separator: between the cells of a CSV; None is a comma, for .tsv a tab.
        decimal: how numbers are written, see :class:`~genloom.data.tables.table.Table`.
        date_format: of dates, for ``strptime``; None is ISO 8601.
        columns: by a column's name, what it is: ``skip`` leaves it out.
        target: name of the column that the others would be used to predict, for what is measured; None for none.
        given: names of the columns that rows are given: what a model is told, and what samples are asked to have.
        transform: how a model sees numbers and dates.
        transforms: that of single columns, by their names.
        max_levels: of a column of categories; the rarest become one.
        find_orders: find which columns are in no row above which others, and keep to it in samples.
        find_steps: find of which number all cells of a column are multiples, and keep to it in samples.
        splits: shares of the rows: training, validation, test.
        split_seed: of the division, apart from the run's, so that all runs are judged on the same rows.
        **in_memory: see :class:`~genloom.data.base.InMemoryData`.

    Raises:
        ConfigError: for an impossible argument.
        DataError: on reading, naming file, line and column.
    """

    kind = TableContent

    def __init__(
        self,
        *,
        path: str | os.PathLike[str] | None = None,
        separator: str | None = None,
        decimal: str | None = None,
        date_format: str | None = None,
        columns: Mapping[str, Kind] | None = None,
        target: str | None = None,
        given: Sequence[str] = (),
        transform: Transform | None = None,
        transforms: Mapping[str, Transform] | None = None,
        max_levels: Count = 100,
        find_orders: bool = True,
        find_steps: bool = True,
        splits: Sequence[float] = (0.7, 0.1, 0.2),
        split_seed: Whole = 0,
        **in_memory: Any,
    ) -> None:
        super().__init__(**in_memory)
        if len(splits) != 3 or not all(0 < share < 1 for share in splits) or abs(sum(splits) - 1) > 1e-6:
            raise ConfigError(
                f"data.splits: {list(splits)} must be three shares above 0 whose sum is 1: training, validation, test"
            )
        if target is not None and target in given:
            raise ConfigError(
                f"data.target: {target!r} is in data.given, and so nothing to predict; leave it out of one"
            )
        self.path = path
        self.separator = separator
        self.decimal = decimal
        self.date_format = date_format
        self.columns: Mapping[str, Kind] = columns or {}
        self.target = target
        self.given = tuple(given)
        self.transform = transform or Quantile()
        self.transforms = transforms or {}
        self.max_levels = max_levels
        self.find_orders = find_orders
        self.find_steps = find_steps
        self.splits = tuple(splits)
        self.split_seed = split_seed
        self._followed: Spec | None = None

    def follow(self, spec: Spec) -> None:
        """Take the columns of the model's table, with their levels and transforms, in place of finding them."""
        self._followed = spec

    @property
    def classes(self) -> None:
        """Rows have none; a column of categories may be given."""
        return None

    def content(self) -> TableContent:
        """The columns that are not given."""
        return self._whole.content

    def conditions(self) -> Mapping[str, Condition]:
        """The columns that are given: labels for categories, cells for numbers and dates."""
        return self._whole.conditions

    def read(self, split: Split) -> Examples:
        """Return the rows of a split, in a random order."""
        return self._whole.examples[self._places(len(self._whole.examples))[split]]

    def table(self) -> Table:
        """Return the table that is divided.

        Raises:
            ConfigError: no file is named.
            DataError: it cannot be read.
        """
        if self.path is None:
            raise ConfigError("data.path: no table is named; set it to a CSV or Parquet file, or choose data=wine")
        return Table(self.path, separator=self.separator, decimal=self.decimal)

    def _places(self, num: int) -> dict[Split, Tensor]:
        """Return the rows of each split."""
        ends = [round(num * sum(self.splits[: last + 1])) for last in range(3)]
        order = randomness.permutation(num, "table", self.split_seed)
        return {split: order[a:b] for split, a, b in zip(_SPLITS, [0, *ends], ends, strict=False)}

    @cached_property
    def _whole(self) -> "_Whole":
        table = self.table()
        places = self._places(len(table))
        for split, chosen in places.items():
            if len(chosen) < 2:
                num = f"{len(table)} row{'s leave' if len(table) > 1 else ' leaves'}"
                raise DataError(
                    f"{table.path}: {num} {len(chosen)} for the {split} split by data.splits={list(self.splits)}; each "
                    "needs at least 2: give more rows, or other shares"
                )
        if self._followed is not None:
            return self._read_again(table, self._followed)
        kinds = self._kinds(table)
        trained = places["train"].numpy()
        read: dict[str, tuple[Column, Float64[np.ndarray, " rows"]]] = {}
        for each in kinds:
            if each.kind != "skip":
                is_given = each.column in self.given
                read[each.column] = fitted(
                    table,
                    each,
                    trained=trained,
                    transform=Standard() if is_given else self.transforms.get(each.column, self.transform),
                    max_levels=self.max_levels,
                    date_format=self.date_format,
                    find_steps=self.find_steps,
                )
        order = list(read)
        conditions: dict[str, Condition] = {}
        given: list[GivenColumn] = []
        stored: dict[str, Tensor] = {}
        for name in self.given:
            column, values = read.pop(name)
            condition = _identifier(name, conditions)
            conditions[condition] = column.condition()
            given.append(GivenColumn(condition, column, order.index(name)))
            stored[condition] = column.to_given(torch.from_numpy(values))
        columns = tuple(column for column, _ in read.values())
        rows = torch.from_numpy(np.stack([values for _, values in read.values()], axis=1))
        content = TableContent(
            columns, tuple(given), self.target, orders.found(columns, rows) if self.find_orders else ()
        )
        self._say(table, kinds, content)
        return _Whole(content, conditions, content.examples(rows, stored))

    def _kinds(self, table: Table) -> list[Found]:
        """Return what each column is taken for."""
        table.check(list(self.columns), "data.columns")
        table.check(list(self.transforms), "data.transforms")
        table.check(self.given, "data.given")
        if self.target is not None:
            table.check([self.target], "data.target")
        kinds = [
            Found(name, self.columns[name], "as data.columns says")
            if name in self.columns
            else found(table, name, self.date_format)
            for name in table.columns
        ]
        wanted = {self.target: "data.target", **dict.fromkeys(self.given, "data.given")}
        for each in kinds:
            if each.kind == "skip" and each.column in wanted:
                either = f"{each.forced('categorical')} or {each.forced('numeric')}"
                raise ConfigError(f"{wanted[each.column]}: {each.column!r} is left out ({each.why}); set {either}")
        if all(each.kind == "skip" or each.column in self.given for each in kinds):
            said = "; ".join(f"{each.column!r}: {each.why}" for each in kinds[:8] if each.kind == "skip")
            raise DataError(f"{table.path}: no column is left to model ({said}); name some in data.columns")
        return kinds

    def _read_again(self, table: Table, spec: Spec) -> "_Whole":
        content = TableContent.of(spec.content)
        columns = [*content.names, *(each.column.name for each in content.given)]
        table.check(columns, f"data.path of a model of {spec.name}")
        rows = torch.empty(len(table), len(content.columns), dtype=torch.float64)
        for place, column in enumerate(content.columns):
            rows[:, place] = torch.from_numpy(cells(table, column))
        stored = {
            each.condition: each.column.to_given(torch.from_numpy(cells(table, each.column))) for each in content.given
        }
        return _Whole(content, spec.given, content.examples(rows, stored))

    def _say(self, table: Table, kinds: Sequence[Found], content: TableContent) -> None:
        """Print what each column is taken for, and how to have it otherwise."""
        modelled = [*content.columns, *(each.column for each in content.given)]
        by_name = {column.name: column for column in modelled}
        width = max(len(each.column) for each in kinds)
        lines = []
        for each in kinds:
            kind = "left out" if each.kind == "skip" else each.kind
            kind = f"given, {kind}" if each.column in self.given else kind
            column = by_name.get(each.column)
            notes = [each.why, *(column.remarks if column is not None else [])]
            if each.kind == "skip" and each.column not in self.columns:
                notes.append(f"to keep it: {each.forced('categorical')}")
            lines.append(f"  {each.column:<{width}}  {kind:<18}  {'; '.join(notes)}")
        names = content.names
        held = [f"{names[order.lower]} ≤ {names[order.upper]}" for order in content.orders]
        if held:
            more = f" and {len(held) - 12} more" if len(held) > 12 else ""
            lines.append(f"  in every row, and so in samples: {'; '.join(held[:12])}{more} (data.find_orders)")
        head = f"{table.path}: {len(table):,} rows; columns, as data.columns.NAME=… may change them:"
        _log.warning("\n".join([head, *lines]))


@dataclass(frozen=True)
class _Whole:
    """All rows of a table, and what they are."""

    content: TableContent
    conditions: Mapping[str, Condition]
    examples: Examples


def _identifier(name: str, others: Mapping[str, Condition]) -> str:
    """Return a condition's name for a column's: letters, digits and _."""
    condition = identifier(name)
    if condition in others:
        raise ConfigError(f"data.given: {name!r} and another column would both be called given.{condition}; rename one")
    return condition
