"""Likelihoods of diffusion models held against what is known exactly."""

import math

import pytest
import torch

from genloom.batch import NOTHING
from genloom.contents.image import ImageContent
from genloom.contents.vector import VectorContent
from genloom.diffusion.likelihood import Bound, Flow
from genloom.diffusion.noise_levels import LogUniform
from genloom.diffusion.prediction import V
from genloom.diffusion.process import Cosine, Denoised, Linear, RectifiedFlow, VarianceExploding
from genloom.distributions.likelihoods.gaussian import Gaussian
from genloom.errors import ConfigError
from genloom.judging.candidate import candidates_of
from genloom.judging.judge import Judge
from genloom.metrics.likelihood import Likelihood
from genloom.models.abilities import Scores
from genloom.objectives.variational_bound import VariationalBound
from genloom.spec import Spec

PROCESSES = [Linear(), Cosine(offset=0.008), RectifiedFlow(), RectifiedFlow(shift=3.0), VarianceExploding()]
MEAN = torch.tensor([0.3, -0.7, 0.1], dtype=torch.float64)
FACTOR = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.2, 0.0], [-0.4, 0.1, 0.1]], dtype=torch.float64)  # of the covariance
GAUSSIAN = torch.distributions.MultivariateNormal(MEAN, scale_tril=FACTOR)


def name(part) -> str:
    return f"{type(part).__name__}{'-'.join(str(value) for value in vars(part).values() if value)}"[:40]


def exact(noised, level) -> Denoised:
    """Return the exact sides of noised content, of which the clean one is normal."""
    total = level.alpha.square()[..., None] * (FACTOR @ FACTOR.T)
    total = total + level.sigma.square()[..., None] * torch.eye(3, dtype=torch.float64)
    left = torch.linalg.solve(total, (noised - level.alpha * MEAN)[..., None])[..., 0]
    return Denoised(MEAN + level.alpha * left @ (FACTOR @ FACTOR.T), level.sigma * left)


def scored(scoring, process, content, *, denoise=exact, alphabet=None, num=1):
    rng = torch.Generator().manual_seed(0)
    return scoring(denoise, content, process, alphabet=alphabet, num=num, rng=rng)


@pytest.fixture(scope="module")
def content():
    standard = torch.randn(1000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return MEAN + standard @ FACTOR.T


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_the_flows_likelihood_of_gaussian_content_is_the_exact_one(process, content):
    difference = (scored(Flow(sigma_min=0.002), process, content) - GAUSSIAN.log_prob(content)) / 3  # nats a dimension
    assert abs(difference.mean()) < 0.01
    assert difference.abs().max() < 0.1  # by what little noise does to an example


def test_a_trace_by_random_signs_is_right_in_the_mean(content):
    process = RectifiedFlow()
    difference = scored(Flow(exact_up_to=0), process, content, num=4) - scored(Flow(), process, content, num=1)
    error = difference.std() / len(content) ** 0.5
    assert abs(difference.mean()) < 2.5 * error < 0.1


def test_the_bound_of_gaussian_content_lies_a_little_below_the_exact_likelihood(content):
    truth = GAUSSIAN.log_prob(content)
    for process in PROCESSES:
        gap = (truth - scored(Bound(sigma_min=0.002), process, content, num=32)) / 3
        error = gap.std() / len(gap) ** 0.5
        assert -2.5 * error < gap.mean() < 0.1, process


@pytest.mark.parametrize("way", [Bound(sigma_max=1.0), Flow(sigma_max=1.0)], ids=name)
def test_where_noise_ends_early_both_lie_below_by_what_the_prior_is_off(way, content):
    total = torch.distributions.MultivariateNormal(MEAN, FACTOR @ FACTOR.T + torch.eye(3, dtype=torch.float64))
    prior = torch.distributions.MultivariateNormal(torch.zeros_like(MEAN), torch.eye(3, dtype=torch.float64))
    off = torch.distributions.kl_divergence(total, prior)
    gap = GAUSSIAN.log_prob(content) - scored(way, VarianceExploding(), content, num=32 if way.kind == "bound" else 1)
    assert off > 0.2
    assert gap.mean() == pytest.approx(off.item(), abs=2.5 * gap.std().item() / len(gap) ** 0.5)


def test_what_a_denoiser_lacks_lowers_the_bound(content):
    def worse(noised, level):
        found = exact(noised, level)
        return Denoised(found.clean, found.noise + 0.1)

    process = RectifiedFlow()
    lower = scored(Bound(), process, content, denoise=worse, num=8)
    lost = (scored(Bound(), process, content, num=8) - lower).mean()
    assert lost == pytest.approx(0.03 * math.log(80 / 0.01), rel=0.5)  # 0.1² each, and what of it the noise cancels


ALPHABET, SHARES = (-1.0, -0.5, 0.5, 1.0), torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)


