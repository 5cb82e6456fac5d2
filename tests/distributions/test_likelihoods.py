import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import logistic
from torch import Tensor

from genloom.contents.image import ImageContent
from genloom.contents.vector import VectorContent
from genloom.distributions.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from genloom.distributions.likelihoods.gaussian import Gaussian, OptimalGaussian
from genloom.distributions.likelihoods.logistic_mixture import DiscretisedLogisticMixture
from genloom.errors import ConfigError
from genloom.spec import Spec

GREY = Spec("grey", ImageContent(1, 4, 4))
COLOUR = Spec("colour", ImageContent(3, 4, 4))
BINARY = Spec("binary", ImageContent(1, 4, 4, binary=True))
LEVELS = (torch.arange(256) / 127.5 - 1).view(256, 1, 1, 1)


def one_pixel(likelihood, parameters: Tensor, content: Tensor) -> Tensor:
    """The likelihood of single values: spec of 4x4, all values alike, divided by their number."""
    shape = (*parameters.shape, 1, 4, 4)
    full = parameters.view(*parameters.shape, 1, 1, 1).expand(shape)
    return likelihood.log_prob(full, content.view(-1, 1, 1, 1).expand(-1, 1, 4, 4)) / 16


def test_the_discretised_mixture_sums_to_one_over_all_levels():
    likelihood = DiscretisedLogisticMixture(GREY, components=4)
    rng = torch.Generator().manual_seed(1)
    for log_scale in (-9.0, -4.0, 0.0, 6.0):  # narrower than the limit, as a pixel, wide, far wider than the range
        parameters = torch.randn(12, generator=rng) * 0.7
        parameters[8:] = log_scale
        log_probs = one_pixel(likelihood, parameters.expand(256, 12), LEVELS)
        assert log_probs.double().exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_the_discretised_mixture_is_the_difference_of_the_distribution_functions():
    likelihood = DiscretisedLogisticMixture(GREY, components=1)
    mean, log_scale, level = 0.2, -2.0, 140
    x = level / 127.5 - 1
    upper, lower = (1 / (1 + math.exp(-(x + side / 255 - mean) / math.exp(log_scale))) for side in (1, -1))
    ours = one_pixel(likelihood, torch.tensor([[0.3, mean, log_scale]]), torch.tensor([x]))
    assert ours.item() == pytest.approx(math.log(upper - lower), abs=1e-4)


def test_the_mixture_has_gradients_everywhere():
    likelihood = DiscretisedLogisticMixture(GREY, components=2)
    parameters = torch.randn(256, 6, requires_grad=True)
    one_pixel(likelihood, parameters, LEVELS).sum().backward()
    assert parameters.grad is not None and parameters.grad.isfinite().all()


@pytest.mark.parametrize(
    ("likelihood", "parameter", "low", "high"),
    [
        (ContinuousBernoulli(GREY), 1.7, -1, 1),
        (ContinuousBernoulli(GREY), 0.0, -1, 1),
        (Gaussian(GREY, sigma=0.3), 0.4, -4, 4),
    ],
)
def test_densities_integrate_to_one_and_have_the_stated_mean(likelihood, parameter, low, high):
    x = torch.linspace(low, high, 20_001, dtype=torch.float64)
    density = one_pixel(likelihood, torch.full((len(x), 1), parameter, dtype=torch.float64), x).exp()
    width = high - low if isinstance(likelihood, Gaussian) else 1  # the continuous Bernoulli's is per value in [0, 1]
    assert torch.trapezoid(density, x).item() * width / (high - low) == pytest.approx(1, abs=1e-4)
    mean = torch.trapezoid(density * x, x).item() * width / (high - low)
    stated = likelihood.mean(torch.full((1, 1, 1, 4, 4), parameter, dtype=torch.float64)).mean().item()
    assert mean == pytest.approx(stated, abs=1e-4)


LOGITS = sorted(
    sign * size for size in (1e-6, 1e-3, 0.1, 0.49, 0.51, 1.0, 5.0, 12.0, 20.0, 30.0, 50.0, 100.0) for sign in (-1, 1)
)


