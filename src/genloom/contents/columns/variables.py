"""The variables of a table: what a model that makes a row step by step draws at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genloom.contents.columns.base import Column


@dataclass(frozen=True)
class Variable:
    """One encoded number, or one choice.

    Args:
        column: its place among the columns.
        first: the place of its first value among all encoded ones.
        width: values.
        chosen: whether exactly one of them is 1 and the others are 0; else it is one number.
        flag: the place of the value that says that the cell is missing, so that this variable means nothing; None if
            it always means something.
    """

    column: int
    first: int
    width: int
    chosen: bool
    flag: int | None


def variables(columns: Sequence[Column]) -> Iterator[Variable]:
    """Yield the variables of all columns, in the order of the encoded values."""
    first = 0
    for place, column in enumerate(columns):
        end = first + column.width
        for number, block in enumerate(column.blocks):
            is_flag = column.flagged and number == len(column.blocks) - 1
            flag = end - 1 if column.flagged and not is_flag else None
            for width in [block.width] if block.chosen else [1] * block.width:
                yield Variable(place, first, width, block.chosen, flag)
                first += width
