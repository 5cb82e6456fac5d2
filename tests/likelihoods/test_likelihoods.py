import math
from functools import partial

import pytest
import torch
from torch import Tensor

from genloom.errors import ConfigError
from genloom.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from genloom.likelihoods.gaussian import Gaussian, LearnedGaussian, OptimalGaussian
from genloom.likelihoods.logistic_mixture import DiscretisedLogisticMixture
from genloom.spec import ImageContent, Spec, VectorContent

GREY = Spec("grey", ImageContent(1, 4, 4))
COLOUR = Spec("colour", ImageContent(3, 4, 4))
BINARY = Spec("binary", ImageContent(1, 4, 4, binary=True))
LEVELS = (torch.arange(256) / 127.5 - 1).view(256, 1, 1, 1)
ALL = [
    (partial(Bernoulli), BINARY),
    (partial(ContinuousBernoulli), GREY),
    (partial(Gaussian, sigma=0.3), GREY),
    (partial(LearnedGaussian), GREY),
    (partial(OptimalGaussian), GREY),
    (partial(DiscretisedLogisticMixture, components=3), COLOUR),
]


def random_case(factory, spec: Spec) -> tuple:
    likelihood = factory(spec).eval()
    rng = torch.Generator().manual_seed(0)
    shape = spec.content.shape
    parameters = torch.randn(2, 5, likelihood.outputs, *shape, generator=rng)
    content = torch.randint(0, 256, (5, *shape), generator=rng, dtype=torch.uint8)
    content = (content > 127) * torch.tensor(255, dtype=torch.uint8) if spec.content.binary else content
    return likelihood, parameters, spec.content.encode(content)


@pytest.mark.parametrize(("factory", "spec"), ALL)
def test_a_log_probability_is_the_sum_over_the_values_and_each_draw_has_its_own(factory, spec):
    likelihood, parameters, content = random_case(factory, spec)
    log_probs = likelihood.log_prob(parameters, content)
    assert log_probs.shape == (2, 5)
    alone = likelihood.log_prob(parameters[1, 3:4], content[3:4])
    assert torch.allclose(log_probs[1, 3], alone[0], atol=1e-4)
    assert likelihood.mean(parameters).shape == (2, 5, *spec.content.shape)
    assert likelihood.mean(parameters)[0].abs().max() <= 1 or isinstance(
        likelihood, Gaussian | LearnedGaussian | OptimalGaussian
    )


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


def test_bernoulli_is_the_cross_entropy_of_black_and_white_pixels():
    likelihood = Bernoulli(BINARY)
    logits, content = torch.randn(3, 1, 1, 4, 4), torch.randint(0, 2, (3, 1, 4, 4)) * 2.0 - 1
    expected = torch.distributions.Bernoulli(logits=logits[:, 0]).log_prob((content + 1) / 2).flatten(1).sum(1)
    assert torch.allclose(likelihood.log_prob(logits, content), expected, atol=1e-5)


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
