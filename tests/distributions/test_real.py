"""What predictions of real values say, against scipy's distributions and quadrature."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from genloom.contents.series import HistoryCondition, SeriesContent
from genloom.distributions.outputs.real import GaussianPrediction, QuantilePrediction, Quantiles
from genloom.spec import Spec

LEVELS = torch.tensor([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
UNEVEN = QuantilePrediction(LEVELS, torch.tensor([-9.0, -3.0, -1.0, 0.0, 0.2, 1.0, 1.5]))


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def of(distribution, levels: torch.Tensor) -> QuantilePrediction:
    return QuantilePrediction(levels, torch.from_numpy(distribution.ppf(levels.double().numpy())).float())


def at(prediction: QuantilePrediction, level: float) -> float:
    return prediction.quantiles(torch.tensor([level], dtype=torch.float64)).item()


def test_the_tails_of_a_logistic_distribution_are_its_own():
    distribution = stats.logistic(loc=2, scale=3)
    levels = torch.tensor([1e-6, 1e-3, 0.01, 0.05, 0.95, 0.99, 0.999])
    found = of(distribution, LEVELS).quantiles(levels)
    assert found.tolist() == pytest.approx(distribution.ppf(levels.double().numpy()).tolist(), rel=1e-4, abs=1e-4)


def test_between_the_levels_the_quantile_function_is_linear_and_it_is_continuous_and_rises():
    levels = torch.linspace(0.001, 0.999, 999)
    found = UNEVEN.quantiles(levels)
    assert (found.diff() > 0).all()
    inside = (levels >= 0.05) & (levels <= 0.95)
    assert found[inside].tolist() == pytest.approx(np.interp(levels[inside], LEVELS, UNEVEN.values).tolist(), abs=1e-4)
    assert UNEVEN.median.item() == 0


def test_the_mean_is_the_integral_of_the_quantile_function():
    exact = QuantilePrediction(LEVELS, UNEVEN.values.double())
    knots = [0.0, *LEVELS.tolist(), 1.0]
    parts = (integrate.quad(lambda t: at(exact, t), a, b)[0] for a, b in itertools.pairwise(knots))
    assert UNEVEN.mean.item() == pytest.approx(sum(parts), abs=1e-6)
    drawn = UNEVEN.sample(200_000, rng())
    assert drawn.mean().item() == pytest.approx(UNEVEN.mean.item(), abs=5 * drawn.std().item() / math.sqrt(200_000))


@pytest.mark.parametrize(("first", "last"), [(0.01, 0.99), (0.02, 0.7), (0.4, 0.95)])
def test_the_mean_of_a_known_distribution_has_no_bias_wherever_the_outermost_levels_are(first, last):
    distribution = stats.logistic(loc=2, scale=3)
    assert of(distribution, torch.linspace(first, last, 100)).mean.item() == pytest.approx(2, abs=0.005)


@pytest.mark.parametrize("value", [-12.0, 0.0, 2.5, 20.0])
def test_the_ranked_probability_score_is_that_of_the_tails_too(value):
    """E|X − y| − ½ E|X − X'| is ∫ 2 (1[y ≤ Q(τ)] − τ) (Q(τ) − y) dτ; of a logistic, z − 2 log F(z) − 1 in its scale."""
    distribution = stats.logistic(loc=2, scale=3)
    dense = of(distribution, torch.linspace(0.05, 0.95, 91))
    many = QuantilePrediction(dense.levels, dense.values.expand(3000, -1))
    z = (value - 2) / 3
    found = many.crps(torch.full((3000,), value), rng=rng()).mean().item()
    assert found == pytest.approx(3 * (z - 2 * stats.logistic.logcdf(z) - 1), rel=0.01)


def test_no_draw_is_infinite_and_equal_quantiles_have_no_tails(monkeypatch):
    class Ends:
        def rand(self, *_, **__):
            return torch.tensor([[0.0], [1 - 2**-24]])

    certain = QuantilePrediction(LEVELS, torch.full((1, 7), 2.0))
    half = QuantilePrediction(LEVELS, UNEVEN.values.to(torch.bfloat16).unsqueeze(0))
    monkeypatch.setattr("genloom.distributions.outputs.real.torch.rand", Ends().rand)
    assert certain.sample(2, rng()).flatten().tolist() == [2, 2]
    assert half.sample(2, rng()).isfinite().all()


@pytest.mark.parametrize("levels", [LEVELS.tolist(), [0.1, 0.4, 0.7, 0.95], [0.2, 0.9]])
def test_quantiles_are_steps_from_the_middle_one_in_units_of_a_standard_normal_s(levels):
    spec = Spec("series", SeriesContent(horizon=1, channels=("x",)), {"history": HistoryCondition(look_back=1)})
    numbers = torch.randn(3, 2, len(levels), generator=rng())
    steps = numbers[..., 1:].double().exp().numpy() * np.diff(stats.norm.ppf(torch.tensor(levels).double().numpy()))
    middle = len(levels) // 2
    wanted = np.zeros((3, 2, len(levels)))
    for place in range(len(levels)):
        steps_between = steps[..., min(place, middle) : max(place, middle)].sum(-1)
        wanted[..., place] = numbers[..., 0].double().numpy() + np.sign(place - middle) * steps_between
    output = Quantiles(spec, levels=levels)
    np.testing.assert_allclose(output(numbers).values.numpy(), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(output.gaps, np.diff(stats.norm.ppf(torch.tensor(levels).double().numpy())), rtol=1e-7)


@pytest.mark.parametrize(
    "prediction", [UNEVEN, GaussianPrediction(torch.zeros(()), torch.zeros(()))], ids=["levels", "normal"]
)
def test_draws_repeat_by_the_generator_they_are_given(prediction):
    first, second = (prediction.sample(9, rng()) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, prediction.sample(9, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("log_std", [-6.0, -2.0, 0.0, 6.0])
@pytest.mark.parametrize("z", [-1e4, -30.0, -1.0, 0.0, 1e-3, 5.0, 1e3])
def test_a_gaussian_in_single_precision_is_scipy_s(log_std, z):
    std = math.exp(log_std)
    given = GaussianPrediction(torch.tensor([0.5]), torch.tensor([log_std]))
    content = torch.tensor([0.5 + z * std])
    exact = (content.item() - 0.5) / std
    assert given.log_prob(content).item() == pytest.approx(stats.norm.logpdf(exact) - log_std, rel=1e-5, abs=1e-5)
    crps = std * (exact * (2 * stats.norm.cdf(exact) - 1) + 2 * stats.norm.pdf(exact) - 1 / math.sqrt(math.pi))
    assert given.crps(content, rng=rng()).item() == pytest.approx(crps, rel=1e-5)
    levels = torch.tensor([1e-6, 0.05, 0.5, 0.999])
    wanted = stats.norm(0.5, std).ppf(levels.double().numpy())
    assert given.quantiles(levels).flatten().tolist() == pytest.approx(wanted.tolist(), rel=1e-4, abs=1e-6)
