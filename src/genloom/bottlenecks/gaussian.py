"""The variational bottleneck: a diagonal Gaussian posterior against N(0, I).

Kingma and Welling, Auto-Encoding Variational Bayes, 2014; Rezende et al., 2014.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Latent
from genloom.bottlenecks.base import Bottleneck, Inference
from genloom.errors import ConfigError
from genloom.normal import Normal
from genloom.samplers.latents import slerp

LOG_VARIANCE_LIMITS = (-15.0, 15.0)  # beyond them a density of a float is no longer a number


class Gaussian(Bottleneck):
    """q(z|x) = N(μ(x), diag σ²(x)), p(z) = N(0, I).

    Args:
        num_features: of the encoder.
        dim: length of z.
    """

    def __init__(self, num_features: int, *, dim: int = 32) -> None:
        super().__init__()
        if dim < 1:
            raise ConfigError(f"model.bottleneck.dim: {dim} is below the limit of 1")
        self.dim = dim
        self.parameters_of_q = nn.Linear(num_features, 2 * dim)

    def posterior(self, features: Float[Tensor, "batch features"]) -> Normal:
        """Return q(z|x)."""
        mean, log_variance = self.parameters_of_q(features).chunk(2, dim=1)
        return Normal(mean, log_variance.clamp(*LOG_VARIANCE_LIMITS))

    def infer(
        self, features: Float[Tensor, "batch features"], k: int, rng: torch.Generator | None, *, detach_q: bool = False
    ) -> Inference:
        """Draw k latents for each example; the KL divergence is in closed form."""
        posterior = self.posterior(features)
        z = posterior.draw(k, rng)
        q = posterior.detached() if detach_q else posterior
        prior = Normal(torch.zeros_like(z[0, 0]), torch.zeros_like(z[0, 0]))
        log_ratio = (prior.log_prob(z) - q.log_prob(z)).sum(-1)
        return Inference({"z": z}, {"z": posterior.kl()}, log_ratio, posterior)

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return z ~ N(0, I)."""
        return {"z": torch.randn(num, self.dim, generator=rng, device=rng.device)}

    def interpolate(self, a: Latent, b: Latent, weight: float) -> Latent:
        """Interpolate spherically, since both ends are about as long as a Gaussian's draws."""
        return {"z": slerp(a["z"], b["z"], weight)}


class Deterministic(Bottleneck):
    """z = Wh + b: a plain autoencoder, which has no densities and no samples.

    Args:
        num_features: of the encoder.
        dim: length of z.
    """

    stochastic = False
    samples = False

    def __init__(self, num_features: int, *, dim: int = 32) -> None:
        super().__init__()
        if dim < 1:
            raise ConfigError(f"model.bottleneck.dim: {dim} is below the limit of 1")
        self.dim = dim
        self.project = nn.Linear(num_features, dim)

    def infer(
        self, features: Float[Tensor, "batch features"], k: int, rng: torch.Generator | None, *, detach_q: bool = False
    ) -> Inference:
        """Return the code, k times; nothing is random."""
        z = self.project(features).expand(k, -1, -1)
        nothing: Tensor = z.new_zeros(z.shape[:2])
        return Inference({"z": z}, {}, nothing)
