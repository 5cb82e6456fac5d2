from datetime import datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
import pytest
import torch

from genloom.commands.forecast import Forecast
from genloom.data.series.forecasting import read_present
from genloom.data.series.seasonal_process import SeasonalProcess, synthetic_panel
from genloom.data.series.series import Series
from genloom.distributions.outputs.real import Gaussian
from genloom.errors import DataError
from genloom.models.sequence import SequenceBaseline
from genloom.networks.baselines.closed_form import RepeatLast, Ridge
from genloom.samplers.paths import Paths
from genloom.spec import Spec

START = datetime(2020, 1, 1)


def write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shops(rows: int = 40, names=("n", "s"), future: int = 0, step: timedelta = timedelta(hours=1)) -> list[str]:
    lines = ["time,shop,y,promo,kind"]
    for place, name in enumerate(names):
        for row in range(rows + future):
            value = 100 * (place + 1) + row if row < rows else ""
            lines.append(f"{START + step * row},{name},{value},{row % 2},{'city' if place == 0 else 'village'}")
    return lines


@pytest.fixture
def spec(tmp_path) -> Spec:
    path = write(tmp_path / "train.csv", shops())
    data = Series(
        path=path,
        series_id="shop",
        future_covariates=["promo"],
        static_covariates=["kind"],
        calendar=["hour"],
        look_back=4,
        horizon=3,
        season=2,
    )
    return Spec.from_dict(data.describe().to_dict())  # as a checkpoint gives it


def plain(tmp_path, **arguments) -> Spec:
    """Of one series without covariates."""
    lines = ["time,y", *(f"{START + timedelta(hours=row)},{row}" for row in range(40))]
    return Series(path=write(tmp_path / "plain.csv", lines), look_back=4, horizon=3, **arguments).describe()


def test_the_history_is_the_last_rows_of_each_series(spec, tmp_path):
    present = read_present(write(tmp_path / "new.csv", shops(rows=10, names=("s", "new"), future=3)), spec)
    assert present.names == ("s", "new")
    history = present.history
    values = history.past * history.scale.unsqueeze(1) + history.offset.unsqueeze(1)
    torch.testing.assert_close(values[:, :, 0], torch.tensor([[106.0, 107, 108, 109], [206.0, 207, 208, 209]]))
    trained = next(each for each in spec.content.scalers if each.series == "s")
    assert (history.offset[0].item(), history.scale[0].item()) == pytest.approx((trained.mean[0], trained.std[0]))
    given = 200 + np.arange(10.0)  # nobody knows this series: it is scaled by its own rows
    assert (history.offset[1].item(), history.scale[1].item()) == pytest.approx((given.mean(), given.std()))
    assert history.naive_error[1].item() == pytest.approx(2 / given.std())
    assert history.future_covariates.shape == (2, 7, 3) and history.observed.all()
    promo = next(each for each in spec.given["history"].scales if each.column == "promo")
    known = history.future_covariates[0, :, 0] * promo.std + promo.mean
    torch.testing.assert_close(known, torch.arange(6.0, 13) % 2, atol=1e-6, rtol=0)
    hour = 2 * np.pi * torch.arange(6.0, 13) / 24
    torch.testing.assert_close(history.future_covariates[0, :, 1], hour.sin())
    assert history.static_covariates.tolist() == [[1, 0], [0, 1]]


def test_an_unknown_category_is_refused_or_said_and_none_of_the_known(spec, tmp_path, caplog):
    lines = [line.replace("village", "moon") for line in shops(future=3)]
    path = write(tmp_path / "new.csv", lines)
    with pytest.raises(DataError, match=r"column 'kind': 'moon' \(1 of 2 series\) is unknown .* on 'city', 'village'"):
        read_present(path, spec)
    present = read_present(path, spec, on_unknown="ignore")
    assert present.history.static_covariates.tolist() == [[1, 0], [0, 0]] and "'moon' (1 of 2 series)" in caplog.text


def test_written_columns_never_collide(tmp_path):
    path = write(tmp_path / "two.csv", ["time,y,y_0.1", *(f"2020-01-{day:02},{day},{-day}" for day in range(1, 31))])
    present = read_present(path, Series(path=path, look_back=4, horizon=3).describe())
    mean = torch.zeros(1, 3, 2)
    assert present.table(Forecast(mean)).columns == ["time", "y", "y_0.1"]
    with pytest.raises(DataError, match=r"two columns called 'y_0\.1'; choose others"):
        present.table(Forecast(mean, torch.tensor([0.1]), mean.unsqueeze(0)))


def test_forecasts_are_written_in_the_users_units(spec, tmp_path):
    present = read_present(write(tmp_path / "new.csv", shops(rows=10, future=3)), spec)
    history = present.history
    mean = history.past[:, -1:].expand(-1, 3, -1)
    forecast = Forecast(mean, torch.tensor([0.05, 0.9]), torch.stack([mean - 1, mean + 1]))
    frame = present.table(forecast)
    assert frame.columns == ["shop", "time", "y", "y_0.05", "y_0.9"]
    assert frame["shop"].to_list() == ["n"] * 3 + ["s"] * 3
    assert frame["time"].to_list()[:3] == ["2020-01-01 10:00:00", "2020-01-01 11:00:00", "2020-01-01 12:00:00"]
    assert frame["y"].to_list() == pytest.approx([109.0] * 3 + [209.0] * 3)
    scale = history.scale[0].item()
    assert (frame["y_0.9"] - frame["y"]).to_list()[:3] == pytest.approx([scale] * 3, rel=1e-5)
    frame.write_csv(tmp_path / "out.csv")
    assert pl.read_csv(tmp_path / "out.csv").shape == (6, 5)
    assert present.table(Forecast(mean)).columns == ["shop", "time", "y"]


