import math
from datetime import UTC, datetime, timedelta
from time import process_time
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import torch

from genloom.data.series import time_column
from genloom.data.series.seasonal_process import SeasonalProcess, synthetic_panel
from genloom.data.series.series import Series
from genloom.data.tables import csv_file, table
from genloom.data.tables.stamps import parsed
from genloom.data.tables.table import Table
from genloom.errors import ConfigError, DataError
from genloom.spec import Spec

ALL = ("train", "val", "test")


def hours(num: int, start: datetime = datetime(2020, 1, 1), step: timedelta = timedelta(hours=1)) -> list[str]:
    return [str(start + step * row) for row in range(num)]


def rows(num: int = 40, start: datetime = datetime(2020, 1, 1)) -> list[str]:
    return ["time,a,b", *(f"{time},{row % 7},{0.5 * row}" for row, time in enumerate(hours(num, start)))]


@pytest.fixture
def series(tmp_path):
    """Writes a CSV and returns its data set, with small windows."""

    def write(lines: list[str], name: str = "table.csv", **arguments) -> Series:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Series(**{"path": path, "look_back": 4, "horizon": 2, "batch_size": 4, **arguments})

    return write


def batch(data: Series, split="train", index=(0,)):
    return data.describe().batch(data.split(split), torch.tensor(list(index)))


# Windows


def test_every_window_whose_content_lies_in_a_split_is_there_once(series):
    data = series(rows(), splits=[20, 8, 10])
    assert [len(data.split(name)) for name in ALL] == [15, 7, 9]  # 20 - 6 + 1; 8 - 2 + 1; 10 - 2 + 1
    first = batch(data, "val")
    raw = torch.tensor([[row % 7, 0.5 * row] for row in range(40)])
    history = first.given["history"]
    unscaled = torch.cat([history.past, first.content], dim=1)[0] * history.scale + history.offset
    torch.testing.assert_close(unscaled, raw[16:22])  # the past reaches back into the training rows
    last = batch(data, "test", [8])
    unscaled = last.content[0] * last.given["history"].scale + last.given["history"].offset
    torch.testing.assert_close(unscaled, raw[36:38])  # what is beyond the splits is not used
    assert first.mask is None and history.observed is None


def test_the_scale_is_that_of_the_training_rows_and_of_a_constant_1(series):
    lines = ["time,a,b", *(f"{time},{row**2},3" for row, time in enumerate(hours(40)))]
    data = series(lines, splits=[0.5, 0.25, 0.25])
    scaler = data.content().scalers[0]
    trained = np.arange(20.0) ** 2
    assert scaler.mean == pytest.approx((trained.mean(), 3)) and scaler.std == pytest.approx((trained.std(), 1))
    assert batch(data).content[..., 1].abs().max() == 0


def test_changing_test_rows_changes_no_training_window(series):
    lines = rows()
    data = series(lines, splits=[20, 8, 12])
    changed = series([*lines[:29], *(line + "9" for line in lines[29:])], name="changed.csv", splits=[20, 8, 12])
    assert data.content() == changed.content()
    for split in ("train", "val"):
        torch.testing.assert_close(data.split(split).content, changed.split(split).content, rtol=0, atol=0)
    assert not torch.equal(data.split("test").content, changed.split("test").content)
    assert data.fingerprint != changed.fingerprint