def of_an_alphabet(noised, level) -> Denoised:
    """Return the exact sides of noised content whose values are independent, each one of the alphabet."""
    values = torch.tensor(ALPHABET, dtype=torch.float64)
    logits = SHARES.log() - (noised[..., None] - level.alpha[..., None] * values).square() / (
        2 * level.sigma[..., None].square()
    )
    clean = (logits.softmax(-1) * values).sum(-1)
    return Denoised(clean, (noised - level.alpha * clean) / level.sigma)


@pytest.mark.parametrize("sigma_min", [0.02, 0.3])
def test_of_content_of_certain_values_it_is_a_probability(sigma_min):
    rng = torch.Generator().manual_seed(2)
    places = torch.multinomial(SHARES, 1600, replacement=True, generator=rng).view(400, 4)
    content, truth = torch.tensor(ALPHABET, dtype=torch.float64)[places], SHARES.log()[places].sum(1)
    for way, num in ((Bound(sigma_min=sigma_min), 16), (Flow(sigma_min=sigma_min), 2)):
        found = scored(way, RectifiedFlow(), content, denoise=of_an_alphabet, alphabet=ALPHABET, num=num)
        gap = (truth - found) / 4
        error = gap.std() / len(gap) ** 0.5
        if sigma_min < 0.1:  # the values are told apart
            assert abs(gap.mean()) < max(2.5 * error, 0.01)
        else:  # p(x | y) takes all values for alike, and so is a bound
            assert 0.01 < gap.mean() < 0.3


def test_a_grey_level_has_its_share_among_all_of_them():
    grey = ImageContent(1, 4, 4).alphabet
    content = torch.tensor(grey, dtype=torch.float64).view(16, 1, 4, 4)
    seen = {}

    def denoise(noised, level):
        seen["noise"] = (noised - level.alpha * content) / level.sigma
        return Denoised(noised, torch.zeros_like(noised))

    for sigma_min in (0.002, 0.01, 0.5):
        way = Bound(sigma_min=sigma_min)
        without = scored(way, RectifiedFlow(), content, denoise=denoise)
        found = scored(way, RectifiedFlow(), content, denoise=denoise, alphabet=grey) - without
        y = content + sigma_min * seen["noise"]
        logits = -(y[..., None] - torch.tensor(grey, dtype=torch.float64)).square() / (2 * sigma_min**2)
        share = logits.log_softmax(-1).flatten(0, -2)[torch.arange(256), torch.arange(256)]
        density = torch.distributions.Normal(content, sigma_min).log_prob(y).flatten()
        torch.testing.assert_close(found, (share - density).view(16, 16).sum(1), atol=1e-6, rtol=0)


def test_the_objective_is_what_a_network_has_a_say_in_of_the_bound_in_nats(content):
    class Exact:
        process, prediction = RectifiedFlow(), V()

        def said(self, noised, level, given):
            return self.prediction.said(exact(noised, level), level, self.process)

    objective, rng = VariationalBound(sigma_min=0.02, sigma_max=20.0), torch.Generator().manual_seed(0)
    content = content.repeat(20, 1)
    level = objective.noise_levels.draw(len(content), Exact.process, rng)
    noise = torch.randn(content.shape, generator=rng, dtype=torch.float64)
    loss = objective(Exact(), content, (level,), noise, NOTHING)
    variances = torch.linalg.eigvalsh(FACTOR @ FACTOR.T)
    by_hand = 0.5 * (torch.log1p(variances / 0.02**2) - torch.log1p(variances / 20.0**2)).sum()
    assert loss.total == pytest.approx(by_hand.item(), rel=0.01)
    terms = loss.terms()  # of each value: the less noise, the nearer is its error to the noise itself
    assert 0.8 < terms["level_1"] < 1.1 and terms["level_8"] < 0.01


