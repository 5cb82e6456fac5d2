"""Densities integrate to one, draws follow them, gradients pass where they should."""

import copy
import itertools
import math
from functools import partial

import pytest
import torch
import zuko
from torch import nn

import genloom.bottlenecks
from discovery import classes, missing
from encoders import encoder
from genloom.batch import Batch
from genloom.bottlenecks.base import Bottleneck
from genloom.bottlenecks.gaussian import Deterministic, Gaussian
from genloom.bottlenecks.ladder import Ladder, _weighted
from genloom.bottlenecks.vector_quantised import VectorQuantised
from genloom.distributions.normal import Normal
from genloom.distributions.posteriors import FlowPosterior
from genloom.distributions.priors import FlowPrior, StandardNormal, VampPrior
from genloom.errors import ConfigError
from genloom.networks.autoencoder.autoregressive import AutoregressivePrior, _scale
from genloom.networks.conditioning import Concatenation

coupling = partial(zuko.flows.MAF, transforms=2, passes=2, hidden_features=[16])


@pytest.fixture(autouse=True)
def weights() -> None:
    torch.manual_seed(3)


def batch(num: int = 5) -> Batch:
    content = torch.randn(num, 4, generator=torch.Generator().manual_seed(0))
    return Batch(content=content, index=torch.arange(num))


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


STOCHASTIC = {
    "flow posterior": partial(Gaussian, dim=2, posterior=partial(FlowPosterior, flow=coupling)),
    "flow prior": partial(Gaussian, dim=2, prior=partial(FlowPrior, flow=coupling)),
    "vamp prior": partial(Gaussian, dim=2, prior=partial(VampPrior, components=3)),
    "ladder": partial(Ladder, dims=(2, 1), hidden=5),
    "three levels": partial(Ladder, dims=(1, 1, 1), hidden=5),
}


EVERY = {
    Deterministic: partial(Deterministic, dim=2),
    Gaussian: partial(Gaussian, dim=2),
    Ladder: partial(Ladder, dims=(2, 1), hidden=5),
    VectorQuantised: partial(VectorQuantised, stages=3, num_codes=4, code_dim=2),
}


def test_every_bottleneck_has_a_case():
    assert missing(classes(Bottleneck, genloom.bottlenecks), EVERY) == []


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_a_bottleneck_infers_as_many_latents_as_are_asked_for_and_the_decoder_can_read_them(kind):
    bottleneck = EVERY[kind](encoder()).eval()
    inference = bottleneck.infer(batch(), 3, rng())
    assert all(drawn.shape[:2] == (3, 5) for drawn in inference.latent.values())
    assert bottleneck.decoder_input(inference.latent).shape == (3, 5, bottleneck.dim)
    assert all(each.shape[0] == 5 for each in inference.kl.values())
    if bottleneck.stochastic:
        assert inference.log_ratio.shape == (3, 5) and set(inference.kl) == set(inference.latent)
    draws = inference.latent.values()
    assert bottleneck.certain == all(torch.equal(drawn[0], drawn[1]) for drawn in draws)
    assert bottleneck.one_vector == (
        list(inference.latent) == ["z"] and bottleneck.dim == inference.latent["z"].shape[2]
    )


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_a_bottleneck_repeats_itself_by_its_generator_and_is_still_without_one(kind):
    bottleneck = EVERY[kind](encoder()).eval()

    def latents(each):
        return list(bottleneck.infer(batch(), 2, each).latent.values())

    assert all(torch.equal(*pair) for pair in zip(latents(rng()), latents(rng()), strict=True))
    for drawn in latents(None):
        torch.testing.assert_close(drawn[0], drawn[1])
    if bottleneck.samples:
        drawn, again = bottleneck.draw(6, rng()), bottleneck.draw(6, rng())
        assert bottleneck.decoder_input(drawn).shape == (6, bottleneck.dim)
        assert all(torch.equal(drawn[name], again[name]) for name in drawn)
        assert set(drawn) == set(bottleneck.infer(batch(), 1, rng()).latent)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_a_gradient_reaches_every_parameter_through_a_bottleneck(kind):
    bottleneck = EVERY[kind](encoder()).train()
    inference = bottleneck.infer(batch(), 2, rng())
    read = inference.decoder_input
    read = bottleneck.decoder_input(inference.latent) if read is None else read
    others = [*inference.kl.values(), *inference.penalties.values()]
    sum((each * torch.randn_like(each)).sum() for each in (read, *others)).backward()
    cut_off = [name for name, each in bottleneck.named_parameters() if each.grad is None or not each.grad.any()]
    assert cut_off == []