def test_without_covariates_nothing_need_follow_the_present(tmp_path):
    spec = plain(tmp_path)
    present = read_present(tmp_path / "plain.csv", spec)
    past, future = present.stamps(0)
    assert (past[-1], future) == ("2020-01-02 15:00:00", [f"2020-01-02 {hour}:00:00" for hour in (16, 17, 18)])
    assert present.table(Forecast(torch.zeros(1, 3, 1))).columns == ["time", "y"]


def test_months_go_on_by_the_calendar(tmp_path):
    ends = [str(np.datetime64("2000-02") + np.timedelta64(month, "M") - np.timedelta64(1, "D")) for month in range(40)]
    path = write(tmp_path / "ends.csv", ["date,y", *(f"{end},{row}" for row, end in enumerate(ends))])
    spec = Series(path=path, look_back=4, horizon=3).describe()
    assert read_present(path, spec).stamps(0)[1] == ["2003-05-31", "2003-06-30", "2003-07-31"]


def test_times_keep_their_distance_from_utc_and_numbers_their_step(tmp_path):
    zoned = ["time,y", *(f"{START + timedelta(minutes=15 * row)}-03:30,{row}" for row in range(40))]
    path = write(tmp_path / "zoned.csv", zoned)
    present = read_present(path, Series(path=path, look_back=4, horizon=3).describe())
    assert present.stamps(0)[1][0] == "2020-01-01 10:00:00-03:30"
    path = write(tmp_path / "numbered.csv", ["time,y", *(f"{5 * row},{row}" for row in range(40))])
    assert read_present(path, Series(path=path, look_back=4, horizon=3).describe()).stamps(0)[1] == [
        "200",
        "205",
        "210",
    ]


def test_gaps_are_filled_if_asked(tmp_path):
    spec = plain(tmp_path)
    lines = ["time,y", *(f"{START + timedelta(hours=row)},{row}" for row in range(10) if row != 8)]
    path = write(tmp_path / "gap.csv", lines)
    with pytest.raises(DataError, match="line 10, column 'time': 1 row is missing"):
        read_present(path, spec)
    history = read_present(path, spec, gaps="fill").history
    torch.testing.assert_close((history.past * history.scale + history.offset)[0, :, 0], torch.tensor([6.0, 7, 7, 9]))
    assert history.observed[0, :, 0].tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (shops(rows=3, future=3), r"new\.csv: series 'n' has 3 rows up to its last value; the model looks back on 4"),
        (shops(future=2), r"series 'n' ends 2 rows after 2020-01-02 15:00:00, .*3 after it that hold promo"),
        (shops(future=3, step=timedelta(days=1)), r"its steps are 1 day; the model was trained on steps of 3,600 s"),
        ([line.replace("promo", "sale") for line in shops(future=3)], r"data\.path: .*no column 'promo'; it has time,"),
        ([line.replace(",39,", ",,").replace(",139,", ",x,") for line in shops(future=3)], r"column 'y': 'x' is no"),
        ([line.replace(",138,", ",,") for line in shops(future=3)], r"line 40, column 'y': the cell is empty"),
        ([*shops(future=3)[:-1], f"{START + timedelta(hours=42)},s,,,village"], r"column 'promo': the cell is empty"),
    ],
)
def test_tables_that_do_not_fit_the_model_are_refused(spec, tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_present(write(tmp_path / "new.csv", lines), spec)


def test_series_never_seen_are_forecast_nearly_as_well_as_the_optimum(tmp_path):
    data = Series(num_series=30)
    sgd = partial(torch.optim.SGD, lr=1.0)
    spec = Spec.from_dict(data.describe().to_dict())
    network = partial(Ridge, penalties=[1e-3])
    model = SequenceBaseline(spec, network=network, output=Gaussian, optimizer={"parameters": sgd})

    class Batches:
        def __iter__(self):
            return data.describe().batches(data.split("train"), 500)

    model.network.load_state_dict(dict(model.network.state_dict()) | dict(model.network.solve(Batches(), Batches())))
    num, length, horizon = 600, 150, spec.content.horizon
    panel, sigma = synthetic_panel(SeasonalProcess(), num, length + horizon, "never seen")
    values = panel.numbers["value"].reshape(num, -1)
    stamps = panel.times[:length].texts()
    lines = ["time,series,value"]
    for name, row in zip(panel.names, values, strict=True):
        lines += [f"{stamp},new {name},{value}" for stamp, value in zip(stamps, row, strict=False)]
    present = read_present(write(tmp_path / "new.csv", lines), spec)
    forecast = present.table(Paths().forecast(model, present.history))
    assert forecast["series"][0] == "new 0" and len(forecast) == num * horizon
    errors = (forecast["value"].to_numpy().reshape(num, horizon) - values[:, length:]) / sigma[:, None]
    optimum = SeasonalProcess().squared_errors(horizon).mean()
    assert 0.95 < (errors**2).mean() / optimum < 1.1
    low, high = (forecast[f"value_{level}"].to_numpy() for level in ("0.05", "0.95"))
    truth = values[:, length:].reshape(-1)
    assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.05)
    naive = SequenceBaseline(spec, network=RepeatLast, output=Gaussian, optimizer={"parameters": sgd})
    repeated = present.table(Paths().forecast(naive, present.history))["value"].to_numpy().reshape(num, horizon)
    np.testing.assert_allclose(
        repeated, np.repeat(values[:, length - 1 : length], horizon, axis=1), rtol=1e-4, atol=1e-3
    )
