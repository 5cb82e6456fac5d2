"""Tables of the user's: what the columns are taken for, and the rows of each split."""

import datetime
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from genloom.contents.columns.category import CategoryColumn
from genloom.contents.columns.measured import DateColumn, NumberColumn
from genloom.contents.table import TableContent
from genloom.contents.transforms import Log, ModeSpecific, Quantile, Standard
from genloom.data.tables.embedded import EmbeddedRows
from genloom.data.tables.inference import Found, found
from genloom.data.tables.rows import Rows
from genloom.data.tables.table import Table
from genloom.errors import ConfigError, DataError, GenloomError
from genloom.examples import Examples
from genloom.spec import Spec

NUM = 200
FIRST = datetime.date(2020, 1, 1)


def people(**changes: Any) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    columns = {
        "sex": rng.choice(["F", "M"], NUM),
        "age": rng.integers(18, 90, NUM),
        "income": np.round(rng.lognormal(10, 1, NUM), 2),
        "visit": [(FIRST + datetime.timedelta(days=int(day))).isoformat() for day in rng.integers(0, 900, NUM)],
        "bmi": [None if rng.random() < 0.2 else float(np.round(rng.normal(25, 4), 1)) for _ in range(NUM)],
        "city": rng.choice(["Bonn", "Aachen", "Köln"], NUM),
        "smoker": rng.integers(0, 2, NUM),
    }
    return pl.DataFrame(columns | changes)


def write(tmp_path: Path, frame: pl.DataFrame) -> Path:
    frame.write_csv(tmp_path / "people.csv")
    return tmp_path / "people.csv"


def rows(path: Path, **arguments: Any) -> Rows:
    return Rows(name="people", path=path, **arguments)


@pytest.mark.parametrize(
    ("cells", "kind", "why"),
    [
        ([1.5, 2.0, -3.25, None], "numeric", "from -3.25 to 2"),
        ([1, 2, 30], "integer", "whole numbers from 1 to 30"),
        ([1, 0, 1], "boolean", "0 and 1"),
        (["yes", "no", None], "boolean", "no and yes"),
        ([True, False, True], "boolean", "false and true"),
        (["a", "b", "c"], "categorical", "3 levels"),
        (["a", None, None], "boolean", "a"),
        (["2020-01-05", None, "2021-03-01"], "date", "2 times from 2020-01-05 to 2021-03-01"),
        (["2020-01-05T10:00", "2020-01-06T00:00", None], "date", "2 times"),
        ([datetime.date(2020, 1, 5), datetime.date(2021, 1, 5), None], "date", "2 times"),
        ([3, 3, 3], "skip", "constant: 3"),
        (["NA", "", None], "skip", "empty"),
        ([None, None, None], "skip", "empty"),
        ([f"x{i}" for i in range(30)], "skip", "ids, or free text: 30 of 30 differ"),
        (list(range(100, 130)), "skip", "ids: 30 whole numbers, all different"),
        ([7 * i for i in range(30)], "integer", "whole numbers from 0 to 203"),
        ([[1], [2], [3]], "skip", "holds List"),
    ],
)
def test_a_column_is_what_its_cells_are(tmp_path: Path, cells: list[Any], kind: str, why: str):
    other = pl.Series("other", range(len(cells)))
    for table in _tables(tmp_path, pl.DataFrame([pl.Series("c", cells), other])):
        assert (found(table, "c").kind, found(table, "c").why[: len(why)]) == (kind, why)


def _tables(tmp_path: Path, frame: pl.DataFrame) -> list[Table]:
    frame.write_parquet(tmp_path / "a.parquet")
    if frame["c"].dtype.is_nested():
        return [Table(tmp_path / "a.parquet")]
    frame.write_csv(tmp_path / "a.csv")
    return [Table(tmp_path / "a.csv"), Table(tmp_path / "a.parquet")]