@pytest.mark.parametrize("kind", STOCHASTIC)
def test_the_prior_over_the_posterior_averages_to_one(kind):
    inference = STOCHASTIC[kind](encoder()).infer(batch(), 40_000, rng())
    ratio = inference.log_ratio.exp()
    error = 5 * ratio.std(0) / math.sqrt(len(ratio))
    assert ((ratio.mean(0) - 1).abs() < error.clamp_min(1e-3)).all()
    assert error.max() < 0.2  # the check is able to fail


@pytest.mark.parametrize("kind", STOCHASTIC)
def test_the_divergence_is_the_average_of_the_log_ratio(kind):
    inference = STOCHASTIC[kind](encoder()).infer(batch(), 40_000, rng())
    total = torch.stack([kl.sum(1) for kl in inference.kl.values()]).sum(0)
    torch.testing.assert_close(total, -inference.log_ratio.mean(0), atol=0.03, rtol=0.03)


@pytest.mark.parametrize("kind", STOCHASTIC)
def test_sticking_the_landing_changes_gradients_and_no_values(kind):
    bottleneck = STOCHASTIC[kind](encoder())
    unasked = bottleneck.infer(batch(), 3, rng())
    plain, stuck = (bottleneck.infer(batch(), 3, rng(), detach_q=detach) for detach in (False, True))
    torch.testing.assert_close(plain.log_ratio, stuck.log_ratio, atol=1e-4, rtol=1e-4)
    gradients = []
    for inference in (unasked, plain, stuck):
        bottleneck.zero_grad()
        inference.log_ratio.mean().backward()
        gradients.append(next(bottleneck.encoder.parameters()).grad.clone())
    assert not torch.allclose(*gradients[1:], atol=1e-6)
    torch.testing.assert_close(*gradients[:2])


@pytest.mark.parametrize("kind", ["flow prior", "vamp prior"])
def test_draws_of_a_prior_follow_its_density(kind):
    bottleneck = STOCHASTIC[kind](encoder())
    with torch.no_grad():
        drawn = bottleneck.draw(40_000, rng())["z"]
        edges = torch.linspace(-6, 6, 241)
        grid = torch.cartesian_prod((edges[:-1] + edges[1:]) / 2, (edges[:-1] + edges[1:]) / 2)
        mass = bottleneck.prior.log_prob(grid, bottleneck._posterior_of).exp() * 0.05**2
    assert mass.sum() == pytest.approx(1, abs=0.02)
    torch.testing.assert_close(drawn.mean(0), mass @ grid, atol=0.05, rtol=0.05)
    torch.testing.assert_close(drawn.square().mean(0), mass @ grid.square(), atol=0.1, rtol=0.05)


def test_a_vamp_prior_is_the_mixture_of_posteriors():
    bottleneck = STOCHASTIC["vamp prior"](encoder())
    normal = bottleneck._posterior_of(bottleneck.prior.pseudo_inputs.clamp(-1, 1))
    parts = torch.distributions.Normal(normal.mean, (0.5 * normal.log_variance).exp())
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(3)), torch.distributions.Independent(parts, 1)
    )
    z = torch.randn(7, 2)
    torch.testing.assert_close(bottleneck.prior.log_prob(z, bottleneck._posterior_of), mixture.log_prob(z))


