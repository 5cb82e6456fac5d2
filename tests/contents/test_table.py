"""Rows of tables: stored, encoded, shown, written and read."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from genloom.contents.columns.base import Column
from genloom.contents.columns.category import CategoryColumn
from genloom.contents.columns.measured import DateColumn, NumberColumn
from genloom.contents.table import GivenColumn, TableContent
from genloom.contents.transforms import ModeSpecific, Quantile, Standard
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples
from genloom.spec import Spec

DAY = 86_400.0
RNG = np.random.default_rng(0)
INCOME = np.round(RNG.lognormal(8, 1, 60), 2)
AGES = RNG.integers(18, 90, 60).astype(float)
DAYS = RNG.integers(17_000, 19_000, 60) * DAY
COLUMNS: tuple[Column, ...] = (
    NumberColumn("income, €", Quantile().fitted(INCOME), 2, INCOME.min(), INCOME.max()),
    NumberColumn("age", ModeSpecific().fitted(AGES), 0, AGES.min(), AGES.max(), missing=0.1),
    DateColumn("visit", Standard().fitted(DAYS), "%d.%m.%Y", DAY, DAYS.min(), DAYS.max(), missing=0.05),
    CategoryColumn("city", ("A, b", 'say "C"', "none"), (30, 20, 10), missing=0.1),
    CategoryColumn("smoker", ("0", "1"), (40, 20)),
)
TABLE = TableContent(COLUMNS, target="smoker")


def rows() -> torch.Tensor:
    stored = np.stack([INCOME, AGES, DAYS, RNG.integers(0, 3, 60), RNG.integers(0, 2, 60)], axis=1).astype(float)
    for column in (1, 2, 3):
        stored[RNG.integers(0, 60, 6), column] = np.nan
    return torch.from_numpy(stored)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


ROWS = rows()


def test_rows_come_back_from_what_a_model_sees():
    encoded = TABLE.encode(ROWS)
    assert encoded.shape == (60, *TABLE.shape) and encoded.dtype == torch.float32
    assert encoded.isfinite().all()
    again = TABLE.decode(encoded)
    assert (TABLE.stored_shape, again.dtype) == ((5,), torch.float64)
    assert same(again[:, 1:], ROWS[:, 1:])
    assert (again[:, 0] - ROWS[:, 0]).abs().max() < 0.02 * ROWS[:, 0].max() / 100
    assert same(TABLE.decode(encoded.view(3, 20, -1)), again.view(3, 20, 5))  # leading axes stay


def test_whatever_is_decoded_is_a_row_of_the_table():
    wild = TABLE.decode(20 * torch.randn(500, *TABLE.shape, generator=torch.Generator().manual_seed(0)))
    for place, column in enumerate(COLUMNS):
        cells = wild[:, place]
        column.check(cells, str)
        there = cells[~cells.isnan()]
        if isinstance(column, NumberColumn | DateColumn):
            assert there.min() >= column.low and there.max() <= column.high
    assert (wild[:, 0] * 100 - (wild[:, 0] * 100).round()).abs().max() < 1e-6
    assert (wild[:, 1].nan_to_num(0) % 1 == 0).all() and (wild[:, 2].nan_to_num(0) % DAY == 0).all()


def test_a_missing_cell_is_said_by_the_last_block_and_nothing_else():
    for column, stored in zip(COLUMNS[1:4], (30.0, 18_000 * DAY, 1.0), strict=True):
        there, absent = column.encode(torch.tensor([stored, torch.nan], dtype=torch.float64))
        assert there[-1] == 0 and absent[-1] == 1
    assert not COLUMNS[4].optional and COLUMNS[4].width == 2


def test_rows_are_written_as_the_file_had_them_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    TABLE.save(Examples(ROWS), tmp_path)
    assert TABLE.export(Examples(ROWS), Path("samples"), "csv") == ["rows:     samples.csv (60 rows of 5 columns)"]
    first = (tmp_path / "samples.csv").read_text(encoding="utf-8").splitlines()[:2]
    assert first[0] == '"income, €",age,visit,city,smoker'
    frame = pl.read_csv(tmp_path / "samples.csv", infer_schema=False)
    assert frame["age"].null_count() == int(ROWS[:, 1].isnan().sum())
    assert set(frame["city"].drop_nulls()) == {"A, b", 'say "C"', "none"}
    assert frame["visit"].drop_nulls().str.contains(r"^\d\d\.\d\d\.20\d\d$").all()
    assert frame["age"].drop_nulls().str.contains(r"^\d+$").all()
    for file in ("samples.csv", "samples.npz"):
        assert same(TABLE.read(tmp_path / file, "samples").content, ROWS)
    turned = pl.read_csv(tmp_path / "samples.csv").select("smoker", "visit", "city", "age", "income, €", id=1)
    turned.with_columns(pl.col("visit").str.to_date("%d.%m.%Y")).write_parquet(tmp_path / "turned.parquet")
    assert same(TABLE.read(tmp_path / "turned.parquet", "samples").content, ROWS)
    assert (tmp_path / "marginals.png").stat().st_size > 5000


def test_rows_are_written_with_types_and_read_again(tmp_path: Path):
    flag = CategoryColumn("member", ("False", "True"), (40, 20), missing=0.1)
    code = CategoryColumn("code", ("01", "2"), (40, 20))  # as a number it would be another text
    stamp = DateColumn("at", Standard(), "%Y-%m-%dT%H:%M:%S+00:00", 1.0, 0.0, 2e9)
    whole = torch.tensor([[0.0, 1, 1.0], [1, 0, 86_401], [torch.nan, 1, 0]] * 20, dtype=torch.float64)
    given = GivenColumn("city", COLUMNS[3], 3)
    table = TableContent((*COLUMNS[:3], COLUMNS[4], flag, code, stamp), (given,))
    stored = torch.cat([ROWS[:, :3], ROWS[:, 4:], whole], dim=1)
    cities = COLUMNS[3].to_given(ROWS[:, 3])
    assert table.export(Examples(stored, {"city": cities}), tmp_path / "it", "parquet")[0].endswith("8 columns)")
    frame = pl.read_parquet(tmp_path / "it.parquet")
    assert frame.columns == ["income, €", "age", "visit", "city", "smoker", "member", "code", "at"]
    assert frame.dtypes == [
        pl.Float64, pl.Int64, pl.Date, pl.Categorical, pl.Int64, pl.Boolean, pl.Categorical, pl.Datetime("us", "UTC"),
    ]  # fmt: skip
    assert same(table.read(tmp_path / "it.parquet", "samples").content, stored)
    assert same(COLUMNS[3].from_given(cities), torch.from_numpy(COLUMNS[3].read(frame["city"], str)))


def test_forms_that_rows_are_not_written_in_are_refused():
    assert (TABLE.form(None), TABLE.form("parquet")) == ("csv", "parquet")
    with pytest.raises(ConfigError, match=r"format: rows of tables are not written as xlsx; set it to csv or parquet$"):
        TABLE.form("xlsx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"city": "D"}, r"row 1, column 'city': 'D' is not among A, b, say \"C\", none$"),
        ({"age": "young"}, "row 1, column 'age': 'young' is no number"),
        ({"age": "inf"}, "row 1, column 'age': 'inf' is not finite"),
        ({"visit": "2020-01-01"}, r"row 1, column 'visit': '2020-01-01' is no time of the form %d.%m.%Y"),
        ({"smoker": None}, "row 1, column 'smoker': the cell is missing, and none was among those"),
        ({"smoker": "NA"}, "row 1, column 'smoker': the cell is missing"),
    ],
)
def test_a_cell_that_the_column_never_has_is_named(tmp_path: Path, changes: dict[str, str | None], message: str):
    frame = TABLE.frame(Examples(ROWS)).with_columns(pl.all().cast(pl.String))
    wrong = frame[:1].with_columns(**{name: pl.lit(cell, dtype=pl.String) for name, cell in changes.items()})
    pl.concat([wrong, frame]).write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=rf"^samples: .*a.csv, {message}"):
        TABLE.read(tmp_path / "a.csv", "samples")


def test_files_that_are_no_rows_of_the_table_are_refused(tmp_path: Path):
    TABLE.frame(Examples(ROWS)).drop("age").write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"a.csv has no column 'age'; it has income, €, visit, city, smoker"):
        TABLE.read(tmp_path / "a.csv", "samples")
    with pytest.raises(DataError, match=r"^samples: .*b.csv does not exist$"):
        TABLE.read(tmp_path / "b.csv", "samples")
    with pytest.raises(DataError, match=r"c.xls is no .csv, .parquet or .npz"):
        TABLE.read(tmp_path / "c.xls", "samples")
    (tmp_path / "d.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"d.parquet cannot be read as a table"):
        TABLE.read(tmp_path / "d.parquet", "samples")
    np.savez(tmp_path / "e.npz", np.array([[1.0, 30, DAY, 3, 1]]))
    with pytest.raises(DataError, match=r"e.npz, row 1, column 'city': 3.0 stands for none of its cells"):
        TABLE.read(tmp_path / "e.npz", "samples")
    np.savez(tmp_path / "f.npz", np.zeros((3, 4)))
    with pytest.raises(DataError, match=r"holds float64 of \(3, 4\); rows of \(5,\) are needed"):
        TABLE.read(tmp_path / "f.npz", "samples")
    TABLE.export(Examples(ROWS), tmp_path / "samples", TABLE.form(None))
    with pytest.raises(DataError, match=r"holds 60 rows; at least 61 are needed"):
        TABLE.read(tmp_path / "samples.csv", "samples", at_least=61)
    with pytest.raises(DataError, match="drawn: examples of 4 cannot be judged against data of 5; give rows"):
        TABLE.check(torch.zeros(3, 4), "drawn")


def test_a_table_stands_in_a_checkpoint_as_plain_data():
    spec = Spec("people", TABLE)
    assert Spec.from_dict(spec.to_dict()) == spec
    assert TABLE.facts() == {
        "columns": {
            "income, €": "numbers", "age": "numbers", "visit": "dates", "city": "categories", "smoker": "categories",
        },
        "target": "smoker",
    }  # fmt: skip
    with pytest.raises(DataError, match="a table without a column"):
        TableContent(())


def test_given_cells_stand_at_their_place_as_they_were_asked_for():
    age, city = NumberColumn("age", Standard().fitted(AGES), 0, AGES.min(), AGES.max()), COLUMNS[3]
    content = TableContent((COLUMNS[0], COLUMNS[4]), (GivenColumn("city", city, 3), GivenColumn("age", age, 0)))
    conditions = {"age": age.condition(), "city": city.condition()}
    assert conditions["city"].names == ("A, b", 'say "C"', "none", "(missing)")
    asked = {"age": ["101", "7"], "city": ["none", "(missing)", "A, b"]}
    given = {
        name: condition.decode(condition.asked(asked[name], 6, f"given.{name}"))
        for name, condition in conditions.items()
    }
    frame = content.frame(Examples(ROWS[:6][:, [0, 4]], given))
    assert frame.columns == ["age", "income, €", "smoker", "city"]
    assert frame["age"].to_list() == [101, 7] * 3
    assert frame["city"].to_list() == ["none", None, "A, b"] * 2
    assert content.frame(Examples(ROWS[:6][:, [0, 4]])).columns == ["income, €", "smoker"]  # a model that was not told
    stored = city.to_given(ROWS[:, 3])
    assert same(city.from_given(stored), ROWS[:, 3])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["30.5"], "given.age: 30.5 is finer than the column 'age'; ask for 30$"),
        (["old"], "given.age, column 'age': 'old' is no number"),
        ([""], "given.age, column 'age': the cell is missing"),
        ([], "given.age: nothing is asked for"),
    ],
)
def test_what_cannot_be_asked_for_exactly_is_refused(texts: list[str], message: str):
    condition = NumberColumn("age", Standard().fitted(AGES), 0, AGES.min(), AGES.max()).condition()
    with pytest.raises(ConfigError, match=f"^{message}"):
        condition.asked(texts, 4, "given.age")


def test_a_column_with_missing_numbers_is_not_given():
    with pytest.raises(DataError, match=r"column 'age': 10.0% of its cells are missing, and data.given names it"):
        COLUMNS[1].condition()


def test_rare_levels_are_read_as_the_other_one():
    column = CategoryColumn("smoker", levels=("a", "b", "other"), counts=(3, 2, 1), other=True)
    cells = column.read(pl.Series(["b", "zzz", "a", "other"]), str)
    assert cells.tolist() == [1, 2, 0, 2]
    assert column.remarks == ["all but the 2 most frequent are 'other': data.max_levels"]


def test_dates_are_drawn_in_years():
    column = DateColumn("visit", Standard(), "%d.%m.%Y", DAY, 0.0, 1e10)
    seconds = torch.tensor([datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (1970, 2000, 2020)])
    assert column.drawn(seconds.double()) == pytest.approx([1970, 2000, 2020], abs=0.01)