def test_names_decide_whether_numbers_that_all_differ_are_ids(tmp_path: Path):
    table = Table.made(
        pl.DataFrame({"customer_id": [7 * i for i in range(30)], "paid": [7 * i for i in range(30)]}), "t"
    )
    assert (found(table, "customer_id").kind, found(table, "paid").kind) == ("skip", "integer")


def test_a_table_is_read_with_its_columns_types_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data = rows(write(tmp_path, people(id=range(NUM))), target="smoker")
    content = data.describe().content
    assert isinstance(content, TableContent) and content.target == "smoker"
    assert content.names == ("sex", "age", "income", "visit", "bmi", "city", "smoker")
    kinds = [type(column) for column in content.columns]
    assert kinds == [
        CategoryColumn,
        NumberColumn,
        NumberColumn,
        DateColumn,
        NumberColumn,
        CategoryColumn,
        CategoryColumn,
    ]
    assert [getattr(column, "decimals", "none") for column in content.columns[1:5]] == [0, 2, "none", 1]
    assert content.columns[5].levels == ("Aachen", "Bonn", "Köln")  # pyright: ignore[reportAttributeAccessIssue]
    assert content.columns[4].missing == people()["bmi"].null_count() / NUM
    assert len(data.split("train")) == 140 and len(data.split("test")) == 40
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 1
    assert "  id      left out            counts the rows; to keep it: data.columns.id=categ" in said
    assert "  bmi     numeric" in said and "% missing" in said


def test_samples_have_the_types_of_the_parquet_that_they_are_like(tmp_path: Path):
    rng = np.random.default_rng(0)
    at = [datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=int(s)) for s in rng.integers(0, 10**7, NUM)]
    frame = people(
        age=pl.Series(rng.integers(18, 90, NUM), dtype=pl.Int16),
        income=pl.Series(rng.lognormal(10, 1, NUM), dtype=pl.Float32),
        visit=people()["visit"].str.to_date(),
        at=pl.Series(at, dtype=pl.Datetime("ns")),
        seen=pl.Series(at, dtype=pl.Datetime("ms", "UTC")),
        city=people()["city"].cast(pl.Categorical),
        smoker=people()["smoker"].cast(pl.Boolean),
        level=pl.Series(rng.integers(0, 3, NUM), dtype=pl.UInt8),
        weight=pl.Series(np.round(rng.normal(70, 9, NUM), 1), dtype=pl.Float32),
        member=pl.Series([["False", "True"][place % 2] for place in range(NUM)]),
        born=people()["visit"],
        half=rng.integers(0, 3, NUM) / 2,
    )
    frame.write_parquet(tmp_path / "people.parquet")
    data = rows(tmp_path / "people.parquet", columns={"level": "categorical", "half": "categorical"}, given=["sex"])
    spec = Spec.from_dict(data.describe().to_dict())  # as a checkpoint holds it
    content = TableContent.of(spec.content)
    samples = content.decode(torch.randn(50, *content.shape, generator=torch.Generator().manual_seed(0)))
    content.export(Examples(samples, {"sex": torch.arange(50) % 2}), tmp_path / "samples", "parquet")
    assert pl.read_parquet_schema(tmp_path / "samples.parquet") == frame.schema
    weights = pl.read_parquet(tmp_path / "samples.parquet")["weight"]
    assert weights.cast(pl.String).str.contains(r"^\d+\.\d$").all()
    again = content.read(tmp_path / "samples.parquet", "samples").content
    assert torch.equal(again.nan_to_num(-1), samples.nan_to_num(-1))
    content.export(Examples(samples), tmp_path / "samples", "csv")
    again = content.read(tmp_path / "samples.csv", "samples").content
    assert torch.equal(again.nan_to_num(-1), samples.nan_to_num(-1))
    other = rows(tmp_path / "samples.parquet")
    other.follow(spec)
    parts = torch.cat([other.split(split).content for split in ("train", "val", "test")])
    assert sorted(parts.nan_to_num(-1).tolist()) == sorted(samples.nan_to_num(-1).tolist())