@pytest.mark.parametrize("logit", [0.0, *LOGITS])
def test_the_continuous_bernoulli_in_single_precision_against_quadrature_in_double(logit):
    """Normaliser, density, mean with its slope, the variance, and the slope of the log-density, which is x − E[x]."""
    peak = max(logit, 0.0)

    def integral(power: int) -> float:
        return quad(lambda x: x**power * math.exp(logit * x - peak), 0, 1, epsabs=0, epsrel=1e-12, limit=200)[0]

    mean = integral(1) / integral(0)
    likelihood = ContinuousBernoulli(GREY)
    for x in (0.0, 0.25, 0.9, 1.0):
        parameter = torch.tensor([[logit]], requires_grad=True)
        found = one_pixel(likelihood, parameter, torch.tensor([2 * x - 1]))
        assert found.item() == pytest.approx(logit * x - peak - math.log(integral(0)), rel=1e-6, abs=1e-6)
        found.sum().backward()
        assert parameter.grad.item() == pytest.approx(x - mean, abs=2e-6)
    parameter = torch.tensor(logit, requires_grad=True)
    stated = (likelihood.mean(parameter.expand(1, 1, 1, 4, 4)) + 1) / 2
    assert stated.mean().item() == pytest.approx(mean, abs=1e-6)
    stated.mean().backward()
    assert parameter.grad.item() == pytest.approx(integral(2) / integral(0) - mean**2, abs=2e-6)


def test_the_continuous_bernoulli_is_torch_s_where_that_is_right():
    """In double precision λ is not rounded to 1 before |l| = 36, and torch's own series ends at |λ − ½| = 0.001."""
    logits = torch.linspace(-25, 25, 101, dtype=torch.float64).view(-1, 1)
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    theirs = torch.distributions.ContinuousBernoulli(logits=logits[:, 0], validate_args=False)
    torch.testing.assert_close(
        one_pixel(ContinuousBernoulli(GREY), logits, 2 * x - 1), theirs.log_prob(x), rtol=1e-6, atol=1e-6
    )
    mean = ContinuousBernoulli(GREY).mean(logits.view(-1, 1, 1, 1, 1).expand(-1, 1, 1, 4, 4))[:, 0, 0, 0]
    torch.testing.assert_close((mean + 1) / 2, theirs.mean, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -1.0, 2.0, 8.0, 20.0, 60.0, 100.0])
@pytest.mark.parametrize("mean", [-30.0, -1.0, -0.2, 1.1])
def test_the_discretised_mixture_in_single_precision_against_double(mean, log_scale):
    """Every level's probability by scipy's logistic distribution, its gradient, and the expected level."""
    levels = np.arange(256) / 127.5 - 1
    inner = np.float64(2 / 255) * np.exp(-log_scale)  # scipy: log F(a) + log F(−b) + log(1 − e^{b − a})
    upper, lower = ((levels - mean + side / 255) * np.exp(-log_scale) for side in (1, -1))
    wanted = logistic.logcdf(upper) + logistic.logsf(lower) + np.log(-np.expm1(-inner))
    wanted[0], wanted[-1] = logistic.logcdf(upper[0]), logistic.logsf(lower[-1])
    assert np.exp(wanted).sum() == pytest.approx(1, abs=1e-9)
    likelihood = DiscretisedLogisticMixture(GREY, components=1)
    parameters = torch.tensor([[0.3, mean, log_scale]]).repeat(256, 1).requires_grad_()
    found = one_pixel(likelihood, parameters, LEVELS)
    found.sum().backward()
    assert found.detach().numpy() == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert parameters.grad.isfinite().all()
    stated = likelihood.mean(parameters[:1].view(1, 3, 1, 1, 1).expand(1, 3, 1, 4, 4)).mean().item()
    assert stated == pytest.approx((np.exp(wanted) * levels).sum(), abs=1 / 255 if log_scale < -6 else 1e-4)


def test_the_mean_of_a_mixture_counts_what_lies_beyond_black_as_black():
    """A ninth of the weight far beyond black does not outweigh the rest, as it would in the mixture's own mean."""
    likelihood = DiscretisedLogisticMixture(GREY, components=2)
    parameters = torch.tensor([math.log(8.0), 0.0, 0.5, -50.0, -4.0, -4.0]).view(1, 6, 1, 1, 1).expand(1, 6, 1, 4, 4)
    assert likelihood.mean(parameters).mean().item() == pytest.approx(8 / 9 * 0.5 - 1 / 9, abs=1e-4)


