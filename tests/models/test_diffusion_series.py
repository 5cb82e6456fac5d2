"""Forecasts by diffusion, held against a process whose best forecast is known: x_t = φ x_{t−1} + e_t."""

from dataclasses import replace
from functools import partial
from math import sqrt

import pytest
import torch

from genloom.batch import Batch, Given, History
from genloom.contents.series import HistoryCondition, SeriesBatch, SeriesContent
from genloom.diffusion.prediction import Clean, Velocity
from genloom.diffusion.process import RectifiedFlow
from genloom.diffusion.weighting import EdmWeighting
from genloom.distributions.outputs.real import GaussianPrediction
from genloom.errors import ConfigError
from genloom.models.abilities import Denoises, Forecasts, Simulates
from genloom.models.diffusion import Diffusion
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.networks.denoiser.series import SeriesDenoiser
from genloom.networks.sequence.forecasting import Linear, Unchanged
from genloom.objectives.denoising import Denoising
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.ensemble import Ensemble
from genloom.spec import Spec

PHI, HORIZON, LOOK_BACK = 0.8, 3, 2
SPEC = Spec("ar", SeriesContent(HORIZON, ("x",)), {"history": HistoryCondition(look_back=LOOK_BACK)})
#: Of the best forecast's errors.
COVARIANCE = torch.tensor(
    [[sum(PHI ** (a + b - 2 * j) for j in range(min(a, b) + 1)) for b in range(HORIZON)] for a in range(HORIZON)]
)
STD = COVARIANCE.diagonal().sqrt()


def windows(num: int, seed: int) -> Batch:
    x = torch.randn(num, LOOK_BACK + HORIZON, 1, generator=torch.Generator().manual_seed(seed))
    x[:, 0] /= sqrt(1 - PHI**2)
    for step in range(1, x.shape[1]):
        x[:, step] += PHI * x[:, step - 1]
    one = torch.ones(num, 1)
    given = Given(history=History(x[:, :LOOK_BACK], scale=one, offset=one, naive_error=one))
    return SeriesBatch(x[:, LOOK_BACK:], torch.arange(num), given)


def build(**changes) -> Diffusion:
    torch.manual_seed(0)
    arguments = {
        "network": partial(SeriesDenoiser, forecaster=partial(Linear, normalise=Unchanged()), width=32, blocks=1),
        "process": RectifiedFlow(),
        "prediction": Clean(),
        "objective": Denoising(weighting=EdmWeighting(sigma_data=1.5)),
        "optimizer": {},
        **changes,
    }
    return Diffusion(SPEC, **arguments)


@pytest.fixture(scope="module")
def learned() -> Diffusion:
    model = build()
    optimizer = torch.optim.Adam(model.denoiser.parameters(), lr=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 250)
    for model.iteration, batch in enumerate(windows(250 * 256, 1).chunks(250)):
        optimizer.zero_grad()
        model._loss(batch, 0).total.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def test_its_crps_is_nearly_the_best_and_better_than_that_of_the_last_value(learned):
    batch, rng = windows(300, 0), torch.Generator()
    prediction = Ensemble(num_paths=40).prediction(learned, batch.given["history"])
    crps = prediction.crps(batch.content, rng=rng).mean()
    last = batch.given["history"].past[:, -1:]
    mean = last * PHI ** torch.arange(1, HORIZON + 1).view(-1, 1)
    known = GaussianPrediction(mean, STD.log().view(-1, 1).expand_as(mean))
    assert crps < 1.03 * known.crps(batch.content, rng=rng).mean()
    assert crps < 0.8 * (last - batch.content).abs().mean()
    low, high = prediction.quantiles(torch.tensor([0.1, 0.9]))
    within = (low <= batch.content) & (batch.content <= high)
    assert within.float().mean().item() == pytest.approx(0.8, abs=0.04)


def test_the_steps_of_a_draw_belong_together(learned):
    batch = windows(20, 0)
    draws = Ensemble(num_paths=400).prediction(learned, batch.given["history"]).content.squeeze(-1)
    off = (draws - draws.mean(0)).flatten(0, 1)
    torch.testing.assert_close(off.T.corrcoef(), COVARIANCE / STD / STD.unsqueeze(1), atol=0.05, rtol=0)
    assert off.sum(1).std().item() == pytest.approx(sqrt(COVARIANCE.sum()), rel=0.06)  # of a sum over the horizon