def test_splits_share_out_all_rows_the_same_way_for_every_seed(tmp_path: Path):
    path = write(tmp_path, people(age=np.arange(NUM) * 3))
    parts = [rows(path, seed=seed).split(split).content for seed in (0, 1) for split in ("train", "val", "test")]
    assert [len(part) for part in parts[:3]] == [140, 20, 40]
    assert all(torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) for a, b in zip(parts[:3], parts[3:], strict=True))
    assert sorted(torch.cat(parts[:3])[:, 1].tolist()) == list(range(0, 3 * NUM, 3))
    assert parts[0][:, 1].tolist() != sorted(parts[0][:, 1].tolist())
    other = rows(path, split_seed=1).split("train").content
    assert not torch.equal(parts[0][:, 1], other[:, 1])


def test_what_a_transform_knows_is_of_the_training_rows_alone(tmp_path: Path):
    path = write(tmp_path, people())
    data = rows(path, transform=Standard(), transforms={"income": Log(), "bmi": ModeSpecific(modes=3)})
    columns = {column.name: column for column in data.content().columns}
    train = data.split("train").content
    age = columns["age"]
    assert isinstance(age, NumberColumn) and isinstance(age.transform, Standard)
    assert age.transform.mean == pytest.approx(train[:, 1].mean().item())
    assert [type(columns[name].transform) for name in ("income", "bmi", "visit")] == [Log, ModeSpecific, Standard]  # pyright: ignore
    assert isinstance(rows(path).content().columns[1].transform, Quantile)  # pyright: ignore[reportAttributeAccessIssue]
    assert (age.low, age.high) == (people()["age"].min(), people()["age"].max())


def test_columns_are_what_the_user_says(tmp_path: Path):
    path = write(tmp_path, people(id=range(NUM)))
    said = {"id": "integer", "age": "categorical", "smoker": "integer", "city": "skip", "visit": "categorical"}
    content = rows(path, columns=said).content()
    assert content.names == ("sex", "age", "income", "visit", "bmi", "smoker", "id")
    kinds = {column.name: type(column) for column in content.columns}
    assert kinds["id"] is NumberColumn and kinds["age"] is CategoryColumn and kinds["visit"] is CategoryColumn
    assert content.columns[1].levels[:2] == ("18", "19")  # pyright: ignore[reportAttributeAccessIssue]


def test_given_columns_are_conditions_and_no_content(tmp_path: Path):
    data = rows(write(tmp_path, people()), given=["sex", "age", "visit"])
    spec, train = data.describe(), data.split("train")
    assert list(spec.given) == ["sex", "age", "visit"] and spec.given["sex"].names == ("F", "M")
    content = TableContent.of(spec.content)
    assert content.names == ("income", "bmi", "city", "smoker")
    assert [each.place for each in content.given] == [0, 1, 3]
    assert set(train.given) == {"sex", "age", "visit"} and train.given["sex"].dtype == torch.int64
    batch = spec.batch(train, torch.arange(5))
    for name, condition in spec.given.items():
        assert torch.equal(condition.decode(batch.given[name]), train.given[name][:5])
    whole = content.frame(train)
    assert whole.columns == people().columns
    key = ["income", "age", "visit"]
    real = people().with_columns(pl.col("smoker").cast(pl.String)).join(whole, on=key, how="semi")
    assert len(real) == len(train) and real.sort(key).equals(whole.sort(key).cast(real.schema))  # pyright: ignore


def test_a_column_s_name_is_made_one_that_can_be_given(tmp_path: Path):
    path = write(tmp_path, people().rename({"age": "age (years)", "sex": "2nd"}))
    assert list(rows(path, given=["age (years)", "2nd"]).conditions()) == ["age__years_", "column_2nd"]
    both = people(**{"age (years)": np.arange(NUM) % 7, "age [years]": np.arange(NUM) % 7})
    with pytest.raises(
        ConfigError, match=r"data.given: 'age \(years\)' and another column would both be called given.age"
    ):
        rows(write(tmp_path, both), given=["age [years]", "age (years)"]).conditions()


