"""Tables of series as spreadsheets, pandas, R and data bases write them: read as they are meant, or refused by name."""

import gzip
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from genloom.data.series.forecasting import read_present
from genloom.data.series.series import Series
from genloom.errors import ConfigError, DataError
from genloom.outlook import Forecast

NUM = 60
DAYS = [date(2023, 1, 1) + timedelta(row) for row in range(NUM)]
HOURS = [datetime(2023, 1, 1) + timedelta(hours=row) for row in range(NUM)]
VALUES = [100 + row % 7 * 10 for row in range(NUM)]
Read = Callable[..., Series]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a file of a header and rows, and returns its series, read."""

    def write(content: str | bytes, name: str = "table.csv", **arguments: object) -> Series:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        data = Series(path=path, look_back=4, horizon=2, batch_size=4, **arguments)  # pyright: ignore
        data.describe()
        return data

    return write


def lines(header: str, row: Callable[[int], str]) -> str:
    return "\n".join([header, *map(row, range(NUM))]) + "\n"


def mean(data: Series) -> float:
    return data.content().scalers[0].mean[0]


PLAIN = lines("date,value", lambda row: f"{DAYS[row]},{VALUES[row]}")
EXPECTED = float(np.mean(VALUES[:42]))


@pytest.mark.parametrize(
    ("header", "row", "form", "frequency"),
    [
        ("date,time,value", lambda row: f"{HOURS[row]:%Y-%m-%d,%H:%M},{VALUES[row]}", None, 3600),
        ("date,time,value", lambda row: f"{HOURS[row]:%Y-%m-%d},{HOURS[row].hour},{VALUES[row]}", "%Y-%m-%d %H", 3600),
        ("date,time,value", lambda row: f"{HOURS[row]:%d.%m.%Y,%H:%M:%S},{VALUES[row]}", "%d.%m.%Y %H:%M:%S", 3600),
    ],
)
def test_date_and_time_may_stand_in_two_columns(read, header, row, form, frequency):
    with pytest.raises(DataError, match=r"date and time could be it; .*'data.time=\[\"date\",\"time\"\]'"):
        read(lines(header, row))
    if form:
        with pytest.raises(DataError, match=f"set 'data.time_format=\"{form}\"'"):
            read(lines(header, row), time=["date", "time"])
    data = read(lines(header, row), time=["date", "time"], time_format=form)
    assert (data.content().frequency, data.content().channels, mean(data)) == (frequency, ("value",), EXPECTED)
    # and the table to forecast from is read alike
    present = read_present(str(data.path), data.describe(), time_format=form)
    table = present.table(Forecast(torch.zeros(1, 2, 1)))
    assert table["date time"].to_list() == ["2023-01-03 12:00:00", "2023-01-03 13:00:00"]


def test_columns_of_parquet_hold_times_as_well(read, tmp_path):
    midnight = [datetime(2023, 1, 1) + timedelta(row) for row in range(NUM)]
    columns = {
        "date": DAYS,
        "zoned": pl.Series(midnight).dt.replace_time_zone("Europe/Berlin"),
        "nanoseconds": pl.Series(midnight).cast(pl.Datetime("ns")),
        "category": pl.Series([str(day) for day in DAYS], dtype=pl.Categorical),
    }
    for name, column in columns.items():
        pl.DataFrame({name: column, "value": [Decimal(value) / 10 for value in VALUES]}).write_parquet(tmp_path / "a")
        data = read((tmp_path / "a").read_bytes(), "a.parquet", time=name)
        assert (data.content().frequency, mean(data)) == (86400, pytest.approx(EXPECTED / 10))
    frame = {
        "date": [DAYS[row // 24] for row in range(NUM)],
        "time": [time(row % 24) for row in range(NUM)],
        "value": VALUES,
    }
    pl.DataFrame(frame).write_parquet(tmp_path / "a")
    assert read((tmp_path / "a").read_bytes(), "a.parquet", time=["date", "time"]).content().frequency == 3600


@pytest.mark.parametrize("column", [[[1.0]] * NUM, [{"a": 1}] * NUM])
def test_a_nested_column_is_no_target(read, tmp_path, column, caplog):
    pl.DataFrame({"date": DAYS, "value": VALUES, "extra": column}).write_parquet(tmp_path / "a")
    assert read((tmp_path / "a").read_bytes(), "a.parquet").content().channels == ("value",)
    assert "forecast is value, and not, without numbers, extra" in caplog.text
    with pytest.raises(DataError, match=r"column 'extra' holds (List|Struct).*, no numbers; name another") as refused:
        read((tmp_path / "a").read_bytes(), "a.parquet", targets=["extra"])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (lambda row: f"{DAYS[row]:%d.%m.%Y}", "%d.%m.%Y"),
        (lambda row: f"{DAYS[row]:%m/%d/%Y}", "%m/%d/%Y"),
        (lambda row: f'"{DAYS[row]:%b %d, %Y}"', "%b %d, %Y"),
        (lambda row: f"{DAYS[row]:%d-%b-%y}", "%d-%b-%y"),
        (lambda row: f"{HOURS[row].timestamp()}", "epoch"),
        (lambda row: f"{int(HOURS[row].timestamp()) * 10**9}", "epoch_ns"),
    ],
)
def test_the_form_of_times_that_fits_all_rows_is_advised(read, written, form):
    table = lines("date,value", lambda row: f"{written(row)},{VALUES[row]}")
    with pytest.raises(
        DataError, match=r"is no time of the form YYYY-MM-DD HH:MM:SS; set .*'data.time_format="
    ) as refused:
        read(table)
    assert f"'data.time_format=\"{form}\"'" in str(refused.value)
    data = read(table, time_format=form)
    assert data.content().frequency in (3600, 86400)


@pytest.mark.parametrize(
    ("written", "form", "frequency"),
    [
        (lambda row: str(44927 + row), "excel", 86400),
        (lambda row: str(int(HOURS[row].timestamp()) * 10**6), "epoch_us", 3600),
    ],
)
def test_numbers_of_days_and_microseconds_are_no_steps(read, written, form, frequency):
    table = lines("date,value", lambda row: f"{written(row)},{VALUES[row]}")
    with pytest.raises(DataError, match=f"looks like a time; set data.time_format={form}, or data.time_format=steps"):
        read(table)
    assert read(table, time_format=form).content().frequency == frequency
    assert read(table, time_format="steps").content().frequency is None


def test_shares_of_a_spreadsheet_s_days_are_times(read):
    data = read(lines("date,value", lambda row: f"{44927 + row / 24:.7f},{row}"), time_format="excel")
    assert data._whole.panel.times.texts()[:3] == [str(hour) for hour in HOURS[:3]]
    with pytest.raises(DataError, match=r"line 3, column 'date': 'x' is no number, as data.time_format=excel says"):
        read("date,value\n44927,1\nx,2\n", time_format="excel")


@pytest.mark.parametrize(
    ("stamp", "iso"),
    [("2023-01-01 05:00:00 UTC", "2023-01-01 05:00:00+00:00"), ("2023-01-01 24:00", "2023-01-02")],
)
def test_what_data_bases_and_grids_write_is_iso(read, stamp, iso):
    other = stamp.replace("01-01", "01-02")
    data = read(f"date,value\n{stamp},1\n{other},2\n" + "".join(
        f"{stamp.replace('01-01', f'01-{day:02}')},{day}\n" for day in range(3, 28)
    ))  # fmt: skip
    assert data._whole.panel.times.texts()[0] == iso


@pytest.mark.parametrize(
    ("cell", "value"),
    [("({})", -1), ("{}-", -1), ("{} EUR", 1), ("USD {}", 1), ("₹12,34,{}", None), ("-${}", -1)],
)
def test_numbers_of_accounts_are_read_when_told_and_named_when_not(read, cell, value):
    table = lines("date,value", lambda row: f'{DAYS[row]},"{cell.format(VALUES[row])}"')
    with pytest.raises(DataError, match=r"line 2, column 'value': .* is no number \(.*\); set data.decimal"):
        read(table)
    expected = 1234000 + EXPECTED if value is None else value * EXPECTED
    assert mean(read(table, decimal=".")) == pytest.approx(expected)


def test_a_minus_sign_is_one_and_codes_are_no_currency(read):
    assert mean(read(lines("date,value", lambda row: f"{DAYS[row]},\u2212{VALUES[row]}"))) == pytest.approx(-EXPECTED)
    codes = lines("date,value,code", lambda row: f"{DAYS[row]},{VALUES[row]},SKU{row}")
    assert read(codes).content().channels == ("value",)


@pytest.mark.parametrize("mark", ["#N/A", "N/A", "\\N", "-", "?", "<NA>", "NULL", "-nan"])
def test_what_stands_for_no_number_is_an_empty_cell(read, mark):
    table = lines("date,value", lambda row: f"{DAYS[row]},{mark if row == 50 else VALUES[row]}")
    with pytest.raises(DataError, match=r"line 52, column 'value': the cell is empty; fill it, or set data.gaps=fill"):
        read(table)
    assert mean(read(table, gaps="fill")) == EXPECTED


def test_a_number_that_stands_for_none_is_said(read, caplog):
    read(lines("date,value", lambda row: f"{DAYS[row]},{VALUES[row]}"))
    assert not caplog.records
    read(lines("date,value", lambda row: f"{DAYS[row]},{-9999 if row % 20 == 7 else VALUES[row]}"))
    assert "-9999 is there 3 times, far from the other values, 100 to 160; if it stands for none" in caplog.text


@pytest.mark.parametrize("name", ["id", "Unnamed: 0.1", "__index_level_0__", "...1", "X", "row_number"])
def test_a_row_counter_is_no_target(read, name, caplog):
    data = read(lines(f"{name},date,value", lambda row: f"{row + 1},{DAYS[row]},{VALUES[row]}"))
    assert data.content().channels == ("value",)
    assert f"'{name}' is taken for a row index, not for a target" in caplog.text
    counts = lines("x,date,value", lambda row: f"{row % 3},{DAYS[row]},{VALUES[row]}")  # counts no rows
    assert read(counts).content().channels == ("x", "value")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04" + bytes(300), "a zip archive, or .*workbook.*; save it as CSV"),
        (gzip.compress(PLAIN.encode()), "compressed by gzip; save it as CSV"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull fetches it"),
        (b"<!DOCTYPE html>\n<html>404</html>\n", "a web page"),
    ],
)
def test_what_is_only_called_csv_is_named(read, content, said):
    with pytest.raises(DataError, match=f"table.csv: it is no CSV but .*{said}"):
        read(content)


def test_a_file_in_utf_16_is_read(read):
    assert mean(read(PLAIN.encode("utf-16"))) == EXPECTED
    tabs = PLAIN.replace(",", "\t").encode("utf-16")
    with pytest.raises(DataError, match=r"'data.separator=\"\\t\"'"):
        read(tabs)
    assert mean(read(tabs, separator="\\t")) == EXPECTED  # as it is pasted
    with pytest.raises(ConfigError, match=r"data.separator: '\|\|' is no single character"):
        read(PLAIN, separator="||")


def test_blanks_around_names_are_none_of_theirs(read):
    assert read(PLAIN.replace("date,value", "date, value ")).content().channels == ("value",)
    with pytest.raises(DataError, match="two columns are called 'value'; rename one"):
        read(lines("date,value,value ", lambda row: f"{DAYS[row]},1,2"))


def test_what_is_too_long_or_too_large_is_said_shortly(read):
    for cell in ("x" * 300_000, f'"{"x" * 300_000}"'):
        with pytest.raises(
            DataError, match=r"line 2, column 'value': 'xxx.*300,002 characters\) is no finite"
        ) as refused:
            read(lines("date,value", lambda row, cell=cell: f"{DAYS[row]},{VALUES[row] if row else cell}"))
        assert len(str(refused.value)) < 400
    with pytest.raises(DataError, match=r"'1e35' is beyond 1e\+30"):
        read(lines("date,value", lambda row: f"{DAYS[row]},{VALUES[row] if row else '1e35'}"))
    with pytest.raises(DataError, match=r"has no column 'gone'; it has date, c0, .* and \d+ more"):
        read(f"date,{','.join(f'c{each}' for each in range(500))}\n2023-01-01\n", targets=["gone"])


def test_one_row_is_no_series(read):
    with pytest.raises(DataError, match="no series has two rows"):
        read("date,value\n2023-01-01,1\n")
