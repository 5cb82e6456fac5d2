"""Rows of which a part is known: the known cells stay bit for bit, and the others go with them."""

import pytest
import torch

from genloom.contents.columns.category import CategoryColumn
from genloom.contents.columns.measured import NumberColumn
from genloom.contents.partial import Partial
from genloom.contents.table import Order, TableContent
from genloom.contents.transforms import Standard
from genloom.errors import ConfigError

NAN = torch.nan


def number(name: str, *, missing: float = 0.0) -> NumberColumn:
    return NumberColumn(name, Standard(), decimals=0, low=0.0, high=9.0, missing=missing)


CONTENT = TableContent(
    (
        number("a"),
        number("b b"),
        number("c", missing=0.2),
        CategoryColumn("kind", ("x", "y"), (3, 3), missing=0.25),
    ),
    orders=(Order(0, 1), Order(1, 2)),
)


def rows(*cells: list[float]) -> torch.Tensor:
    return torch.tensor(cells, dtype=torch.float64)


def test_cells_that_are_asked_for_are_dealt_in_turn():
    partial = CONTENT.in_part({"b_b": ["3", "12"], "kind": ["y", "NA"]}, 3)
    assert partial.known.tolist() == [[False, True, False, True]] * 3
    assert partial.stored[:, 1].tolist() == [3, 12, 3]  # also beyond the training rows
    assert partial.stored[:, 3].nan_to_num(-1).tolist() == [1, -1, 1]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"a": ["2.5"]}, "given.a: 2.5 is finer than the column 'a'; ask for 2"),
        ({"a": ["NA"]}, "given.a, column 'a': the cell is missing"),
        ({"a": []}, "given.a: nothing is asked for"),
        ({"kind": ["z"]}, "'z' is not among x, y"),
        ({"a": ["5"], "b_b": ["4"]}, "given.a: 5 with given.b_b=4, and in no row of the data is a above b_b"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(asked, why):
    with pytest.raises(ConfigError) as refused:
        CONTENT.in_part(asked, 1)
    assert why in str(refused.value)


def test_a_model_sees_known_cells_and_may_leave_out_the_others_only_where_gaps_are_welcome():
    partial = Partial(rows([5, NAN, NAN, 1]), torch.tensor([[True, False, False, True]]))
    values, known, allowed = CONTENT.to_complete(partial)
    assert known.int().tolist() == [[1, 0, 0, 0, 0, 1, 1, 1]]
    assert values[0, [0, 5, 6, 7]].tolist() == [5, 0, 1, 0]
    assert values.isfinite().all()
    assert allowed.all()
    whole = Partial(partial.stored, partial.known, gaps=False)
    assert CONTENT.to_complete(whole)[2].int().tolist() == [[1, 1, 1, 1, 0, 1, 1, 0]]  # "missing" of c and of kind


@pytest.mark.parametrize(
    ("drawn", "stored", "wanted"),
    [
        ([7, 1, 9, 0], [NAN, 4, NAN, NAN], [4, 4, 9, 0]),  # a is at most what b is known to be
        ([7, 1, 2, 0], [NAN, NAN, 1, NAN], [1, 1, 1, 0]),  # along the chain
        ([3, 1, 9, 0], [NAN, NAN, NAN, 1], [1, 3, 9, 1]),  # as ever, where nothing of them is known
        ([3, 1, NAN, 0], [2, NAN, NAN, NAN], [2, 2, NAN, 0]),
        ([0, 0, 9, 0], [8, 3, NAN, NAN], [8, 3, 9, 0]),  # known cells stay, whatever they are
    ],
)
def test_completed_rows_keep_known_cells_and_the_orders(drawn, stored, wanted):
    partial = Partial(rows(stored), ~rows(stored).isnan())
    assert torch.equal(CONTENT.kept(rows(drawn), partial).nan_to_num(-1), rows(wanted).nan_to_num(-1))


def test_parts_are_taken_and_repeated_by_rows():
    partial = Partial(rows([1, 2, 3, 0], [4, 5, 6, 1]), torch.ones(2, 4, dtype=torch.bool), gaps=False)
    again = partial.times(2)[1:3]
    assert again.stored[:, 0].tolist() == [1, 4]
    assert len(again) == 2
    assert not again.gaps
