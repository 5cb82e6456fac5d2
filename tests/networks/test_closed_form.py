from functools import partial

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as Theirs

from genloom.contents.image import ImageContent
from genloom.data.series.series import Series
from genloom.distributions.outputs.real import Gaussian
from genloom.errors import ConfigError
from genloom.networks.baselines.closed_form import RepeatLast, Ridge, SeasonalNaive, _Moments
from genloom.spec import Spec


def table(tmp_path, *, missing: float = 0.0) -> Series:
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.standard_normal((300, 2)), axis=0) + 3 * np.sin(np.arange(300) / 4)[:, None]
    holes = rng.random((300, 2)) < missing
    cells = [
        [f"{value:.6f}" if not hole else "" for value, hole in zip(*each, strict=True)]
        for each in zip(values, holes, strict=True)
    ]
    lines = ["time,a,b", *(f"{row},{','.join(each)}" for row, each in enumerate(cells))]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return Series(path=tmp_path / "table.csv", look_back=8, horizon=3, gaps="fill" if missing else "error", season=5)


def solved(network, data: Series, size: int = 64):
    class Batches:
        def __init__(self, split):
            self.split = split

        def __iter__(self):
            return data.describe().batches(data.modelled(self.split), size)

    built = network(data.describe(), outputs=2)
    found = built.solve(Batches("train"), Batches("val"))
    assert found.keys() == dict(built.named_parameters()).keys()
    built.load_state_dict(dict(built.state_dict()) | dict(found))
    return built


def whole(data: Series, split: str):
    return data.describe().batch(data.split(split), torch.arange(len(data.split(split))))


def test_naive_forecasts_repeat_the_last_value_and_the_last_season(tmp_path):
    data = table(tmp_path)
    history = whole(data, "test").given["history"]
    last = RepeatLast(data.describe(), outputs=2)(history)[..., 0]
    assert torch.equal(last, history.past[:, -1:].expand(-1, 3, -1))
    season = SeasonalNaive(data.describe(), outputs=2)(history)[..., 0]
    assert torch.equal(season, history.past[:, 3:6])
    short = SeasonalNaive(data.describe(), outputs=2, period=2)(history)[..., 0]
    assert torch.equal(short, history.past[:, [6, 7, 6]])  # beyond a season it begins anew


def test_ridge_is_that_of_an_independent_implementation(tmp_path):
    data, penalty = table(tmp_path), 0.1
    network = solved(partial(Ridge, penalties=[penalty]), data)
    batch = whole(data, "train")
    last = batch.given["history"].past[:, -1:]
    x, y = (
        (part - last).transpose(1, 2).flatten(0, 1).double() for part in (batch.given["history"].past, batch.content)
    )
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    theirs = Theirs(penalty * len(x), fit_intercept=False).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(network.weight.detach().numpy(), theirs.coef_, atol=1e-6)
    with torch.no_grad():
        ours = network(batch.given["history"])[..., 0] - last
    np.testing.assert_allclose(ours.transpose(1, 2).flatten(0, 1).numpy(), theirs.predict(x.numpy()), atol=1e-5)


@pytest.mark.parametrize("size", [1, 64])
def test_ridge_leaves_out_what_was_not_observed(tmp_path, size):
    data, penalty = table(tmp_path, missing=0.2), 0.01
    network = solved(partial(Ridge, penalties=[penalty]), data, size)
    batch = whole(data, "train")
    last = batch.given["history"].past[:, -1:]
    x, y, seen = (
        part.transpose(1, 2).flatten(0, 1)
        for part in (batch.given["history"].past - last, batch.content - last, batch.mask)
    )
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    assert 0.1 < 1 - seen.float().mean() < 0.3
    for step in range(3):
        kept = seen[:, step]
        theirs = Theirs(penalty * int(kept.sum()), fit_intercept=False).fit(x[kept].numpy(), y[kept, step].numpy())
        np.testing.assert_allclose(network.weight[step].detach().numpy(), theirs.coef_, atol=1e-6)


