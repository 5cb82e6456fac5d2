import math

import pytest
import torch

from encoders import encoder
from genloom.batch import Batch
from genloom.bottlenecks.base import Inference
from genloom.bottlenecks.gaussian import Deterministic, Gaussian
from genloom.distributions.normal import Normal
from genloom.errors import ConfigError
from genloom.objectives.vae import BetaTc, Constant, CyclicalWarmup, Elbo, Iwae, LinearWarmup, stratified_log_weights
from objectives.linear_gaussian import LinearGaussian


def loss_of(objective, model, batch: Batch, *, iteration: int = 0, seed: int = 2):
    rng = torch.Generator().manual_seed(seed)
    return objective(model, batch, iteration=iteration, num_examples=1000, rng=rng)


def test_with_the_exact_posterior_every_bound_is_the_log_likelihood():
    model = LinearGaussian()
    batch = model.examples(400)
    truth = model.log_prob(batch).mean().item()
    for k in (1, 5):  # each single draw's weight is the likelihood: no variance at all
        assert -loss_of(Iwae(k=k), model, batch).total.item() == pytest.approx(truth, abs=1e-9)
    elbo = -loss_of(Elbo(k=200), model, batch).total.item()  # the divergence is in closed form, the rest is estimated
    assert elbo == pytest.approx(truth, abs=0.02)


def test_with_a_wrong_posterior_the_bounds_rise_towards_the_log_likelihood():
    model = LinearGaussian(widen=1.6, shift=0.3)
    batch = model.examples(2000)
    truth = model.log_prob(batch).mean().item()
    bounds = [-loss_of(objective, model, batch).total.item() for objective in (Elbo(k=50), Iwae(k=5), Iwae(k=50))]
    assert bounds[0] + 0.05 < bounds[1] < bounds[2] - 0.02 < truth


def test_the_elbo_falls_short_by_the_divergence_from_the_exact_posterior():
    exact, wrong = LinearGaussian(), LinearGaussian(widen=1.6, shift=0.3)
    batch = exact.examples(500)
    gap = exact.log_prob(batch).mean() + loss_of(Elbo(k=400), wrong, batch).total
    rng = torch.Generator()
    q, p = (model.infer(batch, 1, rng).posterior for model in (wrong, exact))
    assert q is not None and p is not None
    assert gap.item() == pytest.approx(q.kl(p).sum(1).mean().item(), abs=0.02)


def test_sticking_the_landing_has_no_gradient_where_the_posterior_is_exact():
    batch = LinearGaussian().examples(3)
    norms = {}
    for stick in (True, False):
        model = LinearGaussian()
        loss_of(Iwae(k=1, stick_the_landing=stick), model, batch).total.backward()
        assert model.shift.grad is not None
        norms[stick] = model.shift.grad.norm().item()
    assert norms[True] < 1e-12
    model = LinearGaussian(widen=2.0)
    loss_of(Iwae(k=1, stick_the_landing=True), model, batch).total.backward()
    assert model.shift.grad is not None and model.shift.grad.norm() > 1e-3


@pytest.mark.parametrize("other", [None, Normal(torch.tensor([0.4]), torch.tensor([0.7]))])
def test_the_divergence_is_that_of_the_closed_form(other):
    ours = Normal(torch.tensor([-0.3]), torch.tensor([-1.2]))
    target = other or Normal(torch.zeros(1), torch.zeros(1))
    reference = torch.distributions.kl_divergence(
        *(torch.distributions.Normal(each.mean, (0.5 * each.log_variance).exp()) for each in (ours, target))
    )
    assert ours.kl(other).item() == pytest.approx(reference.item(), abs=1e-6)


@pytest.mark.parametrize("objective", [Elbo(), Elbo(k=3), Iwae(k=3), BetaTc()], ids=["elbo", "k3", "iwae", "tc"])
def test_what_is_logged_holds_no_graph(objective):
    model = LinearGaussian(widen=1.6)
    loss = loss_of(objective, model, model.examples(20))
    assert loss.total.requires_grad
    assert not any(value.requires_grad for value in loss.terms().values())


