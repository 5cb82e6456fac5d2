"""A table with gaps is filled and written with all else as it was."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
import torch

from genloom.contents.columns.category import CategoryColumn
from genloom.contents.columns.measured import DateColumn, NumberColumn
from genloom.contents.table import TableContent
from genloom.contents.transforms import Standard
from genloom.contents.vector import VectorContent
from genloom.data.tables.gaps import Gaps
from genloom.errors import ConfigError, DataError
from genloom.spec import Spec

CONTENT = TableContent(
    (
        NumberColumn("age", Standard(), decimals=0, low=0.0, high=99.0),
        NumberColumn("size", Standard(), decimals=1, low=0.0, high=9.0, missing=0.1),
        CategoryColumn("kind", ("x", "y"), (3, 3)),
        DateColumn("day", Standard(), "%Y-%m-%d", 86_400.0, 0.0, 1e9),
    )
)
SPEC = Spec("people", CONTENT)
FOUND = torch.tensor([[7.0, 1.5, 1.0, 86_400.0]] * 2, dtype=torch.float64)


def test_a_csv_keeps_all_cells_but_the_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("kind;id;size;age;day\nx;a;2,50;3;\n;b;NA;04;1970-01-03\n y;;1,0;5;1970-01-04\n", encoding="utf-8")
    gaps = Gaps(path, SPEC, separator=";", decimal=",")
    assert gaps.counts() == {"size": 1, "kind": 1, "day": 1}
    assert gaps.others == ["id"]
    partial = gaps.partial
    assert partial.known.tolist() == [[True, True, True, False], [True, False, False, True]]
    assert partial.stored[0, :3].tolist() == [3, 2.5, 0]
    assert not partial.gaps
    gaps.write(FOUND, tmp_path / "out.csv")
    written = "kind;id;size;age;day\nx;a;2,50;3;1970-01-02\ny;b;1,5;04;1970-01-03\n y;;1,0;5;1970-01-04\n"
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == written


def test_a_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "age": pl.Series([None, 4], dtype=pl.Int16),
            "size": pl.Series([None, None], dtype=pl.Null),
            "kind": pl.Series(["x", None], dtype=pl.Categorical),
            "day": pl.Series([None, date(2020, 1, 1)]),
        }
    )
    frame.write_parquet(tmp_path / "gaps.parquet")
    gaps = Gaps(tmp_path / "gaps.parquet", SPEC)
    gaps.write(FOUND, tmp_path / "out.parquet")
    filled = pl.read_parquet(tmp_path / "out.parquet")
    assert [*filled.schema.values()] == [pl.Int16, pl.Float64, pl.Categorical, pl.Date]
    assert filled.rows() == [(7, 1.5, "x", date(1970, 1, 2)), (4, 1.5, "y", date(2020, 1, 1))]


def test_a_csv_that_is_filled_into_a_parquet_gets_types(tmp_path: Path) -> None:
    (tmp_path / "gaps.csv").write_text("kind,age,size,day,id\nx,3,2.5,,01\n,4.5,NA,1970-01-03,b\n", encoding="utf-8")
    gaps = Gaps(tmp_path / "gaps.csv", SPEC)
    gaps.write(FOUND, tmp_path / "out.parquet")
    filled = pl.read_parquet(tmp_path / "out.parquet")
    assert filled.dtypes == [pl.Categorical, pl.Float64, pl.Float64, pl.Date, pl.String]  # 4.5 is no whole number
    assert filled.rows() == [("x", 3, 2.5, date(1970, 1, 2), "01"), ("y", 4.5, 1.5, date(1970, 1, 3), "b")]


def test_a_table_without_gaps_stays(tmp_path: Path) -> None:
    text = "age,size,kind,day\n1,2.0,x,1970-01-01\n"
    (tmp_path / "whole.csv").write_text(text)
    gaps = Gaps(tmp_path / "whole.csv", SPEC)
    assert len(gaps.partial) == 0
    gaps.write(FOUND[:0], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("age,size,kind\n1,,x\n", "has no column 'day', which the model was trained on; it has age, size, kind"),
        ("age,size,kind,day\n1,,z,\n", "line 2, column 'kind': 'z' is not among x, y"),
        ("age,size,kind,day\n,,x,\nmany,,x,\n", "line 3, column 'age': 'many' is no number"),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "gaps.csv").write_text(text)
    with pytest.raises(DataError) as refused:
        Gaps(tmp_path / "gaps.csv", SPEC)
    assert why in str(refused.value)


def test_a_model_of_other_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="made for rows of tables"):
        Gaps(tmp_path / "gaps.csv", Spec("points", VectorContent(2)))


def test_the_centre_of_draws_is_a_mean_or_the_most_frequent() -> None:
    draws = torch.tensor([[[1, 1.0, 0, 0], [2, 1.0, 1, 86_400], [2, 1.3, 1, 86_400]]], dtype=torch.float64)
    assert CONTENT.centres(draws).tolist() == [[2, 1.1, 1, 86_400]]
