from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from genloom.batch import History
from genloom.contents.series import SeriesWindows
from genloom.data.series.series import Series
from genloom.distributions.outputs.base import Prediction
from genloom.distributions.outputs.real import Gaussian, GaussianPrediction, Point, QuantilePrediction
from genloom.extractors.reference_cache import ReferenceCache
from genloom.judging.measuring import Held
from genloom.metrics.series import ForecastErrors, _point_errors
from genloom.models.sequence import SequenceBaseline
from genloom.networks.baselines.closed_form import RepeatLast, Ridge, SeasonalNaive


def table(folder: Path, missing: float = 0.0, num: int = 200) -> Path:
    rng = np.random.default_rng(1)
    values = 50 + 5 * rng.standard_normal((num, 2)).cumsum(0)
    holes = rng.random((num, 2)) < missing
    pairs = [zip(*each, strict=True) for each in zip(values, holes, strict=True)]
    cells = [["" if hole else f"{value:.5f}" for value, hole in each] for each in pairs]
    (folder / "table.csv").write_text("\n".join(["time,a,b", *(f"{row},{','.join(c)}" for row, c in enumerate(cells))]))
    return folder / "table.csv"


def model(data: Series, network=RepeatLast) -> SequenceBaseline:
    sgd = partial(torch.optim.SGD, lr=1.0)
    built = SequenceBaseline(data.describe(), network=network, output=Gaussian, optimizer={"parameters": sgd})

    class Batches:
        def __init__(self, split):
            self.split = split

        def __iter__(self):
            return data.describe().batches(data.modelled(self.split), 100)

    solution = built.network.solve(Batches("train"), Batches("val"))
    built.network.load_state_dict(dict(built.network.state_dict()) | dict(solution))
    return built


def knowing(data: Series, predict: Callable[[torch.Tensor], Prediction]) -> SequenceBaseline:
    """A model that says ``predict`` of what comes, of all test windows at once."""
    windows = data.split("test")
    content = data.describe().batch(windows, torch.arange(len(windows))).content

    class Knowing(SequenceBaseline):
        def forecast(self, history):
            assert len(history.past) == len(content)
            return predict(content)

    sgd = partial(torch.optim.SGD, lr=1.0)
    return Knowing(data.describe(), network=RepeatLast, output=Gaussian, optimizer={"parameters": sgd})


def scores(built: SequenceBaseline, data: Series, split: str = "test", **arguments):
    held = Held(split, data.split(split), lambda: data.split("train"), ReferenceCache())
    return ForecastErrors(**arguments).measure(built, held)


def history(naive_error: float = 1.0, scale: float = 1.0, offset: float = 0.0) -> History:
    one = torch.ones(1, 1)
    return History(past=torch.zeros(1, 1, 1), scale=scale * one, offset=offset * one, naive_error=naive_error * one)


# Golden values


def test_smape_of_two_values():
    content, forecast = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[2.0], [2.0]]])
    assert _point_errors(content, history(), forecast, forecast)["smape"].mean().item() == pytest.approx(1 / 3)
    scaled = _point_errors((content - 5) / 3, history(scale=3, offset=5), (forecast - 5) / 3, (forecast - 5) / 3)
    assert scaled["smape"].mean().item() == pytest.approx(1 / 3)  # it is in the user's units
    nothing = _point_errors(0 * content, history(), 0 * forecast, 0 * forecast)
    assert nothing["smape"].mean() == 0


def test_mase_of_the_seasonal_naive_forecast_is_1_on_the_training_rows(tmp_path):
    data = Series(path=table(tmp_path), look_back=5, horizon=1, season=5)
    found = scores(model(data, SeasonalNaive), data, "train")
    assert found["mase"].value == pytest.approx(1, abs=1e-5)
    assert list(found["mase"].details["by_target"].values()) == pytest.approx([1, 1], abs=1e-5)


def test_crps_of_a_standard_normal():
    standard = GaussianPrediction(torch.zeros(1), torch.zeros(1))
    rng = torch.Generator().manual_seed(0)
    assert standard.crps(torch.tensor([0.5]), rng=rng).item() == pytest.approx(0.3314, abs=1e-4)


def test_crps_from_draws_has_no_bias_however_few_they_are():
    many = GaussianPrediction(torch.zeros(40_000), torch.zeros(40_000))
    rng = torch.Generator().manual_seed(0)
    drawn = super(GaussianPrediction, many).crps(torch.full((40_000,), 0.5), rng=rng, num_samples=5)
    assert drawn.mean().item() == pytest.approx(0.3314, abs=0.006)  # the estimate by all 25 pairs gives 0.449


def test_crps_of_a_certain_forecast_is_its_absolute_error():
    certain = QuantilePrediction(torch.tensor([0.1, 0.9]), torch.full((3, 2), 2.0))
    found = certain.crps(torch.tensor([1.0, 2.0, 5.0]), rng=torch.Generator())
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0, 3.0]))


def test_the_crps_is_of_as_many_draws_as_are_asked_for(tmp_path):
    asked = set()

    class Counting(QuantilePrediction):
        def sample(self, num, rng):
            asked.add(num)
            return super().sample(num, rng)

    def drawn(content):
        return Counting(torch.tensor([0.1, 0.9]), torch.stack([content - 1, content + 1], dim=-1))

    data = Series(path=table(tmp_path), look_back=6, horizon=4)
    scores(knowing(data, drawn), data, num_samples=7)
    assert asked == {7}


# Means over all values


