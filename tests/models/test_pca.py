import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Theirs

from genloom import randomness
from genloom.contents.vector import VectorContent
from genloom.data.images.base import Images
from genloom.errors import ConfigError
from genloom.metrics.reconstruction import pca_error
from genloom.models.abilities import Encodes, HasLatents, Reconstructs, Samples, Scores
from genloom.models.pca import PCA
from genloom.runs import checkpoint, loading
from genloom.spec import Spec

DIM = 3


def build(spec: Spec, dim: int = DIM, *, lr: float = 1.0, **changes) -> PCA:
    torch.manual_seed(0)
    return PCA(spec, dim=dim, optimizer={"parameters": partial(torch.optim.SGD, lr=lr)}, **changes)


@pytest.fixture
def fitted(tiny_data, tiny_spec, fit) -> PCA:
    model = build(tiny_spec)
    assert fit(model, tiny_data, max_steps=50).global_step == 1  # it has arrived, and stops
    return model


@pytest.fixture
def heldout(tiny_data, tiny_spec):
    return next(tiny_spec.batches(tiny_data.modelled("test"), 100))


def test_the_parameters_are_those_of_an_independent_implementation(fitted, tiny_data):
    examples = fitted.spec.content.encode(tiny_data.split("train").content).flatten(1).double().numpy()
    theirs = Theirs(DIM, svd_solver="full").fit(examples)
    biased = (len(examples) - 1) / len(examples)  # maximum likelihood divides by the number of examples
    theirs.explained_variance_ *= biased
    theirs.noise_variance_ *= biased
    weight = fitted.linear.weight.detach().double()
    axes = (weight / weight.norm(dim=0)).T.numpy()
    np.testing.assert_allclose(np.abs((axes * theirs.components_).sum(1)), 1, atol=1e-5)
    variances = weight.square().sum(0).numpy() + theirs.noise_variance_
    np.testing.assert_allclose(variances, theirs.explained_variance_, rtol=1e-5)
    assert fitted.linear.log_variance.item() == pytest.approx(math.log(theirs.noise_variance_), abs=1e-5)
    np.testing.assert_allclose(fitted.linear.mean.detach().numpy(), theirs.mean_, atol=1e-6)
    batch = next(fitted.spec.batches(tiny_data.modelled("train"), 100))
    ours = fitted.log_prob(batch, num_samples=1, rng=torch.Generator())
    np.testing.assert_allclose(ours.numpy(), theirs.score_samples(examples), atol=1e-3)


def test_the_likelihood_is_exact_and_the_bound_is_as_large(fitted, heldout):
    linear = fitted.linear.double()
    heldout.content = heldout.content.double()
    covariance = linear.weight @ linear.weight.T + linear.log_variance.exp() * torch.eye(16, dtype=torch.float64)
    expected = torch.distributions.MultivariateNormal(linear.mean, covariance).log_prob(heldout.content.flatten(1))
    rng = torch.Generator().manual_seed(0)
    ours = fitted.log_prob(heldout, num_samples=7, rng=rng)
    torch.testing.assert_close(ours, expected.detach())
    parts = fitted.bounds(heldout, rng=rng)
    assert parts["kl_z"].shape == (100, DIM)
    torch.testing.assert_close(parts["log_likelihood"] - parts["kl_z"].sum(1), expected.detach())


def test_the_expected_log_likelihood_is_the_mean_over_draws_of_the_posterior(fitted, heldout):
    x = heldout.content[:2].flatten(1)
    z = fitted.linear.posterior(x).draw(20_000, torch.Generator().manual_seed(0))
    means = fitted.linear.decode(z.flatten(0, 1)).view(len(z), 2, 16)
    deviation = (0.5 * fitted.linear.log_variance).exp()
    drawn = torch.distributions.Normal(means, deviation).log_prob(x).sum(2)
    torch.testing.assert_close(fitted.linear.expected_log_likelihood(x), drawn.mean(0), atol=0.05, rtol=0)