def test_a_vamp_prior_of_one_component_is_a_posterior_and_of_none_is_refused():
    normal = Normal(torch.randn(1, 2, generator=rng()), torch.randn(1, 2, generator=rng()))
    z = torch.randn(7, 2, generator=rng())
    exact = torch.distributions.Normal(normal.mean, (0.5 * normal.log_variance).exp()).log_prob(z).sum(1)
    torch.testing.assert_close(VampPrior(2, (1,), components=1).log_prob(z, lambda content: normal), exact)
    with pytest.raises(ConfigError, match=r"prior\.components: 0 is below the limit of 1"):
        VampPrior(2, (1,), components=0)


@pytest.mark.parametrize("log_variance", [-14.0, -8.0, 0.0, 8.0, 14.0])
def test_a_vamp_prior_is_right_however_narrow_its_posteriors_are(log_variance):
    """In single precision, against the sum over components in double."""
    prior = VampPrior(20, (1,), components=30)
    normal = Normal(torch.randn(30, 20, generator=rng()), log_variance + 0.5 * torch.randn(30, 20, generator=rng()))
    z = normal.draw(1, rng())[0].requires_grad_()
    found = prior.log_prob(z, lambda content: normal)
    scale = (0.5 * normal.log_variance.double()).exp()
    parts = torch.distributions.Normal(normal.mean.double(), scale).log_prob(z.detach().double().unsqueeze(1)).sum(-1)
    expected = parts.logsumexp(1) - math.log(30)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-4)
    found.sum().backward()
    assert found.dtype == torch.float32 and z.grad.isfinite().all()


@pytest.mark.parametrize("mean", [0.0, 1e-3, 3.0])
@pytest.mark.parametrize("log_variance", [-15.0, -3.0, -1e-3, 0.0, 1e-4, 0.1, 15.0])
def test_a_divergence_is_right_in_single_precision_however_small(mean, log_variance):
    exact = 0.5 * (mean**2 + math.expm1(log_variance) - log_variance)
    one = Normal(torch.tensor([mean]), torch.tensor([log_variance]))
    assert one.kl().item() == pytest.approx(exact, rel=1e-3, abs=1e-10)
    standard = Normal(torch.zeros(1), torch.zeros(1))
    assert one.kl(standard).item() == pytest.approx(exact, rel=1e-3, abs=1e-10)


def test_a_level_s_posterior_is_the_product_of_the_evidence_and_the_prior():
    """N(0, 1) and N(4, 1/3): precisions 1 and 3 add up, means are weighted by them."""
    prior = Normal(torch.zeros(1), torch.zeros(1))
    evidence = Normal(torch.tensor([4.0]), torch.tensor([1 / 3]).log())
    found = _weighted(evidence, prior)
    torch.testing.assert_close(found.mean, torch.tensor([3.0]))
    torch.testing.assert_close(found.log_variance.exp(), torch.tensor([0.25]))
    z = torch.linspace(-3, 6, 7).unsqueeze(1)
    rest = evidence.log_prob(z) + prior.log_prob(z) - found.log_prob(z)
    torch.testing.assert_close(rest, rest[:1].expand_as(rest))