def test_each_observed_value_counts_once_whatever_the_batches(tmp_path):
    data = Series(path=table(tmp_path, missing=0.2), look_back=6, horizon=4, gaps="fill")
    built, windows = model(data), data.split("test")
    found = scores(built, data, batch_size=len(windows))
    batch = data.describe().batch(windows, torch.arange(len(windows)))
    errors = (batch.given["history"].past[:, -1:] - batch.content)[batch.mask]
    assert found["mse"].value == pytest.approx(errors.square().mean().item(), rel=1e-5)
    assert found["mae"].value == pytest.approx(errors.abs().mean().item(), rel=1e-5)
    assert found["mse"].details["values"] == int(batch.mask.sum()) < batch.mask.numel()
    for size in (1, 7, len(windows) - 1):
        again = scores(built, data, batch_size=size)
        assert {name: each.value for name, each in again.items()} == pytest.approx(
            {name: each.value for name, each in found.items()}, rel=1e-5
        )


def test_details_are_by_step_and_by_target(tmp_path):
    data = Series(path=table(tmp_path), look_back=6, horizon=4)
    windows = data.split("test")
    batch = data.describe().batch(windows, torch.arange(len(windows)))
    squares = (batch.given["history"].past[:, -1:] - batch.content).square()
    details = scores(model(data), data)["mse"].details
    assert details["by_step"] == pytest.approx(squares.mean((0, 2)).tolist(), rel=1e-5)
    assert details["by_target"] == pytest.approx(dict(zip("ab", squares.mean((0, 1)).tolist(), strict=True)), rel=1e-5)


def test_what_has_no_unit_is_left_out_of_mase_only(tmp_path):
    lines = ["time,a,b", *(f"{row},{row % 5},{row**2 % 17}" for row in range(200))]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    data = Series(path=tmp_path / "table.csv", look_back=6, horizon=4, season=5)
    found = scores(model(data), data)
    assert data.content().scalers[0].naive_error[0] == 0
    assert found["mase"].details["by_target"]["a"] is None and np.isfinite(found["mase"].value)
    assert found["mase"].details["values"] * 2 == found["mae"].details["values"]


def test_a_value_at_the_end_of_an_interval_lies_within(tmp_path):
    class Ends(GaussianPrediction):
        def quantiles(self, levels):
            width = torch.tensor([0.0, 1.0]) if self.upwards else torch.tensor([-1.0, 0.0])
            return self.mean + width.view(2, 1, 1, 1)

    data = Series(path=table(tmp_path), look_back=6, horizon=4)
    for Ends.upwards in (True, False):
        known = knowing(data, lambda content: Ends(content, torch.zeros_like(content)))
        assert scores(known, data)["coverage_80"].value == 1


def test_intervals_of_a_normal_prediction_are_as_wide_as_scipy_s(tmp_path):
    def above(content):
        return GaussianPrediction(content + 0.5, torch.full_like(content, np.log(0.3)))

    data = Series(path=table(tmp_path), look_back=6, horizon=4)
    found = scores(knowing(data, above), data)
    for percent, held in ((80, 0), (90, 0)):  # all 0.5 above the value: 1.67 standard deviations
        low, high = stats.norm(0.5, 0.3).interval(percent / 100)
        assert found[f"width_{percent}"].value == pytest.approx(high - low, rel=1e-4)
        assert found[f"coverage_{percent}"].value == held == (low <= 0 <= high)
    assert found["mse"].value == pytest.approx(0.25, rel=1e-4)


def test_a_point_has_no_interval(tmp_path):
    data = Series(path=table(tmp_path), look_back=6, horizon=4)
    found = scores(knowing(data, lambda content: Point(data.describe())(content.unsqueeze(-1))), data)
    assert set(found) == {"mse", "mae", "mase", "smape"} and found["mse"].value == 0
    assert "gaussian" in ForecastErrors().warnings(found)[0]


def test_windows_in_which_nothing_was_observed_are_refused(tmp_path, tiny_vae):
    data = Series(path=table(tmp_path, missing=0.2), look_back=6, horizon=4, gaps="fill")
    windows, built = data.split("test"), model(data)
    assert isinstance(windows, SeriesWindows) and windows.observed is not None
    assert ForecastErrors().why_not(built, windows) is None
    nothing = copy(windows)
    nothing.observed = torch.zeros_like(windows.observed)
    assert "no value was observed" in (ForecastErrors().why_not(built, nothing) or "")
    (tmp_path / "whole").mkdir()
    whole = Series(path=table(tmp_path / "whole"), look_back=6, horizon=4)
    assert ForecastErrors().why_not(model(whole), whole.split("test")) is None
    assert "made for series" in (ForecastErrors().why_not(tiny_vae(), windows) or "")


# The known optimum


def test_ridge_comes_within_5_percent_of_the_known_optimum_and_its_intervals_hold():
    data = Series(num_series=30, length=600)
    found = scores(model(data, partial(Ridge, penalties=[1e-3, 1e-2])), data)
    optimum = found["mse_of_optimum"]
    assert 1 < found["mse"].value / optimum.value < 1.05
    windows = data.split("test")
    oracle = windows.optimal_errors(torch.arange(len(windows)))
    assert optimum.value == pytest.approx(oracle.square().mean().item(), rel=1e-6)  # not what is expected of it
    ratios = np.array(found["mse"].details["by_step"]) / optimum.details["by_step"]
    assert (ratios > 0.9).all() and (ratios < 1.1).all()
    assert found["coverage_80"].value == pytest.approx(0.8, abs=0.02)
    assert found["coverage_90"].value == pytest.approx(0.9, abs=0.02)
    naive = scores(model(data, SeasonalNaive), data)
    assert naive["mse"].value > 1.1 * optimum.value and "mse_of_optimum" in naive