def test_a_model_s_columns_are_kept_for_other_rows_or_refuse_them(tmp_path: Path):
    trained = rows(write(tmp_path, people()), given=["sex"])
    spec = trained.describe()
    (tmp_path / "new").mkdir()
    some = people()[:60].with_columns(city=pl.lit("Bonn")).with_columns(age=pl.col("age") * 2)
    other = rows(write(tmp_path / "new", some), given=["sex"])
    other.follow(spec)
    assert other.describe().content == spec.content and other.describe().given == spec.given
    assert set(other.split("train").content[:, 4].tolist()) == {1.0}
    foreign = rows(write(tmp_path / "new", some.with_columns(city=pl.lit("Trier"))), given=["sex"])
    foreign.follow(spec)
    with pytest.raises(DataError, match=r"people.csv, line 2, column 'city': 'Trier' is not among Aachen, Bonn, Köln"):
        foreign.describe()
    less = rows(write(tmp_path / "new", some.drop("age")))
    less.follow(spec)
    with pytest.raises(DataError, match="has no column 'age'"):
        less.describe()


def test_numbers_as_people_write_them_are_read_again_by_the_model_s_columns(tmp_path: Path):
    german = [f"{value:_.2f}".replace(".", ",").replace("_", ".") for value in people()["income"]]
    plain = rows(write(tmp_path, people().drop("bmi"))).split("train").content[:, 2]
    path = write(tmp_path, people(income=german).drop("bmi"))
    data, again = rows(path, decimal=","), rows(path, decimal=",")
    assert torch.equal(data.split("train").content[:, 2], plain)
    again.follow(data.describe())
    assert torch.equal(again.split("train").content[:, 2], plain)
    message = (
        r"column 'income': '.*' is no number \(a decimal comma .*set data.decimal.*or set data.columns.income=categ"
    )
    with pytest.raises(DataError, match=message):
        rows(path).describe()


IDS = people(id=range(NUM))
WRONG = people(age=["x", *map(str, range(1, NUM))])
CONSTANT = people().with_columns(a=pl.lit(1), b=pl.lit("x")).select("a", "b")


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (people()[:1], {}, "1 row leaves 1 for the train split"),
        (people()[:2], {}, "2 rows leave 1 for the train split"),
        (people()[:8], {}, "8 rows leave 0 for the val split"),
        (CONSTANT, {}, r"no column is left to model \('a': constant: 1; 'b': constant: x\)"),
        (people().select("sex"), {"given": ["sex"]}, "no column is left to model"),
        (people(), {"given": ["weight"]}, "data.given: .*people.csv has no column 'weight'; it has sex"),
        (people(), {"target": "weight"}, "data.target: .*has no column 'weight'"),
        (people(), {"columns": {"weight": "skip"}}, "data.columns: .*has no column 'weight'"),
        (people(), {"transforms": {"weight": Log()}}, "data.transforms: .*has no column 'weight'"),
        (people(), {"given": ["bmi"]}, r"column 'bmi': \d+.\d% of its cells are missing, and data.given names it"),
        (
            IDS,
            {"target": "id"},
            r"data.target: 'id' is left out \(counts the rows\).*set data.columns.id=categorical or",
        ),
        (people(), {"columns": {"sex": "numeric"}}, r"line 2, column 'sex': '[FM]' is no finite number; correct it"),
        (people(), {"columns": {"income": "integer"}}, r"'income': .* is no whole number; set data.columns.income=num"),
        (people(), {"columns": {"city": "boolean"}}, "'city': 3 levels are no boolean's; set data.columns.city=categ"),
        (people(), {"columns": {"city": "date"}}, r"line 2, column 'city': '.*' is no time of the form YYYY-MM-DD"),
        (
            WRONG,
            {},
            r"line 2, column 'age': 'x' is no finite number; correct it, leave the cell empty, or set data.col",
        ),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, frame: pl.DataFrame, arguments: dict[str, Any], message: str):
    with pytest.raises(GenloomError, match=message) as raised:
        rows(write(tmp_path, frame), **arguments).describe()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"splits": [0.5, 0.5]}, r"data.splits: \[0.5, 0.5\] must be three shares"),
        ({"splits": [0.9, 0.2, 0.1]}, r"data.splits: .* must be three shares above 0 whose sum is 1"),
        ({"target": "a", "given": ["a"]}, "data.target: 'a' is in data.given"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        Rows(name="people", path="a.csv", **arguments)


def test_without_a_file_its_key_is_named():
    with pytest.raises(ConfigError, match=r"data.path: no table is named"):
        Rows(name="people").describe()


def test_a_table_without_numbers_and_one_with_many_levels(tmp_path: Path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"a": rng.choice(list("xyz"), 30_000), "b": [f"c{n}" for n in rng.integers(0, 10_000, 30_000)]}
    )
    content = rows(write(tmp_path, frame), max_levels=50).content()
    assert content.shape == (53,)
    column = content.columns[1]
    assert isinstance(column, CategoryColumn) and column.other and column.levels[-1] == "other"
    assert sum(column.counts) == 21_000 and column.counts[-1] > 20_000


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["2020-01-05", "2021-12-31"], "%Y-%m-%d"),
        (["2020/01/05", "2021/12/31"], "%Y/%m/%d"),
        (["2020-01-05 10:30:00", "2021-12-31 00:00:00"], "%Y-%m-%d %H:%M:%S"),
        (["2020-01-05T10:30:00", "2021-12-31T00:00:00"], "%Y-%m-%dT%H:%M:%S"),
        (["2020-01-05 10:30:00+00:00", "2021-12-31 00:00:00+00:00"], "%Y-%m-%d %H:%M:%S+00:00"),
    ],
)
def test_dates_are_written_as_they_were(tmp_path: Path, texts: list[str], form: str):
    frame = people(visit=[texts[i % 2] for i in range(NUM)])
    data = rows(write(tmp_path, frame))
    column = data.content().columns[3]
    assert isinstance(column, DateColumn) and column.form == form
    assert set(data.content().frame(data.split("train"))["visit"]) == set(texts)
    again = rows(write(tmp_path, frame))
    again.follow(data.describe())
    assert torch.equal(again.split("test").content[:, 3], data.split("test").content[:, 3])