def test_levels_have_the_lengths_they_were_given_whether_drawn_or_inferred():
    bottleneck = Ladder(encoder(), dims=(4, 3, 2), hidden=5)
    wanted = {"z1": 4, "z2": 3, "z3": 2}
    again, other = bottleneck.draw(6, rng()), bottleneck.draw(6, torch.Generator().manual_seed(2))
    for name, z in bottleneck.draw(6, rng()).items():
        assert torch.equal(z, again[name]) and not torch.equal(z, other[name])
    assert {name: z.shape[-1] for name, z in bottleneck.draw(6, rng()).items()} == wanted
    assert {name: z.shape[-1] for name, z in bottleneck.infer(batch(), 2, rng()).latent.items()} == wanted


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (partial(Ladder, dims=(4,)), "dims: 1 level is below the limit of 2"),
        (partial(Ladder, dims=(4, 0)), "dims: 0 is below the limit of 1"),
        (partial(Ladder, hidden=0), "hidden: 0 is below the limit of 1"),
        (partial(Gaussian, dim=0), "dim: 0 is below the limit of 1"),
        (partial(VectorQuantised, num_codes=0), "num_codes: 0 is below the limit of 1"),
        (partial(VectorQuantised, code_dim=0), "code_dim: 0 is below the limit of 1"),
        (partial(VectorQuantised, stages=0), "stages: 0 is below the limit of 1"),
    ],
)
def test_lengths_below_one_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build(encoder())


def test_the_top_level_is_drawn_standard_normal():
    z = Ladder(encoder(), dims=(4, 3, 2), hidden=5).draw(20_000, rng())["z3"]
    torch.testing.assert_close(z.mean(0), torch.zeros(2), atol=0.03, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(2), atol=0.03, rtol=0)


def test_a_variance_stays_what_a_float_can_hold():
    posterior = Gaussian(encoder(), dim=2).posterior
    with torch.no_grad():
        posterior.parameters_of_q.weight.zero_()
        posterior.parameters_of_q.bias.copy_(torch.tensor([0.0, 0.0, -1e3, 1e3]))
    assert posterior.normal(torch.zeros(1, 6)).log_variance.tolist() == [[-15, 15]]


def test_parts_that_do_not_fit_are_refused_by_both_keys():
    with pytest.raises(ConfigError, match=r"model\.bottleneck\.prior.*model\.conditioning"):
        Gaussian(encoder(Concatenation), prior=VampPrior)
    with pytest.raises(ConfigError, match=r"model\.bottleneck: .*model\.conditioning"):
        VectorQuantised(encoder(Concatenation))
    with pytest.raises(ConfigError, match=r"model\.bottleneck\.prior.*model\.bottleneck\.posterior"):
        Gaussian(encoder(), prior=VampPrior, posterior=partial(FlowPosterior, flow=coupling)).draw(2, rng())
    with pytest.raises(ConfigError, match=r"model\.bottleneck\.dims: 1 level"):
        Ladder(encoder(), dims=(3,))


def test_a_latent_interpolates_as_its_prior_does():
    a, b = ({"z": torch.eye(2)[i : i + 1]} for i in (0, 1))
    spherical = Gaussian(encoder(), dim=2, prior=StandardNormal).interpolate(a, b, 0.5)["z"]
    straight = STOCHASTIC["flow prior"](encoder()).interpolate(a, b, 0.5)["z"]
    assert spherical.norm() == pytest.approx(1) and straight.norm() == pytest.approx(0.5**0.5)


# Codes


def quantised(**changes) -> VectorQuantised:
    arguments = {"stages": 3, "num_codes": 5, "code_dim": 2, "prior": partial(AutoregressivePrior, width=8)}
    return VectorQuantised(encoder(), **arguments | changes)


def vectors_of(bottleneck: VectorQuantised) -> torch.Tensor:
    return bottleneck.project(bottleneck.encoder(batch().content))


def test_each_stage_takes_what_is_nearest_to_the_rest_and_the_decoder_sees_the_sum():
    bottleneck = quantised().eval()
    inference = bottleneck.infer(batch(), 2, None)
    rest = vectors_of(bottleneck)
    for stage, codebook in enumerate(bottleneck.codebooks):
        nearest = torch.cdist(rest, codebook).argmin(-1)
        assert torch.equal(inference.latent["codes"][1][:, stage], nearest)
        rest = rest - codebook[nearest]
    torch.testing.assert_close(inference.decoder_input[0], vectors_of(bottleneck) - rest)
    torch.testing.assert_close(inference.decoder_input, bottleneck.decoder_input(inference.latent))