def test_the_penalty_is_the_best_on_the_validation_windows_whatever_the_batches(tmp_path):
    data = table(tmp_path)
    penalties = [1e-3, 1.0, 1e3]
    chosen = solved(partial(Ridge, penalties=penalties), data, size=37)
    batch = whole(data, "val")

    def error(network) -> float:
        with torch.no_grad():
            return (network(batch.given["history"])[..., 0] - batch.content).square().mean().item()

    errors = {penalty: error(solved(partial(Ridge, penalties=[penalty]), data)) for penalty in penalties}
    assert chosen.penalty.item() == pytest.approx(min(errors, key=errors.__getitem__))
    assert error(chosen) == pytest.approx(min(errors.values()), rel=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_error_by_which_penalties_are_compared_is_the_mean_square(tmp_path, missing):
    data = table(tmp_path, missing=missing)
    network = solved(partial(Ridge, penalties=[0.1]), data)
    batch = whole(data, "val")
    seen = torch.ones_like(batch.content, dtype=torch.bool) if batch.mask is None else batch.mask
    with torch.no_grad():
        squares = (network(batch.given["history"])[..., 0] - batch.content).square()[seen]
    moments = _Moments.of(data.describe().batches(data.modelled("val"), 37))
    assert moments.error(network.weight.detach().double()) == pytest.approx(squares.mean().item(), rel=1e-4)


@pytest.mark.parametrize("network", [RepeatLast, SeasonalNaive, partial(Ridge, penalties=[0.01])])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_spread_is_that_of_the_training_errors(tmp_path, network, missing):
    data = table(tmp_path, missing=missing)
    built, batch = solved(network, data), whole(data, "train")
    with torch.no_grad():
        prediction = Gaussian(data.describe())(built(batch.given["history"]))
    seen = torch.ones_like(batch.content) if batch.mask is None else batch.mask.float()
    squares = ((prediction.mean - batch.content).square() * seen).sum(0) / seen.sum(0)
    torch.testing.assert_close(prediction.log_std[0].exp(), squares.sqrt(), rtol=1e-4, atol=0)


def test_a_series_that_repeats_exactly_has_the_least_spread_that_the_output_knows(tmp_path):
    lines = ["time,y", *(f"{row},{row % 5}" for row in range(100))]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    data = Series(path=tmp_path / "table.csv", look_back=8, horizon=3, season=5)
    built = solved(SeasonalNaive, data)
    with torch.no_grad():
        prediction = Gaussian(data.describe())(built(whole(data, "test").given["history"]))
    assert prediction.log_std.isfinite().all() and prediction.log_std.max() < -5.99


def test_changing_test_rows_changes_no_parameter(tmp_path):
    data = table(tmp_path)
    network = partial(Ridge, penalties=[1e-3, 0.1])
    before = solved(network, data).state_dict()
    path = tmp_path / "table.csv"
    lines = path.read_text().splitlines()
    kept = 1 + round(0.8 * 300)
    path.write_text("\n".join([*lines[:kept], *(f"{line}99" for line in lines[kept:])]))
    changed = Series(path=path, look_back=8, horizon=3, season=5)
    assert not torch.equal(changed.split("test").content, data.split("test").content)
    after = solved(network, changed).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_does_not_fit_is_refused(tmp_path):
    spec = table(tmp_path).describe()
    with pytest.raises(ConfigError, match=r"model\.output: RepeatLast gives .* choose output@model\.output=gaussian"):
        RepeatLast(spec, outputs=1)
    with pytest.raises(ConfigError, match=r"period: a season of 9 steps is not between 1 and data\.look_back=8"):
        SeasonalNaive(spec, outputs=2, period=9)
    with pytest.raises(ConfigError, match=r"model\.network\.penalties: \[0\.0\] must be"):
        Ridge(spec, outputs=2, penalties=[0.0])
    with pytest.raises(ConfigError, match=r"made for series, and data\.name=pictures holds pictures"):
        RepeatLast(Spec("pictures", ImageContent(1, 8, 8)), outputs=2)