def test_reconstructions_have_the_least_error_and_codes_are_the_posterior_mean(fitted, heldout, tiny_data):
    def error(content: torch.Tensor) -> float:
        return ((content - heldout.content) / 2).square().mean().item()  # of values in [0, 1]

    projected, shrunk = fitted.reconstruct(heldout).content, fitted.decode(fitted.encode(heldout)).content
    expected = pca_error(tiny_data.split("train"), tiny_data.split("test"), DIM)
    assert error(projected) == pytest.approx(expected, rel=1e-5)
    assert error(shrunk) > error(projected)
    weight, deviation = fitted.linear.weight, (0.5 * fitted.linear.log_variance).exp()
    prior = torch.distributions.MultivariateNormal(torch.zeros(DIM), torch.eye(DIM))
    x, z = heldout.content[:1].flatten(1), fitted.encode(heldout)["z"][:1].clone().requires_grad_()
    joint = torch.distributions.Normal(z @ weight.T + fitted.linear.mean, deviation).log_prob(x).sum()
    (gradient,) = torch.autograd.grad(joint + prior.log_prob(z).sum(), z)
    assert gradient.abs().max() < 1e-4  # a Gaussian's mean is where its density is largest


def test_samples_have_the_covariance_of_the_decoded_prior(fitted):
    content = fitted.sample(20_000, rng=randomness.generator(0)).content.flatten(1)
    weight = fitted.linear.weight.detach()
    torch.testing.assert_close(content.T.cov(), weight @ weight.T, atol=0.03, rtol=0)
    torch.testing.assert_close(content.mean(0), fitted.linear.mean.detach(), atol=0.03, rtol=0)


def test_it_offers_what_a_variational_autoencoder_offers(tiny_spec):
    model = build(tiny_spec)
    assert model.abilities == {Samples, HasLatents, Encodes, Reconstructs, Scores}
    assert model.weight_sets == ("raw",)
    points = build(Spec("points", VectorContent(5)), 2)
    assert points.sample(4, rng=torch.Generator()).content.shape == (4, 5)


def test_a_checkpoint_alone_samples_and_scores(tiny_spec, tiny_data, heldout, fit, tmp_path):
    model = build(tiny_spec)
    model.identity = {
        "model": {"_target_": "genloom.models.pca.PCA", "dim": DIM}, "data": {}, "data_fingerprint": "none"
    }  # fmt: skip
    trainer = fit(model, tiny_data, max_steps=1, plugins=[checkpoint.SafeCheckpointIO()])
    trainer.save_checkpoint(tmp_path / "final.ckpt")
    again = loading.load(tmp_path / "final.ckpt")
    for use in (lambda model: model.sample(6, rng=randomness.generator(1)).content,
                lambda model: model.reconstruct(heldout).content,
                lambda model: model.log_prob(heldout, num_samples=1, rng=torch.Generator())):  # fmt: skip
        assert torch.equal(use(model), use(again))


@pytest.mark.parametrize(
    ("dim", "message"),
    [
        (0, r"model\.dim: 0 is below the limit of 1"),
        (16, r"model\.dim: 16 is above the limit of 15"),
        (2, r"model\.dim: 2 .* vary in 2 directions; the limit is 1"),
    ],
)
def test_components_that_the_examples_do_not_have_are_refused(tiny_data, tiny_spec, fit, monkeypatch, dim, message):
    x, y = torch.rand(2, 50, generator=torch.Generator().manual_seed(0)).mul(255).to(torch.uint8)
    plane = torch.zeros(50, 1, 4, 4, dtype=torch.uint8)
    plane[:, 0, 0, 0], plane[:, 0, 1, 2] = x, y
    monkeypatch.setattr(tiny_data, "read", lambda split: Images(plane))
    with pytest.raises(ConfigError, match=message):
        fit(build(tiny_spec, dim), tiny_data, max_steps=1)


def test_what_does_not_arrive_at_the_solution_is_no_result(tiny_data, tiny_spec, fit):
    with pytest.raises(ConfigError, match=r"optimizer: after 3 iterations it has not arrived at the closed form"):
        fit(build(tiny_spec, lr=0.5), tiny_data, max_steps=3)
    assert 1 < fit(build(tiny_spec, lr=0.5), tiny_data, max_steps=50).global_step < 50
    with pytest.raises(ConfigError, match="scheduler: PCA has a closed form"):
        build(tiny_spec, scheduler=partial(torch.optim.lr_scheduler.ConstantLR))