def test_the_gradient_goes_straight_through_and_commitment_adds_its_own():
    bottleneck = quantised(commitment=0.5).eval()
    inference = bottleneck.infer(batch(), 1, None)
    direction = torch.randn_like(inference.decoder_input)
    bias = bottleneck.project.bias
    (straight,) = torch.autograd.grad((inference.decoder_input * direction).sum(), bias, retain_graph=True)
    torch.testing.assert_close(straight, direction.sum((0, 1)))
    (pull,) = torch.autograd.grad(inference.penalties["commitment"], bias)
    codes = bottleneck.decoder_input({"codes": inference.latent["codes"][0]})
    torch.testing.assert_close(pull, (2 * 0.5 * (vectors_of(bottleneck) - codes)).mean(0))


def test_the_prior_of_codes_gives_the_encoder_no_gradient():
    bottleneck = quantised().eval()
    for loss in (bottleneck.infer(batch(), 1, None).kl["codes"].sum(), bottleneck.loss_apart(batch())):
        bottleneck.zero_grad()
        loss.backward()
        assert all(parameter.grad is None for parameter in bottleneck.encoder.parameters())
        assert all(parameter.grad is not None for parameter in bottleneck.apart.parameters())


def test_the_prior_alone_learns_the_divergence_and_moves_nothing_else():
    bottleneck = quantised(prior=partial(AutoregressivePrior, width=8, dropout=0.0))
    before = copy.deepcopy(bottleneck.state_dict())
    loss = bottleneck.loss_apart(batch())
    assert all(torch.equal(value, before[name]) for name, value in bottleneck.state_dict().items())
    assert bottleneck.encoder.training
    torch.testing.assert_close(loss, bottleneck.eval().infer(batch(), 1, None).kl["codes"].sum(1).mean())


def test_the_codebook_moves_to_the_means_and_unused_codes_to_where_content_is():
    bottleneck = quantised(decay=0.5, revive_below=0.1)
    bottleneck.codebooks[1] = torch.tensor([[0.0, 0.0], [10.0, 0.0], [90.0, 90.0], [91.0, 90.0], [92.0, 90.0]])
    bottleneck.uses[1] = torch.tensor([2.0, 2.0, 0.0, 0.0, 0.0])
    others = bottleneck.codebooks[::2].clone()
    vectors = torch.tensor([[1.0, 1.0], [3.0, 1.0], [10.0, 2.0], [12.0, 2.0]])
    bottleneck._follow(1, vectors, torch.tensor([0, 0, 1, 1]), rng())
    codebook = bottleneck.codebooks[1]
    torch.testing.assert_close(codebook[0], torch.tensor([1.0, 0.5]))  # (2·0 + 2·mean) / 4
    torch.testing.assert_close(codebook[1], torch.tensor([10.5, 1.0]))
    for code in codebook[2:]:
        assert any(torch.equal(code, vector) for vector in vectors)
    torch.testing.assert_close(bottleneck.uses[1], torch.tensor([2.0, 2.0, 0.8, 0.8, 0.8]))
    assert torch.equal(bottleneck.codebooks[::2], others)