def test_many_series_alternate_have_their_own_scale_and_never_share_a_window(series):
    lines = ["time,shop,sales"]
    for row, time in enumerate(hours(40)):
        lines.append(f"{time},north,{row}")
        if row < 30:
            lines.append(f"{time},south,{1000 - 10 * row}")
    data = series(lines, series_id="shop", splits=[0.5, 0.25, 0.25])
    content = data.content()
    assert [each.series for each in content.scalers] == ["north", "south"] and content.channels == ("sales",)
    assert [each.mean[0] for each in content.scalers] == pytest.approx([9.5, 930])
    assert len(data.split("train")) == (20 - 5) + (15 - 5)
    windows = data.describe().batch(data.split("train"), torch.arange(25))
    steps = torch.cat([windows.given["history"].past, windows.content], 1).diff(dim=1) * windows.given[
        "history"
    ].scale.unsqueeze(1)
    torch.testing.assert_close(steps[:15], torch.full((15, 5, 1), 1.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(steps[15:], torch.full((10, 5, 1), -10.0), atol=1e-3, rtol=0)


def test_parquet_gives_what_csv_gives(series, tmp_path):
    lines = rows()
    data = series(lines)
    stamps = [datetime(2020, 1, 1) + timedelta(hours=row) for row in range(40)]
    frame = pl.DataFrame({"time": stamps, "a": [row % 7 for row in range(40)], "b": [0.5 * row for row in range(40)]})
    frame.write_parquet(tmp_path / "table.parquet")
    same = Series(path=tmp_path / "table.parquet", look_back=4, horizon=2)
    assert same.describe() == data.describe() and same.fingerprint == data.fingerprint
    zoned = frame.with_columns(pl.col("time").dt.replace_time_zone("Europe/Berlin"))
    zoned.write_parquet(tmp_path / "zoned.parquet")
    assert Series(path=tmp_path / "zoned.parquet", look_back=4, horizon=2).fingerprint == data.fingerprint


def test_marks_and_line_ends_of_other_systems_do_not_matter(series, tmp_path):
    text = "\r\n".join(rows()).replace("time,a,b", '"time","a","b"') + "\r\n\r\n"
    (tmp_path / "windows.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    data = Series(path=tmp_path / "windows.csv", look_back=4, horizon=2)
    assert data.fingerprint == series(rows()).fingerprint
    (tmp_path / "tabs.tsv").write_text("\n".join(rows()).replace(",", "\t"))
    assert Series(path=tmp_path / "tabs.tsv", look_back=4, horizon=2).fingerprint == data.fingerprint
    (tmp_path / "semicolons.csv").write_text("\n".join(rows()).replace(",", ";"))
    same = Series(path=tmp_path / "semicolons.csv", separator=";", look_back=4, horizon=2)
    assert same.fingerprint == data.fingerprint


def test_the_spec_survives_its_plain_form(series):
    lines = ["time,id,y,kind", *(f"{time},x,{row},wet" for row, time in enumerate(hours(40)))]
    data = series(lines, series_id="id", static_covariates=["kind"], calendar=["hour"])
    assert Spec.from_dict(data.describe().to_dict()) == data.describe()


# Covariates


def test_covariates_stand_beside_the_rows(series):
    lines = ["when,shop,y,rain,promo,size,kind"]
    for shop, size, kind in (("n", 2, "city"), ("s", 4, "village")):
        lines += [f"{time},{shop},{row},{row % 3},{row % 2},{size},{kind}" for row, time in enumerate(hours(40))]
    data = series(
        lines,
        time="when",
        series_id="shop",
        past_covariates=["rain"],
        future_covariates=["promo"],
        static_covariates=["size", "kind"],
        calendar=["hour", "month"],
    )
    spec = data.describe()
    assert spec.content.channels == ("y",)
    assert spec.given["history"].future_covariates == ("promo", "hour_sin", "hour_cos", "month_sin", "month_cos")
    assert spec.given["history"].static_covariates == ("size", "kind=city", "kind=village")
    windows = batch(data, index=[0, len(data.split("train")) - 1]).given["history"]
    assert windows.past_covariates.shape == (2, 4, 1) and windows.future_covariates.shape == (2, 6, 5)
    torch.testing.assert_close(windows.static_covariates, torch.tensor([[-1.0, 1, 0], [1, 0, 1]]))
    scale = {each.column: each for each in spec.given["history"].scales}
    rain = torch.arange(4.0) % 3
    torch.testing.assert_close(windows.past_covariates[0, :, 0] * scale["rain"].std + scale["rain"].mean, rain)
    hour = 2 * math.pi * torch.arange(6.0) / 24
    torch.testing.assert_close(windows.future_covariates[0, :, 1:3], torch.stack([hour.sin(), hour.cos()], 1))
    torch.testing.assert_close(windows.future_covariates[0, :, 3:], torch.tensor([[0.0, 1.0]]).expand(6, 2))


def test_the_calendar_is_that_of_local_clocks(series):
    lines = ["time,y", *(f"{time}+05:00,{row}" for row, time in enumerate(hours(40)))]
    features = batch(series(lines, calendar=["hour", "weekday"])).given["history"].future_covariates[0, 0]
    wednesday = 2 * math.pi * 2 / 7
    torch.testing.assert_close(features, torch.tensor([0, 1, math.sin(wednesday), math.cos(wednesday)]))


# Times


@pytest.mark.parametrize(
    ("times", "season", "frequency"),
    [
        (hours(40), 24, 3600),
        (hours(40, step=timedelta(minutes=15)), 96, 900),
        (hours(40, step=timedelta(hours=6)), 4, 21600),
        (hours(40, step=timedelta(days=1)), 7, 86400),
        (hours(40, step=timedelta(days=7)), 52, 604800),
        ([f"{2000 + month // 12}-{month % 12 + 1:02}" for month in range(40)], 12, 2629746),
        (
            [
                str(np.datetime64("2000-02") + np.timedelta64(1 + month, "M") - np.timedelta64(1, "D"))
                for month in range(40)
            ],
            12,
            2629746,
        ),
        ([f"{2000 + quarter // 4}/{3 * (quarter % 4) + 1}/1" for quarter in range(40)], 4, 3 * 2629746),
        ([f"{year}-01-01" for year in range(1980, 2020)], 1, 12 * 2629746),
        ([str(row) for row in range(40)], 1, None),
        ([str(100 + 5 * row) for row in range(40)], 1, None),
    ],
)
def test_steps_and_their_season_are_found(series, times, season, frequency):
    content = series(["time,y", *(f"{time},{row}" for row, time in enumerate(times))]).content()
    assert (content.season, content.frequency) == (season, frequency)


def test_clocks_that_change_are_no_gap_where_their_distance_from_utc_is_known(series):
    instants = [datetime(2020, 10, 24, 12) + timedelta(hours=row) for row in range(40)]  # UTC
    ahead = [2 if instant < datetime(2020, 10, 25, 1) else 1 for instant in instants]
    stamps = [f"{at + timedelta(hours=zone)}+0{zone}:00" for at, zone in zip(instants, ahead, strict=True)]
    data = series(["time,y", *(f"{stamp},{row}" for row, stamp in enumerate(stamps))])
    assert data.content().frequency == 3600
    local = [f"{stamp[:-6]},{row}" for row, stamp in enumerate(stamps)]
    with pytest.raises(DataError, match=r"line 15, column 'time': 2020-10-25 02:00:00 .*\+HH:MM"):
        series(["time,y", *local]).describe()


def test_the_column_of_times_is_found_by_its_name_or_content(series):
    by_content = ["row,when,y", *(f"{row},{time},1{row}" for row, time in enumerate(hours(40)))]
    assert series(by_content).describe().given["history"].time == "when"
    by_name = ["noted,Date,y", *(f"{time},{row},1" for row, time in enumerate(hours(40)))]
    assert series(by_name).describe().given["history"].time == "Date"
    two = ["one,two,y", *(f"{time},{time},1" for time in hours(40))]
    with pytest.raises(DataError, match=r"Of one, two, y, one and two could be it; set data\.time"):
        series(two).describe()
    with pytest.raises(DataError, match=r"Of a, b, none looks like it; set data\.time"):
        series(["a,b", *["1,2"] * 40]).describe()


def test_a_form_of_times_can_be_given(series):
    stamps = [(datetime(2020, 1, 1) + timedelta(days=row)).strftime("%d.%m.%Y") for row in range(40)]
    lines = ["time,y", *(f"{stamp},{row}" for row, stamp in enumerate(stamps))]
    with pytest.raises(DataError, match=r"line 2, column 'time': '01\.01\.2020' is no time .*data\.time_format"):
        series(lines).describe()
    assert series(lines, time_format="%d.%m.%Y").content().frequency == 86400


# Gaps


def test_gaps_are_filled_from_the_past_and_masked(series):
    lines = rows()
    lines[11] = lines[11].rpartition(",")[0] + ","  # row 10 lacks b
    del lines[14:16]  # rows 13 and 14
    data = series(lines, gaps="fill", splits=[20, 10, 10])
    windows = data.describe().batch(data.split("train"), torch.arange(15))
    values = torch.cat([windows.given["history"].past, windows.content], 1) * windows.given["history"].scale.unsqueeze(
        1
    )
    values = values + windows.given["history"].offset.unsqueeze(1)
    observed = torch.cat([windows.given["history"].observed, windows.mask], 1)
    torch.testing.assert_close(values[9, :, 1], torch.tensor([4.5, 4.5, 5.5, 6.0, 6.0, 6.0]))  # rows 9 to 14
    assert observed[9].tolist() == [[True] * 2, [True, False], [True] * 2, [True] * 2, [False] * 2, [False] * 2]
    kept = np.array([0.5 * row for row in range(20) if row not in (10, 13, 14)])
    assert data.content().scalers[0].mean[1] == pytest.approx(kept.mean())
    assert len(data.split("train")) == 15  # as if nothing were missing


def test_what_nothing_comes_before_is_filled_by_the_training_mean(series):
    lines = rows()
    lines[1] = "2020-01-01 00:00:00,,"
    data = series(lines, gaps="fill")
    first = batch(data).given["history"]
    assert first.past[0, 0].tolist() == [0, 0] and not first.observed[0, 0].any()


def test_months_of_any_length_are_filled(series):
    ends = [str(np.datetime64("2000-02") + np.timedelta64(month, "M") - np.timedelta64(1, "D")) for month in range(40)]
    lines = ["time,y", *(f"{end},{row}" for row, end in enumerate(ends) if row != 13)]
    with pytest.raises(DataError, match="line 15, column 'time': 1 row is missing between 2001-01-31 and 2001-03-31"):
        series(lines).describe()
    data = series(lines, gaps="fill")
    panel = data._whole.panel
    assert panel.times.texts() == ends and panel.source[13] == -1


# Refusals


def edited(change) -> list[str]:
    lines = rows()
    change(lines)
    return lines


def put(line: int, column: int, cell: str):
    def change(lines: list[str]) -> None:
        cells = lines[line - 1].split(",")
        cells[column] = cell
        lines[line - 1] = ",".join(cells)

    return lambda: edited(change)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (put(7, 1, "x5"), r"table\.csv, line 7, column 'a': 'x5' is no finite number; .*data\.gaps=fill"),
        (put(7, 2, "1;5"), r"table\.csv, line 7, column 'b': '1;5' is no finite number"),
        (put(9, 2, "inf"), r"table\.csv, line 9, column 'b': 'inf' is no finite number"),
        (put(8, 1, ""), r"table\.csv, line 8, column 'a': the cell is empty; fill it, or set data\.gaps=fill"),
        (put(8, 1, "NaN"), r"table\.csv, line 8, column 'a': the cell is empty"),
        (put(8, 0, ""), r"table\.csv, line 8, column 'time': the time is missing"),
        (put(8, 0, "yesterday"), r"table\.csv, line 8, column 'time': 'yesterday' is no time of the form YYYY"),
        (put(8, 0, "2020-01-01T06:00Z"), r"line 8, column 'time': '2020-01-01T06:00Z' has a distance from UTC"),
        (put(8, 0, "2020-01-01 05:00:00"), r"line 8, column 'time': 2020-01-01 05:00:00 is there twice; .*series_id"),
        (put(8, 0, "2020-01-01 02:00:00"), r"line 8, column 'time': 2020-01-01 02:00:00 comes after 2020.*sort"),
        (put(8, 0, "2020-01-01 06:10:00"), r"line 8, column 'time': .*06:10:00 after .* is not on the grid of 1 hour"),
        (lambda: edited(lambda lines: lines.pop(7)), r"line 8, column 'time': 1 row is missing between 2020.*1 hour"),
        (lambda: edited(lambda lines: lines.__delitem__(slice(7, 10))), r"3 rows are missing .*data\.gaps=fill"),
        (lambda: edited(lambda lines: lines.__delitem__(slice(1, 99))), r"table\.csv: it holds no rows"),
        (lambda: edited(lambda lines: lines.__setitem__(4, "1,2,3,4")), r"table\.csv, line 5: 4 cells .* 3 columns"),
        (lambda: edited(lambda lines: lines.extend(lines[1:])), r"line 42, .* comes after .*sort .*data\.series_id"),
        (lambda: [""], r"table\.csv: the first line is empty"),
        (lambda: ["time,a,a", "1,2,3"], r"table\.csv: two columns are called 'a'"),
        (
            lambda: ["time;a;b", "1;2;3"],
            r"table\.csv: its cells are separated by ';', not ','; set .*'data\.separator=\";\"'",
        ),
        (lambda: ["time,a", *(f"{time},red" for time in hours(40))], r"no column of time, a is left to forecast"),
        (lambda: rows(10), r"the series has 10 rows, 1 of them in the val split, .*need 2 there; lower them"),
    ],
)
def test_bad_tables_are_refused_by_row(series, lines, message):
    data = series(lines())
    with pytest.raises(DataError, match=message):
        for split in ALL:
            data.split(split)


def test_filling_does_not_make_a_table_of_a_typo(series):
    lines = rows()
    lines[-1] = lines[-1].replace("2020", "2920")
    with pytest.raises(DataError, match=r"filling the gaps would make [\d,]+ rows of the 40 .*column 'time'"):
        series(lines, gaps="fill").describe()


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.csv: there is no such file; set data\.path"):
        Series(path=tmp_path / "nothing.csv").describe()
    other = tmp_path / "table.xlsx"
    other.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"\.xlsx is none of \.csv"):
        Series(path=other).describe()
    latin = tmp_path / "latin.csv"
    latin.write_bytes("time,größe\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv, line 1: byte 7 is no UTF-8"):
        Series(path=latin).describe()
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"broken\.parquet: it cannot be read as a table"):
        Series(path=broken).describe()


