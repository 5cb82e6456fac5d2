"""What holds in every row of a table: one column is never above another."""

from collections.abc import Sequence
from itertools import permutations

from jaxtyping import Float64
from torch import Tensor

from genloom.contents.columns.base import Column
from genloom.contents.table import Order

_FIRST = 1000  # rows
_LEAST = 50  # rows that an order of two columns is believed by


def found(columns: Sequence[Column], rows: Float64[Tensor, "rows columns"]) -> tuple[Order, ...]:
    """Return which columns are never above which others, in any row, though their ranges overlap.

    Args:
        columns: of the rows.
        rows: as they are stored, all of them.
    """
    found = []
    for lower, upper in permutations(range(len(columns)), 2):
        one, other = columns[lower], columns[upper]
        if one.unit is None or one.unit != other.unit or one.bounds[1] <= other.bounds[0]:
            continue  # what cannot be compared, and what the limits say already
        if one.bounds[0] > other.bounds[0] or one.bounds[1] > other.bounds[1]:
            continue
        for start in (0, _FIRST):  # few of the first rows rule out most pairs
            part = rows[start : _FIRST if not start else None]
            if (part[:, lower] > part[:, upper]).any():
                break
        else:
            both = ~(rows[:, lower].isnan() | rows[:, upper].isnan())
            if both.sum() >= _LEAST and (rows[both, lower] < rows[both, upper]).any():
                found.append(Order(lower, upper))
    return tuple(found)
