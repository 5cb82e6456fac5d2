"""The cells of a column that is known already, from a table."""

import numpy as np
from jaxtyping import Float64

from genloom.contents.columns.base import Column
from genloom.data.tables.table import Table


def cells(table: Table, column: Column, *, gaps: bool = False) -> Float64[np.ndarray, " rows"]:
    """Return the column's stored cells; NaN where one is missing.

    Args:
        table: has the column.
        column: says what cells are.
        gaps: whether any may be missing, since they are to be filled.

    Raises:
        DataError: naming line and column: a cell is none that the column has, or is missing where none may be.
    """
    if not column.is_number:
        return column.read(table.frame[column.name], table.place, gaps=gaps)
    numbers, other = table.as_numbers(column.name)
    if other.any():  # which is refused by name
        column.read(table.as_texts(column.name).set(~other, None), table.place, gaps=gaps)
    return column.read(numbers, table.place, gaps=gaps)