def test_columns_that_are_not_there_or_used_twice_are_refused(series):
    with pytest.raises(DataError, match=r"data\.targets: .*has no column 'c'; it has time, a, b"):
        series(rows(), targets=["c"]).describe()
    with pytest.raises(ConfigError, match=r"data\.past_covariates: 'a' is named in data\.targets already"):
        series(rows(), targets=["a"], past_covariates=["a"]).describe()
    lines = ["time,y,kind", *(f"{time},{row},{'wet' if row < 9 else 'dry'}" for row, time in enumerate(hours(40)))]
    with pytest.raises(DataError, match=r"line 11, column 'kind': dry comes after wet in series ''"):
        series(lines, static_covariates=["kind"]).describe()
    with pytest.raises(DataError, match=r"data\.calendar: hour is not known of numbered times"):
        series(["time,y", *(f"{row},{row}" for row in range(40))], calendar=["hour"]).describe()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"splits": [0.7, 0.3]}, r"data\.splits: \[0\.7, 0\.3\] must be three shares"),
        ({"splits": [0.7, 0.2, 0.2]}, r"data\.splits"),
        ({"splits": [0.7, 1, 2]}, r"data\.splits"),
        ({"look_back": 0}, r"data\.look_back: 0 is below the limit of 1"),
        ({"horizon": 0}, r"data\.horizon: 0 is below the limit of 1"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Series(**arguments)


def test_more_rows_than_there_are_cannot_be_split(series):
    with pytest.raises(DataError, match=r"data\.splits: \[30, 10, 10\] are 50 rows; .*the series has 40"):
        series(rows(), splits=[30, 10, 10]).describe()


# Series made in code


def test_the_best_forecast_of_the_process_has_the_error_that_the_formula_says():
    process, horizon, num = SeasonalProcess(), 30, 4000
    a, b, season = process.short, process.seasonal, process.season
    y = process.draw(num, 60 + horizon, "test").T
    past, future = list(y[:60]), y[60:]
    for _ in range(horizon):  # the recursion without its noise, from the true past
        past.append(a * past[-1] + b * past[-season] - a * b * past[-season - 1])
    errors = ((np.array(past[60:]) - future) ** 2).mean(1)
    np.testing.assert_allclose(errors, process.squared_errors(horizon), rtol=0.1)
    np.testing.assert_allclose(process.moving_average(3), [1, a, a * a])


def test_the_default_knows_its_optimum_in_scaled_units():
    data = Series(num_series=20, length=300)
    windows = data.split("test")
    assert data.describe().given["history"].series_id == "series" and data.content().season == 24
    assert len(windows) == 20 * (60 - 24 + 1)
    scalers = data.content().scalers
    assert len({each.std for each in scalers}) == 20
    errors = windows.optimal_errors(torch.arange(len(windows)))
    assert errors.shape == (len(windows), 24, 1)
    process, (_, sigma) = SeasonalProcess(), synthetic_panel(SeasonalProcess(), 20, 300)
    y = process.draw(20, 300)  # without levels and scales
    for window in (0, 36, 37, 700):
        row = int(windows.starts[window])
        series, start = divmod(row, 300)
        past, future = list(y[series, : start + 48]), y[series, start + 48 : start + 72]
        for _ in range(24):  # the recursion without its noise, from the true past
            past.append(0.6 * past[-1] + 0.7 * past[-24] - 0.42 * past[-25])
        wanted = (future - past[-24:]) * sigma[series] / scalers[series].std[0]
        assert errors[window, :, 0].tolist() == pytest.approx(wanted.tolist(), rel=1e-4, abs=1e-5)
    assert Series(num_series=20, length=300).fingerprint == data.fingerprint


def test_what_is_measured_does_not_depend_on_the_look_back() -> None:
    def windows(**changes):
        return Series(name="made", num_series=3, length=200, horizon=12, **changes).split("test")

    short, long, other = windows(look_back=24), windows(look_back=48), windows(look_back=24, splits=[0.6, 0.1, 0.3])
    assert short.fingerprint != long.fingerprint
    assert short.content_fingerprint == long.content_fingerprint != other.content_fingerprint


# Tables as people and spreadsheets write them


def written(tmp_path, text: str, **arguments) -> Table:
    path = tmp_path / "sheet.csv"
    path.write_bytes(text.encode())
    return Table(path, **arguments)


@pytest.mark.parametrize(
    ("text", "columns", "num"),
    [
        ('date,"P, U"\n2023-01-01,1\n', ["date", "P, U"], 1),
        ('date,n\n2023-01-01,"two\nlines"\n2023-01-02,"a ""q"""\n', ["date", "n"], 2),
        ("sep=;\r\ndate;v\r\n2023-01-01;1\r\n", ["date", "v"], 1),
        ("date,v,\r2023-01-01,1,\r2023-01-02,1,\r", ["date", "v"], 2),
        ("date,v\n2023-01-01,1,\n2023-01-02,1,\n", ["date", "v"], 2),
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path, text, columns, num):
    table = written(tmp_path, text)
    assert table.columns == columns and len(table) == num


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('date,n\n2023-01-01,ok\n2023-01-02,"5" pipe"\n', "line 3: a quote is not where CSV has it"),
        ('date,n\n2023-01-01,"a 5\\" pipe"\n', "line 2: a quote is not where CSV has it"),
        ('date,n\n2023-01-01,"two\nlines"\n2023-01-02,"open\n2023-01-03,x\n', "line 4: a quote"),
        ("2023-01-01,1\n2023-01-02,2\n", "line 1: '2023-01-01' is a value, no name"),
    ],
)
def test_rows_never_vanish(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        written(tmp_path, text)


@pytest.mark.parametrize(
    ("first", "second", "form", "iso"),
    [
        ("20230131", "20230228", "%Y%m%d", "2023-01-31"),
        ("202301", "202302", "%Y%m", "2023-01-01"),
        ("2023031", "2023032", "%Y%j", "2023-01-31"),
        ("1672531200", "1672531201", "epoch", "2023-01-01 00:00:00"),
        ("1672531200000", "1672531201000", "epoch_ms", "2023-01-01 00:00:00"),
    ],
)
def test_numbers_that_look_like_dates_are_no_steps_without_being_told(tmp_path, first, second, form, iso):
    table = written(tmp_path, f"date,v\n{first},1\n{second},2\n")
    with pytest.raises(DataError, match=f"looks like a time; set data.time_format={form},"):
        time_column.times(table, "date")
    assert time_column.times(table, "date", form).texts()[0] == iso
    assert time_column.times(table, "date", "steps").numbered


def test_numbers_as_people_write_them_are_read_when_told_and_named_when_not(series, tmp_path):
    lines = ["time,a,b", *(f'{time},"{1000 + row:,}",{row}%' for row, time in enumerate(hours(40)))]
    with pytest.raises(DataError, match=r"line 2, column 'a': '1,000' is no number \(a decimal comma or a thousands"):
        series(lines).describe()
    assert series(lines, decimal=".").content().channels == ("a", "b")
    table = written(tmp_path, "t;v\n1;1.234,5\n2;7,25 €\n3;1.5\n", separator=";", decimal=",")
    numbers, other = table.as_numbers("v")
    assert numbers.to_list() == [1234.5, 7.25, None] and other.to_list() == [False, False, True]


def test_a_second_column_of_dates_is_no_number(series):
    lines = ["time,y,due", *(f"{time},{row % 7},{row % 28 + 1}.12.2023" for row, time in enumerate(hours(40)))]
    assert series(lines).content().channels == ("y",)


def test_a_row_index_is_no_target(series, caplog):
    lines = [",time,y", *(f"{row},{time},{row % 7}" for row, time in enumerate(hours(40)))]
    assert series(lines).content().channels == ("y",)
    assert "is taken for a row index" in caplog.text


def test_columns_of_any_type_do_no_harm(tmp_path):
    times = [datetime(2020, 1, 1) + timedelta(hours=row) for row in range(40)]
    extra = {"list": [[1, 2]] * 40, "duration": [timedelta(hours=1)] * 40, "binary": [b"\xff\x00"] * 40}
    frame = pl.DataFrame({"time": times, "y": [row % 7 for row in range(40)], **extra})
    frame.write_parquet(tmp_path / "any.parquet")
    data = Series(path=tmp_path / "any.parquet", look_back=4, horizon=2)
    assert data.content().channels == ("y",)


def test_a_row_per_local_day_is_a_daily_series(series):
    days = [datetime(2023, 3, 1, tzinfo=ZoneInfo("Europe/Berlin")) + timedelta(days=day) for day in range(60)]
    for stamps in (days, [day.astimezone(UTC) for day in days]):
        data = series(["time,y", *(f"{day.isoformat()},{day.day}" for day in stamps)])
        assert data.content().frequency == 86_400 and len(data._whole.panel.source) == 60
    missing = [day.astimezone(UTC) for day in days if day.day != 27]
    with pytest.raises(DataError, match=r"line 28"):
        series(["time,y", *(f"{day.isoformat()},{day.day}" for day in missing)]).content()
    odd = [days[0].astimezone(UTC), *(day.astimezone(UTC) + timedelta(minutes=90) for day in days[1:2])]
    odd += [day.astimezone(UTC) for day in days[2:]]
    with pytest.raises(DataError, match=r"not on the grid"):
        series(["time,y", *(f"{day.isoformat()},{day.day}" for day in odd)]).content()


def test_a_small_file_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "_UNPACKED", 2**20)
    rows = 2**19
    pl.DataFrame({"time": pl.repeat(0, rows, eager=True), "y": pl.repeat(0, rows, eager=True)}).write_parquet(
        tmp_path / "bomb.parquet"
    )
    assert (tmp_path / "bomb.parquet").stat().st_size < 2**13
    with pytest.raises(DataError, match=r"bomb\.parquet: it says that it holds 524,288 rows, 0\.0 GiB, far more"):
        table.Table(tmp_path / "bomb.parquet")
    pl.DataFrame({"time": range(2**17), "y": np.random.default_rng(0).normal(size=2**17)}).write_parquet(
        tmp_path / "good.parquet"
    )
    assert len(table.Table(tmp_path / "good.parquet")) == 2**17


def test_headers_of_any_size_are_refused_at_once(tmp_path):
    start = process_time()
    wide, long = [f"c{number}" for number in range(100_001)], ["time", "x" * 50_000_000]
    for names, why in ((wide, "100,001 columns, above the limit"), (long, "50,000,000 characters, above the limit")):
        with pytest.raises(DataError, match=rf"a\.csv: .* {why}"):
            csv_file.read(tmp_path / "a.csv", f"{','.join(names)}\n2020-01-01,1\n".encode(), ",")
    pl.DataFrame({name: [1] for name in wide[:10_001]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: it has 10,001 columns"):
        table.Table(tmp_path / "a.parquet")
    assert process_time() - start < 10
    assert parsed("2020-01-01 " * 10_000_000, None) is None  # nor is a long cell a time
    assert process_time() - start < 10
