import copy

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from genloom.distributions.mixture import Mixture
from genloom.errors import ConfigError


def known() -> Mixture:
    """A quarter around (-4, 0), three quarters around (3, 1), correlated."""
    mixture = Mixture(2, components=2)
    mixture.weights.copy_(torch.tensor([0.25, 0.75]))
    mixture.means.copy_(torch.tensor([[-4.0, 0.0], [3.0, 1.0]]))
    mixture.factors.copy_(torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.0], [-0.3, 1.0]]]))
    return mixture


def covariances(mixture: Mixture) -> torch.Tensor:
    return mixture.factors @ mixture.factors.mT


def test_a_fit_recovers_a_known_mixture_from_its_draws():
    truth, fitted = known(), Mixture(2, components=2)
    fitted.fit(truth.draw(20_000, torch.Generator().manual_seed(0)), seed=0)
    order = fitted.weights.argsort()
    torch.testing.assert_close(fitted.weights[order], truth.weights, atol=0.01, rtol=0)
    torch.testing.assert_close(fitted.means[order], truth.means, atol=0.05, rtol=0)
    torch.testing.assert_close(covariances(fitted)[order], covariances(truth), atol=0.05, rtol=0)


def test_draws_have_the_moments_of_the_mixture_and_follow_the_seed():
    mixture = known()
    z = mixture.draw(50_000, torch.Generator().manual_seed(0))
    mean = mixture.weights @ mixture.means
    spread = mixture.means - mean
    within = torch.einsum("c,cij->ij", mixture.weights, covariances(mixture))
    between = torch.einsum("c,ci,cj->ij", mixture.weights, spread, spread)
    torch.testing.assert_close(z.mean(0), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(z.T.cov(), within + between, atol=0.15, rtol=0)
    assert torch.equal(z, mixture.draw(50_000, torch.Generator().manual_seed(0)))
    assert not torch.equal(z, mixture.draw(50_000, torch.Generator().manual_seed(1)))


def test_before_it_is_fitted_it_is_the_standard_normal():
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    standard = torch.distributions.Normal(0, 1).log_prob(z).sum(1)
    torch.testing.assert_close(Mixture(3, components=4).log_prob(z), standard)
    drawn = Mixture(3, components=4).draw(20_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.T.cov(), torch.eye(3), atol=0.05, rtol=0)


def test_the_density_is_that_of_an_independent_implementation():
    rng = torch.Generator().manual_seed(0)
    codes = torch.randn(300, 4, generator=rng) @ torch.randn(4, 4, generator=rng)
    mixture = Mixture(4, components=3)
    mixture.fit(codes, seed=0)
    theirs = GaussianMixture(3)
    theirs.weights_, theirs.means_ = mixture.weights.double().numpy(), mixture.means.double().numpy()
    theirs.precisions_cholesky_ = torch.linalg.inv(mixture.factors.double()).mT.numpy()
    expected = torch.from_numpy(theirs.score_samples(codes.double().numpy())).float()
    torch.testing.assert_close(mixture.log_prob(codes), expected, atol=1e-3, rtol=1e-4)
    assert mixture.log_prob(codes.view(10, 30, 4)).shape == (10, 30)


def test_a_fit_follows_its_seed_and_leaves_the_global_random_state():
    codes = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()  # as a network gives them
    state = torch.get_rng_state()
    fits = []
    for seed in (0, 0, 1):
        mixture = Mixture(2, components=5)
        mixture.fit(codes, seed=seed)
        fits.append(mixture.means.clone())
    assert torch.equal(fits[0], fits[1])
    assert not torch.equal(fits[0], fits[2])
    assert not fits[0].requires_grad
    assert torch.equal(state, torch.get_rng_state())


def test_a_fit_of_one_gaussian_far_from_zero_is_numpy_s_in_double_precision():
    codes = 1000 + 0.05 * torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    mixture = Mixture(2, components=1)
    mixture.fit(codes, seed=0)
    exact = codes.double().numpy()
    np.testing.assert_allclose(mixture.means[0], exact.mean(0), atol=1e-4)
    np.testing.assert_allclose(covariances(mixture)[0], np.cov(exact.T, bias=True), rtol=5e-3, atol=1e-6)


def test_codes_that_coincide_give_a_mixture_all_the_same():
    mixture = Mixture(3, components=2)
    mixture.fit(torch.ones(20, 3), seed=0)
    torch.testing.assert_close(mixture.draw(50, torch.Generator()), torch.ones(50, 3), atol=0.01, rtol=0)


def test_it_is_stored_and_loaded_strictly():
    mixture, loaded = known(), Mixture(2, components=2)
    loaded.load_state_dict(copy.deepcopy(mixture.state_dict()))
    z = mixture.draw(10, torch.Generator().manual_seed(0))
    assert torch.equal(loaded.log_prob(z), mixture.log_prob(z))
    assert torch.equal(loaded.draw(10, torch.Generator().manual_seed(0)), z)
    with pytest.raises(RuntimeError, match="size mismatch"):
        Mixture(2, components=3).load_state_dict(mixture.state_dict())


def test_components_that_cannot_be_fitted_are_refused_by_their_key():
    with pytest.raises(ConfigError, match=r"model\.latent_density\.components: 0 is below the limit of 1"):
        Mixture(2, components=0)
    with pytest.raises(ConfigError, match=r"model\.latent_density\.components: 6 is above the limit of 5"):
        Mixture(2, components=6).fit(torch.randn(5, 2), seed=0)