def test_the_same_seed_draws_the_same_futures(learned):
    history, sampler = windows(5, 0).given["history"], Ensemble(num_paths=3)
    first, again = (sampler.prediction(learned, history).content for _ in range(2))
    assert torch.equal(first, again) and first.shape == (3, 5, HORIZON, 1)
    other = sampler.prediction(learned, history, torch.Generator().manual_seed(1)).content
    assert not torch.equal(first, other)
    told = sampler.forecast(learned, history, rng=torch.Generator().manual_seed(1))
    assert told.paths is not None and torch.equal(told.paths, other) and torch.equal(told.mean, other.mean(0))
    drawn = sampler.draw(learned, 5, rng=torch.Generator().manual_seed(1), given=Given(history=history)).content
    assert drawn.shape == (5, HORIZON, 1)


def test_without_a_sampler_it_draws_by_itself_from_the_same_distribution(learned):
    history = windows(5, 0).given["history"]
    own, fast = learned.forecast(history), Ensemble(by=DpmSolver(steps=20)).prediction(learned, history)
    assert own.content.shape == (100, 5, HORIZON, 1)
    assert (own.mean - fast.mean).abs().mean() < 0.3  # each is known to a tenth of a standard deviation
    assert own.content.std(0).mean().item() == pytest.approx(fast.content.std(0).mean().item(), rel=0.1)


def test_at_first_it_is_the_best_denoiser_of_the_forecast_s_gaussian():
    model, batch = build(), windows(6, 0)
    for parameter in model.denoiser.forecaster.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    location, log_std = model.denoiser.forecaster(batch.given["history"]).unbind(-1)
    level = model.process.level(torch.tensor([0.4])).like(batch.content)
    noised = level.noised(batch.content, torch.randn(6, HORIZON, 1, generator=torch.Generator().manual_seed(0)))
    precision = (-2 * log_std).exp() + (level.alpha / level.sigma).square()
    expected = ((-2 * log_std).exp() * location + level.alpha / level.sigma.square() * noised) / precision
    torch.testing.assert_close(model.denoise(noised, level, batch.given).clean, expected, rtol=1e-4, atol=1e-4)


def test_what_was_not_observed_has_no_part_in_the_loss():
    model, batch = build(), windows(8, 0)
    assert model._loss(batch, 0).total == model._loss(replace(batch, mask=torch.ones(8, HORIZON, 1) > 0), 0).total
    mask = torch.ones(8, HORIZON, 1, dtype=torch.bool)
    mask[:4] = False
    loss = model._loss(replace(batch, mask=mask), 0).total
    content = batch.content.clone()
    content[:4] = 1e3
    assert torch.equal(loss, model._loss(replace(batch, content=content, mask=mask), 0).total)
    assert loss.item() == pytest.approx(_loss_of_the_last(model, batch, 4), rel=1e-5)


def _loss_of_the_last(model: Diffusion, batch: Batch, num: int) -> float:
    values = []
    for each in range(len(batch) - num, len(batch)):
        mask = torch.zeros(len(batch), HORIZON, 1, dtype=torch.bool)
        mask[each] = True
        values.append(model._loss(replace(batch, mask=mask), 0).total.item())
    return sum(values) / num


def test_a_history_that_is_dropped_is_not_told():
    model, batch = build(drop_given={"history": 0.5}), windows(4, 0)
    level = model.process.level(torch.tensor([0.4])).like(batch.content)
    dropped = Given(batch.given, dropped={"history": torch.arange(4) < 2})
    told, half = (model.denoise(batch.content, level, given).clean for given in (batch.given, dropped))
    other = Given(history=replace(batch.given["history"], past=batch.given["history"].past + 1))
    other.dropped = dropped.dropped
    again = model.denoise(batch.content, level, other).clean
    assert torch.equal(half[2:], told[2:]) and not torch.equal(half[:2], told[:2])
    assert torch.equal(half[:2], again[:2]) and not torch.equal(half[2:], again[2:])


def test_it_offers_forecasts_and_no_samples_of_histories_that_nobody_has():
    assert build().abilities == {Denoises, Forecasts, Simulates}


def test_what_does_not_fit_is_refused():
    message = r"^model.prediction: Velocity is not what model.network says, .* prediction@model.prediction=clean$"
    with pytest.raises(ConfigError, match=message):
        build(prediction=Velocity())
    with pytest.raises(ConfigError, match=r"histor"):
        build(network=DenseDenoiser)
    with pytest.raises(ConfigError, match=r"sampler.num_paths: 1 is below the limit of 2"):
        Ensemble(num_paths=1)
