"""What holds of every likelihood. A new class fails until it has its case."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

import genloom.distributions.likelihoods
from discovery import classes, missing
from genloom.contents.image import ImageContent
from genloom.distributions.likelihoods.base import Likelihood
from genloom.distributions.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from genloom.distributions.likelihoods.gaussian import Gaussian, LearnedGaussian, OptimalGaussian
from genloom.distributions.likelihoods.logistic_mixture import DiscretisedLogisticMixture
from genloom.spec import Spec

GREY, COLOUR = Spec("grey", ImageContent(1, 4, 4)), Spec("colour", ImageContent(3, 4, 4))
BINARY = Spec("binary", ImageContent(1, 4, 4, binary=True))
LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1
BLACK_OR_WHITE = torch.tensor([-1.0, 1.0], dtype=torch.float64)

#: Each class with what builds it, its data, and the values over which its probabilities sum to one (None: a density).
CASES: dict[type, tuple[Callable[..., Likelihood], Spec, Tensor | None]] = {
    Bernoulli: (Bernoulli, BINARY, BLACK_OR_WHITE),
    ContinuousBernoulli: (ContinuousBernoulli, GREY, None),
    DiscretisedLogisticMixture: (partial(DiscretisedLogisticMixture, components=3), COLOUR, LEVELS),
    Gaussian: (partial(Gaussian, sigma=0.3), GREY, None),
    LearnedGaussian: (LearnedGaussian, GREY, None),
    OptimalGaussian: (OptimalGaussian, GREY, None),
}
UNBOUNDED = {Gaussian, LearnedGaussian, OptimalGaussian}  # whose mean may leave the range of pixels
PER_UNIT_OF = {ContinuousBernoulli: 2.0}  # the density is per value in [0, 1], the content in [-1, 1]


def random_case(kind: type) -> tuple[Likelihood, Tensor, Tensor]:
    """Return a likelihood, parameters of two draws for each of five examples, and the examples."""
    build, spec, _ = CASES[kind]
    likelihood = build(spec).eval()
    rng = torch.Generator().manual_seed(0)
    shape = spec.content.shape
    parameters = torch.randn(2, 5, likelihood.outputs, *shape, generator=rng)
    content = torch.randint(0, 256, (5, *shape), generator=rng, dtype=torch.uint8)
    content = (content > 127) * torch.tensor(255, dtype=torch.uint8) if kind is Bernoulli else content
    return likelihood, parameters, spec.content.encode(content)


def test_every_likelihood_has_a_case():
    assert missing(classes(Likelihood, genloom.distributions.likelihoods), CASES) == []


@pytest.mark.parametrize("kind", CASES)
def test_a_log_probability_is_the_sum_over_the_values_and_each_draw_has_its_own(kind):
    likelihood, parameters, content = random_case(kind)
    log_probs = likelihood.log_prob(parameters, content)
    assert log_probs.shape == (2, 5) and log_probs.isfinite().all()
    alone = likelihood.log_prob(parameters[1, 3:4], content[3:4])
    assert torch.allclose(log_probs[1, 3], alone[0], atol=1e-4)
    values = likelihood.log_prob_of_values(parameters, content)
    assert torch.allclose(values.flatten(2).sum(-1), log_probs, atol=1e-4)


@pytest.mark.parametrize("kind", CASES)
def test_the_mean_has_the_content_s_shape_and_range(kind):
    likelihood, parameters, content = random_case(kind)
    mean = likelihood.mean(parameters)
    assert mean.shape == (2, *content.shape)
    assert kind in UNBOUNDED or likelihood.mean(100 * parameters).abs().max() <= 1


@pytest.mark.parametrize("kind", CASES)
def test_gradients_are_finite_and_reach_every_parameter(kind):
    likelihood, parameters, content = random_case(kind)
    parameters.requires_grad_()
    likelihood.train().log_prob(parameters, content).sum().backward()
    assert parameters.grad is not None and parameters.grad.isfinite().all() and parameters.grad.any()
    assert all(value.grad is not None and value.grad.any() for value in likelihood.parameters())


@pytest.mark.parametrize("kind", CASES)
def test_it_sums_or_integrates_to_one(kind):
    build, spec, support = CASES[kind]
    likelihood = build(spec).double().eval()
    channels = spec.content.shape[0]
    for seed in range(4):
        rng = torch.Generator().manual_seed(seed)
        one = torch.randn(likelihood.outputs, channels, 1, 1, generator=rng, dtype=torch.float64)
        parameters = one.expand(likelihood.outputs, *spec.content.shape)
        bound = 12.0 if kind in UNBOUNDED else 1.0
        x = torch.linspace(-bound, bound, 20_001, dtype=torch.float64) if support is None else support
        content = x.view(-1, 1, 1, 1).expand(-1, *spec.content.shape)
        log_prob = likelihood.log_prob_of_values(parameters.expand(len(x), *parameters.shape), content)
        density = log_prob.flatten(1)[:, 0].exp()
        total = density.sum() if support is not None else torch.trapezoid(density, x) / PER_UNIT_OF.get(kind, 1.0)
        assert total.item() == pytest.approx(1, abs=1e-4)