def test_weights_of_the_divergence():
    assert [Constant(3.0)(i) for i in (0, 9)] == [3.0, 3.0]
    assert [LinearWarmup(10, 2.0)(i) for i in (0, 5, 10, 99)] == [0.0, 1.0, 2.0, 2.0]
    assert [LinearWarmup(0, 2.0)(i) for i in (0, 1)] == [0.0, 2.0]
    assert [CyclicalWarmup(2, rising_share=0.0, value=4.0)(i) for i in (0, 1, 2, 3)] == [0.0, 4.0, 0.0, 4.0]
    cycle = CyclicalWarmup(10, rising_share=0.5, value=4.0)
    assert [cycle(i) for i in (0, 2, 5, 9, 10, 12)] == pytest.approx([0.0, 1.6, 4.0, 4.0, 0.0, 1.6])


def test_beta_multiplies_the_divergence_and_the_log_keeps_the_bound():
    model = LinearGaussian(shift=0.5)
    batch = model.examples(50)
    plain, heavy = (loss_of(Elbo(beta=Constant(beta)), model, batch) for beta in (1.0, 4.0))
    assert (heavy.total - plain.total).item() == pytest.approx(3 * plain.terms()["kl"].item())
    assert heavy.terms()["elbo"].item() == pytest.approx(-plain.total.item())
    start = loss_of(Elbo(beta=LinearWarmup(100)), model, batch, iteration=0)
    assert start.total.item() == pytest.approx(start.terms()["reconstruction"].item())


def test_free_bits_hold_each_unit_s_divergence_without_a_gradient_below_the_limit():
    model = LinearGaussian(shift=0.5)
    batch = model.examples(50)
    kl = model.infer(batch, 1, torch.Generator()).kl["z"].mean(0)
    limit = kl.median().item()
    plain, free = (loss_of(Elbo(free_nats=nats), model, batch).total for nats in (0.0, limit))
    assert (free - plain).item() == pytest.approx((kl.clamp_min(limit) - kl).sum().item())


def test_without_densities_the_loss_is_the_reconstruction_alone():
    class Plain:
        def infer(self, batch, k, rng, *, detach_q=False):
            return Deterministic(encoder(), dim=2).infer(batch, k, rng)

        def log_likelihood(self, inference, batch):
            return torch.full((1, 5), -2.5)

    loss = loss_of(Elbo(), Plain(), Batch(content=torch.zeros(5, 4), index=torch.arange(5)))
    assert loss.total.item() == 2.5
    assert loss.terms()["kl"].item() == 0


def test_the_three_parts_of_the_total_correlation_objective_add_up_to_the_divergence():
    model = LinearGaussian(widen=1.3)
    batch = model.examples(64)
    loss = loss_of(BetaTc(alpha=1, beta=Constant(1), gamma=1), model, batch)
    terms = loss.terms()
    parts = terms["information"] + terms["total_correlation"] + terms["dimension_wise_kl"]
    inference = model.infer(batch, 1, torch.Generator().manual_seed(2))
    assert parts.item() == pytest.approx(-inference.log_ratio.mean().item())
    assert loss.total.item() == pytest.approx((terms["reconstruction"] + parts).item())


@pytest.mark.parametrize(
    ("weight", "term"), [("alpha", "information"), ("beta", "total_correlation"), ("gamma", "dimension_wise_kl")]
)
def test_each_weight_of_the_total_correlation_objective_is_that_of_its_term(weight, term):
    model = LinearGaussian(widen=1.3)
    batch = model.examples(64)
    ones = {"alpha": 1.0, "beta": Constant(1.0), "gamma": 1.0}
    plain = loss_of(BetaTc(**ones), model, batch)
    heavy = loss_of(BetaTc(**ones | {weight: Constant(4.0) if weight == "beta" else 4.0}), model, batch)
    assert abs(plain.terms()[term].item()) > 0.01
    assert (heavy.total - plain.total).item() == pytest.approx(3 * plain.terms()[term].item())


def test_the_weight_of_the_total_correlation_follows_the_iteration():
    model = LinearGaussian(widen=1.3)
    batch = model.examples(64)
    losses = [loss_of(BetaTc(beta=beta), model, batch) for beta in (LinearWarmup(10, 6.0), Constant(0), Constant(6))]
    start, without, full = (loss.total.item() for loss in losses)
    assert start == without  # the warm-up's first iteration
    assert full - without == pytest.approx(6 * losses[0].terms()["total_correlation"].item(), rel=1e-4)