def test_bernoulli_at_any_logit():
    likelihood = Bernoulli(BINARY)
    logits = torch.tensor([-1000.0, -100.0, -20.0, -1e-4, 0.0, 20.0, 100.0]).view(-1, 1)
    white = one_pixel(likelihood, logits, torch.ones(len(logits)))
    wanted = [float(logistic.logcdf(float(logit))) for logit in logits]
    assert white.tolist() == pytest.approx(wanted, rel=1e-6)
    mean = likelihood.mean(logits.view(-1, 1, 1, 1, 1).expand(-1, 1, 1, 4, 4))[:, 0, 0, 0]
    assert mean.tolist() == pytest.approx([math.tanh(float(logit) / 2) for logit in logits], rel=1e-6)


def test_bernoulli_is_the_cross_entropy_of_black_and_white_pixels():
    likelihood = Bernoulli(BINARY)
    logits, content = torch.randn(3, 1, 1, 4, 4), torch.randint(0, 2, (3, 1, 4, 4)) * 2.0 - 1
    expected = torch.distributions.Bernoulli(logits=logits[:, 0]).log_prob((content + 1) / 2).flatten(1).sum(1)
    assert torch.allclose(likelihood.log_prob(logits, content), expected, atol=1e-5)


def test_before_training_the_optimal_variance_is_1():
    assert OptimalGaussian(GREY).eval().log_variance(torch.ones(3)) == 0


def test_the_mean_of_a_mixture_never_leaves_the_range_not_even_by_rounding():
    likelihood = DiscretisedLogisticMixture(GREY, components=5)
    parameters = torch.randn(200, 15, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    parameters[:, 10:] = -4.0
    for beyond in (-50.0, 50.0):
        parameters[:, 5:10] = beyond
        mean = likelihood.mean(parameters.unsqueeze(0))
        assert mean.abs().max() <= 1 and mean.abs().min() == pytest.approx(1, abs=1e-5)


def test_the_running_variance_of_a_short_training_is_that_of_its_batches():
    likelihood = OptimalGaussian(GREY, half_life_batches=50).train()
    for _ in range(3):
        likelihood.log_prob(torch.zeros(8, 1, 1, 4, 4), 0.1 * torch.ones(8, 1, 4, 4))
    assert likelihood.eval().log_variance(torch.zeros(())).exp().item() == pytest.approx(0.01, rel=1e-5)


def test_the_optimal_variance_is_the_batch_s_in_training_and_the_running_mean_s_afterwards():
    likelihood = OptimalGaussian(GREY, half_life_batches=1)
    output, content = torch.zeros(8, 1, 1, 4, 4), 0.5 * torch.ones(8, 1, 4, 4)
    likelihood.train()
    for _ in range(20):
        in_training = likelihood.log_prob(output, content)
    expected = torch.distributions.Normal(0.0, 0.5).log_prob(torch.tensor(0.5)) * 16
    assert in_training[0].item() == pytest.approx(expected.item(), abs=1e-3)
    afterwards = likelihood.eval().log_prob(output[:1], content[:1])
    assert afterwards.item() == pytest.approx(expected.item(), abs=1e-3)
    sharper = Gaussian(GREY, sigma=0.3).log_prob(output, content)
    assert (in_training > sharper).all()  # no other sigma is better


def test_grey_values_are_refused_by_a_likelihood_of_black_and_white_and_the_other_way_round():
    with pytest.raises(ConfigError, match=r"model\.likelihood.*data\.binarize=dynamic"):
        Bernoulli(GREY)
    with pytest.raises(ConfigError, match=r"model\.likelihood.*data\.binarize=null"):
        DiscretisedLogisticMixture(BINARY)
    for likelihood in (Bernoulli, ContinuousBernoulli, DiscretisedLogisticMixture):
        with pytest.raises(ConfigError, match=r"model\.likelihood.*data\.name=points"):
            likelihood(Spec("points", VectorContent(2)))
    with pytest.raises(ConfigError, match=r"sigma: 0 is not above 0"):
        Gaussian(GREY, sigma=0)
