"""A density of latents that is fitted after training, to draw from in place of a prior.

Ghosh et al., From Variational to Deterministic Autoencoders, 2020, section 4: ex-post density estimation.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from genloom import randomness
from genloom.errors import ConfigError
from genloom.limits import Count


class Mixture(nn.Module):
    """Σ_c π_c N(μ_c, L_c L_cᵀ); before it is fitted, N(0, I).

    Args:
        dim: length of z.
        components: Gaussians, each with a full covariance.

    Raises:
        ConfigError: there are no components.
    """

    weights: Float[Tensor, " components"]
    means: Float[Tensor, "components dim"]
    factors: Float[Tensor, "components dim dim"]  # Cholesky: L, lower triangular

    def __init__(self, dim: Count, *, components: Count = 10) -> None:
        super().__init__()
        if components < 1:
            raise ConfigError(f"model.latent_density.components: {components} is below the limit of 1")
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, dim))
        self.register_buffer("factors", torch.eye(dim).repeat(components, 1, 1))

    def fit(self, codes: Float[Tensor, "num dim"], *, seed: int) -> None:
        """Maximise the likelihood of ``codes`` by expectation maximisation, on the CPU in double precision.

        Args:
            codes: at least as many as there are components.
            seed: of the start, which k-means finds.

        Raises:
            ConfigError: there are more components than codes.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        components = len(self.weights)
        if components > len(codes):
            raise ConfigError(
                f"model.latent_density.components: {components} is above the limit of {len(codes)}, one component per "
                "training example; lower it"
            )
        mixture = GaussianMixture(
            components, covariance_type="full", reg_covar=1e-6, random_state=randomness.key(seed, "mixture") % 2**32
        )
        with warnings.catch_warnings():  # a fit that is still improving a little, or codes that coincide, still sample
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(codes.detach().cpu().double().numpy())
        self.weights.copy_(torch.from_numpy(mixture.weights_))
        self.means.copy_(torch.from_numpy(mixture.means_))
        self.factors.copy_(torch.linalg.cholesky(torch.from_numpy(mixture.covariances_)))

    def draw(self, num: int, rng: torch.Generator) -> Float[Tensor, "num dim"]:
        """Return ``num`` draws on the device of ``rng``."""
        weights, means, factors = (each.to(rng.device) for each in (self.weights, self.means, self.factors))
        chosen = torch.multinomial(weights, num, replacement=True, generator=rng)
        z = torch.randn(num, means.shape[1], generator=rng, device=rng.device, dtype=means.dtype)
        for component in chosen.unique():  # one at a time, since a factor for each draw would take much memory
            mine = chosen == component
            z[mine] = means[component] + z[mine] @ factors[component].T
        return z

    def log_prob(self, z: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Return the log-density, nats."""
        gaussians = MultivariateNormal(self.means, scale_tril=self.factors, validate_args=False)
        return MixtureSameFamily(Categorical(self.weights, validate_args=False), gaussians, False).log_prob(z)