def test_the_weights_of_the_aggregate_posterior_are_those_of_the_paper_and_sum_to_one():
    double = torch.zeros((), dtype=torch.float64)
    weights = stratified_log_weights(5, 100, like=double).exp()
    assert torch.allclose(weights.sum(1), torch.ones(5, dtype=torch.float64))
    assert torch.allclose(weights.diagonal(), torch.full((5,), 1 / 100, dtype=torch.float64))
    assert sorted(weights[4].tolist()) == pytest.approx([0.01, 0.24, 0.25, 0.25, 0.25])
    assert weights.sum(0).tolist() == pytest.approx([1] * 5), "each example stands for the absent ones once"
    least = stratified_log_weights(2, 100, like=double).exp()
    assert least.flatten().tolist() == pytest.approx([0.01, 0.99, 0.99, 0.01])
    with pytest.raises(ConfigError, match=r"data\.batch_size.* 1$"):
        stratified_log_weights(1, 100, like=double)


class Correlated:
    """q(z) is a Gaussian: unit means of correlation 0.8, and a posterior of deviation ``noise`` around them."""

    rho = 0.8

    def __init__(self, noise: float) -> None:
        self.noise = noise
        self.correlation = self.rho / (1 + noise**2)  # of q(z)
        self.total_correlation = -0.5 * math.log(1 - self.correlation**2)
        self.information = math.log((1 + noise**2) / noise**2) - self.total_correlation

    def infer(self, batch, k, rng, *, detach_q=False):
        a, b = torch.randn(len(batch), 2, generator=rng, dtype=torch.float64).T
        mean = torch.stack([a, self.rho * a + math.sqrt(1 - self.rho**2) * b], dim=1)
        posterior = Normal(mean, torch.full_like(mean, 2 * math.log(self.noise)))
        z = posterior.draw(k, rng)
        prior = Normal(torch.zeros_like(mean), torch.zeros_like(mean))
        log_ratio = (prior.log_prob(z) - posterior.log_prob(z)).sum(-1)
        return Inference({"z": z}, {"z": posterior.kl()}, lambda: log_ratio, posterior)

    def log_likelihood(self, inference, batch):
        return torch.zeros(1, len(batch), dtype=torch.float64)


def terms_of_total_correlation(model: Correlated, batch_size: int, num_examples: int) -> tuple[float, float]:
    """Return total correlation and mutual information, averaged over 6,000 examples."""
    rng = torch.Generator().manual_seed(4)
    batch = Batch(content=torch.zeros(batch_size, 1), index=torch.arange(batch_size))
    terms = [
        BetaTc()(model, batch, iteration=0, num_examples=num_examples, rng=rng).terms()
        for _ in range(6000 // batch_size)
    ]
    correlation, information = (
        torch.stack([each[name] for each in terms]).mean().item() for name in ("total_correlation", "information")
    )
    return correlation, information


@pytest.mark.parametrize(
    ("noise", "batch_size", "num_examples"), [(0.2, 2000, 2000), (0.2, 2000, 30_000), (0.5, 64, 30_000)]
)
def test_total_correlation_and_information_are_estimated_right_on_a_known_aggregate(noise, batch_size, num_examples):
    model = Correlated(noise)
    correlation, information = terms_of_total_correlation(model, batch_size, num_examples)
    assert correlation == pytest.approx(model.total_correlation, abs=0.06)
    assert information == pytest.approx(model.information, abs=0.1)


def test_a_batch_too_small_for_what_the_latents_say_gives_too_low_a_total_correlation():
    """Jensen's inequality: 4.1 nats of information need more than 64 examples to find neighbours of z among."""
    model = Correlated(0.1)
    correlation, information = terms_of_total_correlation(model, 64, 30_000)
    assert correlation < model.total_correlation - 0.3
    assert information > model.information + 0.3


def test_a_posterior_of_unit_variance_and_zero_mean_costs_nothing():
    bottleneck = Gaussian(encoder(), dim=3)
    with torch.no_grad():
        for parameter in bottleneck.parameters():
            parameter.zero_()
    batch = Batch(content=torch.randn(7, 4), index=torch.arange(7))
    inference = bottleneck.infer(batch, 2, torch.Generator())
    assert inference.kl["z"].abs().max() == 0
    assert inference.log_ratio.abs().max() < 1e-5
    assert inference.latent["z"].shape == (2, 7, 3)