def test_german_dates_are_read_by_their_format(tmp_path: Path):
    frame = people().with_columns(pl.col("visit").str.to_date().dt.strftime("%d.%m.%Y"))
    column = rows(write(tmp_path, frame), date_format="%d.%m.%Y").content().columns[3]
    assert isinstance(column, DateColumn) and column.form == "%d.%m.%Y"


@pytest.mark.parametrize(
    ("table", "shape", "levels"),
    [
        ("breast_cancer", (569, 31), ("benign", "malignant")),
        ("wine", (178, 14), ("class_0", "class_1", "class_2")),
        ("iris", (150, 5), ("setosa", "versicolor", "virginica")),
        ("diabetes", (442, 11), None),
    ],
)
def test_the_tables_of_scikit_learn_are_whole(table: Any, shape: tuple[int, int], levels: tuple[str, ...] | None):
    data = EmbeddedRows(name=table, table=table, target="target")
    content = data.content()
    parts = [data.split(split) for split in ("train", "val", "test")]
    assert (sum(map(len, parts)), len(content.columns)) == shape
    assert getattr(content.columns[-1], "levels", None) == levels and content.columns[-1].name == "target"
    assert not torch.cat([part.content for part in parts]).isnan().any()
    assert (content.decode(content.encode(parts[0].content)) - parts[0].content).abs().max() < 0.02


def test_a_setting_that_forces_a_column_can_be_pasted():
    for name in ("age", "mean radius", "a (x), {y}: z", "50%", "x=1"):
        (word,) = shlex.split(Found(name, "skip", "").forced("categorical"))
        override = OverridesParser.create().parse_override(word)
        key = override.key_or_group.removeprefix("data.columns").lstrip(".")
        assert (override.value() if not key else {key: override.value()}) == {name: "categorical"}


