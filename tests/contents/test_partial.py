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


COARSE = TableContent(
    (
        NumberColumn("a", Standard(), decimals=0, low=0.0, high=900.0),
        NumberColumn("b", Standard(), decimals=0, low=0.0, high=900.0, step=100.0),
        NumberColumn("c", Standard(), decimals=0, low=10.0, high=990.0),
        NumberColumn("d", Standard(), decimals=0, low=50.0, high=1000.0, step=50.0),
    ),
    orders=(Order(0, 1), Order(1, 2), Order(2, 3), Order(0, 2), Order(0, 3), Order(1, 3)),
)


def held(cells: torch.Tensor) -> bool:
    """Return whether rows have their steps, limits and orders."""
    nearest = [column.nearest(own) for column, own in zip(COARSE.columns, cells.unbind(1), strict=True)]
    return torch.equal(torch.stack(nearest, 1), cells) and bool((cells.diff(dim=1) >= 0).all())


def test_columns_of_unlike_steps_keep_steps_limits_and_orders():
    rng = torch.Generator().manual_seed(0)
    assert held(COARSE.decode(500 + 300 * torch.randn(5000, 4, generator=rng)))


@pytest.mark.parametrize("place", range(4))
def test_what_is_drawn_beside_a_known_cell_keeps_steps_and_orders_with_it(place):
    rng = torch.Generator().manual_seed(0)
    drawn, told = (COARSE.decode(500 + 300 * torch.randn(5000, 4, generator=rng)) for _ in range(2))
    told = told[:, place] if place != 2 else told[:, place].clamp_max(901)  # as any column can be asked for
    known = torch.zeros(5000, 4, dtype=torch.bool)
    known[:, place] = True
    stored = torch.zeros_like(drawn)
    stored[:, place] = told
    completed = COARSE.kept(drawn, Partial(stored, known))
    assert torch.equal(completed[:, place], told)
    assert held(completed)


def test_an_order_goes_before_a_step_where_there_is_no_cell_for_both():
    partial = Partial(rows([120, 0, 180, 0]), torch.tensor([[True, False, True, False]]))
    assert 120 <= COARSE.kept(rows([120, 300, 180, 500]), partial)[0, 1] <= 180