def test_a_networks_flow_is_scored_as_its_bound_is_and_by_the_weights_that_are_used(tiny_diffusion, tiny_batch):
    model = tiny_diffusion(scoring=Flow(steps=3), ema_half_life_examples=10)
    with torch.no_grad():
        for parameter in model.denoiser.parameters():
            parameter.add_(0.1)

    def by(model, seed=0):
        return model.log_prob(tiny_batch, num_samples=2, rng=torch.Generator().manual_seed(seed))

    with torch.inference_mode():  # whoever asks
        found = by(model)
    assert found.shape == (len(tiny_batch),) and found.isfinite().all() and not found.requires_grad
    assert torch.equal(by(model), found) and not torch.equal(by(model, seed=1), found)
    assert not torch.equal(by(model.using("raw")), found)
    assert all(parameter.grad is None for parameter in model.parameters())
    model.scoring = Bound()
    assert by(model).isfinite().all()


def test_who_has_a_density_scores(tiny_diffusion):
    assert Scores not in tiny_diffusion().abilities  # nobody said how
    pictures = tiny_diffusion(scoring=Bound())
    assert Scores in pictures.abilities and isinstance(pictures, Scores)
    assert (pictures.likelihood_measure, pictures.likelihood_kind) == ("probability", "bound")
    points = tiny_diffusion(scoring=Flow(), spec=Spec("points", VectorContent(2)))
    assert (points.likelihood_measure, points.likelihood_kind) == (Gaussian.measure, "estimate")


def test_pixels_have_the_levels_that_they_are_stored_at():
    grey, black_and_white = ImageContent(1, 8, 8), ImageContent(1, 8, 8, binary=True)
    assert len(grey.alphabet) == 256 and (grey.alphabet[0], grey.alphabet[255]) == (-1, 1)
    assert grey.encode(torch.full((1, 1, 1), 77, dtype=torch.uint8)).item() == grey.alphabet[77]
    assert black_and_white.alphabet == (-1, 1)
    assert Spec("points", VectorContent(2)).content.alphabet is None


def test_its_bits_per_dimension_stand_where_those_of_other_models_do(tiny_diffusion, tiny_data, tmp_path):
    model = tiny_diffusion(scoring=Bound())
    judge = Judge({}, {"likelihood": Likelihood(num_draws=3)}, cache_dir=tmp_path)
    candidates = candidates_of(model, model.weight_sets, seed=0, examples=lambda: tiny_data.split("test"))
    verdict = judge.judge(tiny_data, candidates)
    assert {row.metric for row in verdict.rows} == {"nll_bound", "bits_per_dim"}
    score = verdict["nll_bound"].scores["raw"]
    assert score.details == {"draws": 3, "examples": 100, "measure": "probability", "kind": "bound"}
    bits = score.value / math.prod(tiny_data.describe().content.shape) / math.log(2)
    assert verdict["bits_per_dim"].scores["raw"].value == pytest.approx(bits)
    quick = judge.judge(tiny_data, candidates, reference_split="val", heldout_split=None)
    assert not quick.rows  # a check during training takes no time for it


def test_limits_are_named():
    with pytest.raises(ConfigError, match=r"model.scoring.sigma_min: 80 is not above 0 and below .*sigma_max=80.0"):
        Bound(sigma_min=80)
    with pytest.raises(ConfigError, match=r"model.objective.sigma_min: 90 is not above 0 and below .*sigma_max=80.0"):
        VariationalBound(sigma_min=90)
    with pytest.raises(ConfigError, match=r"noise_levels.sigma_min: 90 is not above 0 and below .*sigma_max=80.0"):
        LogUniform(sigma_min=90)
    with pytest.raises(ConfigError, match=r"model.scoring.steps: 0 is below the limit of 1"):
        Flow(steps=0)
