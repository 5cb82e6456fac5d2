"""What holds of every likelihood. A new class fails until it has its case."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

import genloom.distributions.likelihoods
from discovery import classes, missing
from genloom.contents.base import Content
from genloom.contents.columns.category import CategoryColumn
from genloom.contents.columns.measured import NumberColumn
from genloom.contents.image import ImageContent
from genloom.contents.table import TableContent
from genloom.contents.transforms import ModeSpecific, Standard
from genloom.distributions.likelihoods.base import Likelihood
from genloom.distributions.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from genloom.distributions.likelihoods.columns import Columns
from genloom.distributions.likelihoods.gaussian import Gaussian, LearnedGaussian, OptimalGaussian
from genloom.distributions.likelihoods.logistic_mixture import DiscretisedLogisticMixture
from genloom.spec import Spec

GREY, COLOUR = Spec("grey", ImageContent(1, 4, 4)), Spec("colour", ImageContent(3, 4, 4))
BINARY = Spec("binary", ImageContent(1, 4, 4, binary=True))
MODES = ModeSpecific(weights=(0.5, 0.5), means=(0.0, 9.0), stds=(1.0, 2.0))
ROWS = Spec(
    "rows",
    TableContent(
        (
            NumberColumn("a", Standard(), 1, -5.0, 5.0),
            NumberColumn("b", MODES, None, -4.0, 17.0, missing=0.2),
            CategoryColumn("c", ("x", "y", "z"), (1, 1, 1), missing=0.1),
        )
    ),
)
LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1
BLACK_OR_WHITE = torch.tensor([-1.0, 1.0], dtype=torch.float64)

#: Each class with what builds it, its data, and the values over which its probabilities sum to one (None: a density).
CASES: dict[type, tuple[Callable[..., Likelihood], Spec, Tensor | None]] = {
    Bernoulli: (Bernoulli, BINARY, BLACK_OR_WHITE),
    Columns: (Columns, ROWS, None),
    ContinuousBernoulli: (ContinuousBernoulli, GREY, None),
    DiscretisedLogisticMixture: (partial(DiscretisedLogisticMixture, components=3), COLOUR, LEVELS),
    Gaussian: (partial(Gaussian, sigma=0.3), GREY, None),
    LearnedGaussian: (LearnedGaussian, GREY, None),
    OptimalGaussian: (OptimalGaussian, GREY, None),
}
UNBOUNDED = {Columns, Gaussian, LearnedGaussian, OptimalGaussian}  # whose mean may leave the range of pixels
PER_UNIT_OF = {ContinuousBernoulli: 2.0}  # the density is per value in [0, 1], the content in [-1, 1]


def random_case(kind: type) -> tuple[Likelihood, Tensor, Tensor]:
    """Return a likelihood, parameters of two draws for each of five examples, and the examples."""
    build, spec, _ = CASES[kind]
    likelihood = build(spec).eval()
    rng = torch.Generator().manual_seed(0)
    shape = spec.content.shape
    parameters = torch.randn(2, 5, likelihood.outputs, *shape, generator=rng)
    return likelihood, parameters, spec.content.encode(stored(spec.content, rng))


def stored(content: Content, rng: torch.Generator) -> Tensor:
    """Return five examples."""
    if content is ROWS.content:
        a, b = torch.randn(2, 5, generator=rng, dtype=torch.float64)
        return torch.stack(
            [a, b.index_fill(0, torch.tensor([1, 3]), torch.nan), torch.tensor([0, 1, 2, torch.nan, 2])], 1
        )
    pixels = torch.randint(0, 256, (5, *content.shape), generator=rng, dtype=torch.uint8)
    return (pixels > 127) * torch.tensor(255, dtype=torch.uint8) if content is BINARY.content else pixels


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
def test_what_is_drawn_is_the_mean_of_pictures_and_has_the_mean_of_rows(kind):
    likelihood, parameters, _ = random_case(kind)
    many = parameters[:1, :1].expand(20_000, *parameters.shape[1:2], *parameters.shape[2:])[:, :1]
    rng = torch.Generator().manual_seed(1)
    before, mean = rng.get_state(), likelihood.mean(many)
    drawn = likelihood.sample(many, rng)
    assert drawn.shape == mean.shape
    if isinstance(likelihood, Columns):
        assert (drawn.mean(0) - mean[0]).abs().max() < 0.03 and drawn.std(0).min() > 0.1
    else:
        assert torch.equal(drawn, mean) and torch.equal(rng.get_state(), before)


def test_of_rows_a_choice_has_the_cross_entropy_and_numbers_the_density_of_pytorch():
    likelihood, parameters, content = random_case(Columns)
    assert isinstance(likelihood, Columns)
    torch.nn.init.normal_(likelihood.log_sigma, generator=torch.Generator().manual_seed(2))
    values = likelihood.log_prob_of_values(parameters, content)[0]
    outputs = parameters[0, :, 0]
    numbers = torch.distributions.Normal(outputs, likelihood.log_sigma.exp()).log_prob(content)
    absent = content[:, 5] == 1
    assert absent.tolist() == [False, True, False, True, False]
    assert torch.allclose(values[:, 0], numbers[:, 0], atol=1e-5)
    assert torch.allclose(values[:, 1], numbers[:, 1].masked_fill(absent, 0), atol=1e-5)
    entropy = torch.nn.functional.cross_entropy
    modes = -entropy(outputs[:, 2:4], content[:, 2:4].argmax(1), reduction="none").masked_fill(absent, 0)
    flags = -entropy(outputs[:, 4:6], content[:, 4:6].argmax(1), reduction="none")
    levels = -entropy(outputs[:, 6:], content[:, 6:].argmax(1), reduction="none")
    for own, first, last in ((modes, 2, 4), (flags, 4, 6), (levels, 6, 10)):
        assert torch.allclose(values[:, first:last].sum(1), own, atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind is not Columns])
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