def test_the_codebook_follows_the_moving_averages_of_the_paper():
    """Appendix A.1: N ← γ N + (1 − γ) n, m ← γ m + (1 − γ) Σ z, e = m / N."""
    bottleneck = quantised(decay=0.9, revive_below=0.0, num_codes=3)
    bottleneck.uses[0] = torch.tensor([4.0, 1.0, 2.0])
    uses = bottleneck.uses[0].double()
    sums = bottleneck.codebooks[0].double() * uses.unsqueeze(1)
    for _ in range(3):
        vectors, codes = torch.randn(8, 2), torch.randint(3, (8,))
        bottleneck._follow(0, vectors, codes, rng())
        of_code = nn.functional.one_hot(codes, 3).double()
        uses, sums = 0.9 * uses + 0.1 * of_code.sum(0), 0.9 * sums + 0.1 * of_code.T @ vectors.double()
        torch.testing.assert_close(bottleneck.uses[0].double(), uses, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(bottleneck.codebooks[0].double(), sums / uses.unsqueeze(1), atol=1e-5, rtol=1e-4)


def test_a_code_is_put_elsewhere_where_it_is_used_less_than_the_stated_share_of_a_uniform_use():
    bottleneck = quantised(decay=0.5, revive_below=0.2, num_codes=4)  # 8 vectors: 2 a code, the limit is 0.4
    bottleneck.uses[0] = torch.tensor([9.0, 0.78, 0.82, 9.0])  # of which half remains: 0.39 and 0.41
    before = bottleneck.codebooks[0].clone()
    vectors = torch.randn(8, 2) + 50
    bottleneck._follow(0, vectors, torch.tensor([0, 0, 0, 0, 3, 3, 3, 3]), rng())
    assert any(torch.equal(bottleneck.codebooks[0][1], vector) for vector in vectors)
    torch.testing.assert_close(bottleneck.codebooks[0][2], before[2])
    torch.testing.assert_close(bottleneck.uses[0], torch.tensor([6.5, 2.0, 0.41, 6.5]))


def test_processes_move_a_codebook_by_all_their_batches_and_put_unused_codes_where_the_first_says(monkeypatch):
    """Two processes of equal batches: all that is summed doubles."""

    def broadcast(spots: torch.Tensor, source: int) -> None:
        assert source == 0
        spots.fill_(7)

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda value: value.mul_(2))
    monkeypatch.setattr(torch.distributed, "broadcast", broadcast)
    bottleneck = quantised(decay=0.5, revive_below=0.1, num_codes=2)
    bottleneck.codebooks[0], bottleneck.uses[0] = torch.zeros(2, 2), torch.tensor([4.0, 0.0])
    bottleneck._follow(0, torch.tensor([[1.0, 3.0], [3.0, 1.0]]), torch.tensor([0, 0]), rng())
    torch.testing.assert_close(bottleneck.codebooks[0], torch.tensor([[1.0, 1.0], [7.0, 7.0]]))  # 4 · 0 + 4 · 2, by 8
    torch.testing.assert_close(bottleneck.uses[0], torch.tensor([4.0, 2.0]))


def test_a_codebook_follows_at_least_a_little():
    quantised(decay=0.0)
    for decay in (-0.1, 1.0):
        with pytest.raises(ConfigError, match=rf"model\.bottleneck\.decay: {decay} is not within 0 and 1"):
            quantised(decay=decay)


def test_evaluation_leaves_the_codebook_alone():
    bottleneck = quantised()
    before = bottleneck.codebooks.clone()
    bottleneck.infer(batch(), 1, None)  # nothing random: an evaluation
    bottleneck.eval().infer(batch(), 1, rng())
    assert torch.equal(bottleneck.codebooks, before)
    bottleneck.train().infer(batch(), 1, rng())
    assert not torch.equal(bottleneck.codebooks, before)


# The prior of codes


def test_probabilities_of_all_sequences_sum_to_one_and_draws_follow_them():
    prior = AutoregressivePrior(3, 2, 4, width=8).eval()
    vectors = torch.randn(2, 3, 4)
    with torch.no_grad():
        prior.logits.mul_(8)  # far from uniform
        every = torch.tensor(list(itertools.product(range(3), repeat=2)))
        probabilities = prior(every, vectors).sum(1).exp()
        drawn = prior.draw(40_000, vectors, rng())
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert probabilities.max() > 2 / 9
    independent = probabilities.view(3, 3).sum(1, keepdim=True) * probabilities.view(3, 3).sum(0)
    assert (independent.flatten() - probabilities).abs().max() > 0.02  # the second code depends on the first
    seen = torch.bincount(drawn[:, 0] * 3 + drawn[:, 1], minlength=9) / len(drawn)
    torch.testing.assert_close(seen, probabilities, atol=0.01, rtol=0)