def test_columns_that_are_never_above_others_are_found_said_and_held(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rng = np.random.default_rng(0)
    low = rng.integers(0, 50, NUM)
    frame = people(low=low, middle=low + rng.integers(0, 30, NUM), far=low + 1000, high=low + rng.integers(30, 60, NUM))
    data = rows(write(tmp_path, frame))
    content = TableContent.of(data.describe().content)
    held = {(content.names[order.lower], content.names[order.upper]) for order in content.orders}
    assert held == {("low", "middle"), ("low", "high"), ("middle", "high")}  # that far is above is what its limits say
    assert "in every row, and so in samples: low ≤ middle" in caplog.text
    wild = content.decode(3 * torch.randn(2000, *content.shape, generator=torch.Generator().manual_seed(0)))
    cells = dict(zip(content.names, wild.unbind(1), strict=True))
    assert (cells["low"] <= cells["middle"]).all() and (cells["middle"] <= cells["high"]).all()
    assert (cells["high"] <= cells["far"]).all()
    for place, column in enumerate(content.columns):
        assert torch.equal(column.nearest(wild[:, place]).nan_to_num(-1), wild[:, place].nan_to_num(-1))
    free = TableContent.of(rows(write(tmp_path, frame), find_orders=False).describe().content)
    assert free.orders == ()
    loose = dict(zip(free.names, free.decode(3 * torch.randn(2000, *free.shape)).unbind(1), strict=True))
    assert (loose["low"] > loose["middle"]).any()


@pytest.mark.parametrize(
    ("cells", "step"),
    [
        (np.arange(NUM) % 37 * 100, 100),
        (np.arange(NUM) % 50 * 2, 2),
        (np.round(np.arange(NUM) % 40 * 0.05 - 1, 2), 0.05),
        (np.where(np.arange(NUM) < 20, None, np.arange(NUM) % 37 * 100), 100),
        (np.arange(NUM) % 37 * 100 + (np.arange(NUM) == 199), None),  # one row is off
        (np.arange(NUM) % 5 * 2, None),  # four numbers, which may be even by chance
        (np.arange(NUM) % 37 * 100 / 7, None),
        (np.arange(NUM) % 37 * 1e17, None),
    ],
)
def test_numbers_that_are_multiples_of_a_step_stay_so(tmp_path: Path, caplog: pytest.LogCaptureFixture, cells, step):
    path = write(tmp_path, people(cells=pl.Series(cells.tolist(), strict=False)))
    content = rows(path).content()
    place = content.names.index("cells")
    column = content.columns[place]
    assert isinstance(column, NumberColumn) and column.step == step
    assert (f"multiples of {step} (data.find_steps)" in caplog.text) == (step is not None)
    free = rows(path, find_steps=False).content().columns[place]
    assert isinstance(free, NumberColumn) and free.step is None
    if step is not None:
        drawn = content.decode(torch.randn(500, *content.shape, generator=torch.Generator().manual_seed(0)))[:, place]
        there = drawn[~drawn.isnan()]
        known = torch.tensor(np.unique([cell for cell in cells.tolist() if cell is not None]), dtype=torch.float64)
        assert len(there.unique()) > 10 and torch.isin(there, known).all()  # to the bit as they are written
        assert not ((there == 0) & there.signbit()).any()


def test_limits_are_those_of_training_rows_and_other_rows_are_kept_as_they_are(tmp_path: Path):
    tested = int(rows(write(tmp_path, people()))._places(NUM)["test"][0])
    income = people()["income"].to_numpy().copy()
    income[tested] = 1e9
    data = rows(write(tmp_path, people(income=income)))
    content = TableContent.of(data.describe().content)
    place = content.names.index("income")
    train, test = data.split("train").content[:, place], data.split("test").content[:, place]
    assert content.columns[place].bounds == (train.min(), train.max())
    assert test.max() == 1e9
    decoded = content.decode(100 * torch.randn(2000, *content.shape, generator=torch.Generator().manual_seed(0)))
    assert train.min() <= decoded[:, place].min() and decoded[:, place].max() <= train.max()