def test_what_a_prior_of_codes_sees_has_a_mean_variance_of_one_and_so_has_what_it_makes_of_it():
    """Sums of codes that are chosen independently; the first codes' vectors are largest."""
    prior = AutoregressivePrior(50, 4, 30, width=400)
    vectors = torch.randn(4, 50, 30) * torch.tensor([8.0, 4.0, 2.0, 1.0]).view(4, 1, 1) + 3
    codes = torch.randint(50, (4000, 4))
    sums = torch.stack([vectors[place][codes[:, place]] for place in range(4)]).sum(0) * _scale(vectors)
    assert sums.var(0).mean().item() == pytest.approx(1, rel=0.05)
    assert _scale(torch.zeros(2, 3, 4)).isfinite()
    assert prior.first.std().item() == pytest.approx(30**-0.5, rel=0.05)
    assert prior.logits.std().item() == pytest.approx(0.3 / 20, rel=0.05)
    assert not prior.first_bias.any() and not prior.hidden_bias.any() and not prior.logits_bias.any()


def test_a_prior_of_codes_is_its_equations():
    """h = gelu(norm(W_i Σ e + b_i)), h + gelu(norm(U h + c_i)), then a map of the place's own."""
    prior = AutoregressivePrior(4, 3, 2, width=5).eval()
    with torch.no_grad():
        for parameter in prior.parameters():
            nn.init.normal_(parameter)
    vectors, codes = torch.randn(3, 4, 2), torch.randint(4, (6, 3))
    before = torch.zeros(6, 2)
    for place in range(3):
        x = before * _scale(vectors) @ prior.first[place] + prior.first_bias[place]
        h = nn.functional.gelu(nn.functional.layer_norm(x, (5,), prior.norms[0].weight, prior.norms[0].bias))
        x = h @ prior.hidden.weight.T + prior.hidden.bias + prior.hidden_bias[place]
        h = h + nn.functional.gelu(nn.functional.layer_norm(x, (5,), prior.norms[1].weight, prior.norms[1].bias))
        logits = h @ prior.logits[place] + prior.logits_bias[place]
        expected = -nn.functional.cross_entropy(logits, codes[:, place], reduction="none")
        torch.testing.assert_close(prior(codes, vectors)[:, place], expected, atol=1e-4, rtol=1e-4)
        before = before + vectors[place][codes[:, place]]


def test_a_prior_of_codes_has_at_least_one_unit():
    assert AutoregressivePrior(3, 2, 4, width=1).draw(5, torch.randn(2, 3, 4), rng()).shape == (5, 2)
    with pytest.raises(ConfigError, match=r"model\.bottleneck\.prior\.width: 0 is below the limit of 1"):
        AutoregressivePrior(3, 2, 4, width=0)


def test_a_later_code_does_not_change_what_is_known_of_an_earlier_one():
    prior = AutoregressivePrior(4, 5, 3, width=8).eval()
    vectors = torch.randn(5, 4, 3)
    codes = torch.zeros(1, 5, dtype=torch.long)
    changed = codes.clone()
    changed[0, 3] = 2
    before, after = prior(codes, vectors)[0], prior(changed, vectors)[0]
    assert torch.equal(before[:3], after[:3])
    assert before[4] != after[4]


def test_modules_are_copied_with_their_encoder():
    """An average of weights is a deep copy: a prior made of posteriors must use its own encoder."""
    original = STOCHASTIC["vamp prior"](encoder())
    copied = copy.deepcopy(original)
    with torch.no_grad():
        for parameter in original.encoder.parameters():
            parameter.zero_()
    assert isinstance(copied.encoder, nn.Module)
    assert not torch.equal(original.draw(4, rng())["z"], copied.draw(4, rng())["z"])
