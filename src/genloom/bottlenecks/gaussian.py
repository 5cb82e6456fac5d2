"""One latent vector: with a density on both sides, or none.

Kingma and Welling, Auto-Encoding Variational Bayes, 2014; Rezende et al., 2014.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genloom.batch import Batch, Latent
from genloom.bottlenecks.base import Bottleneck, Inference, at_least_one
from genloom.distributions.normal import Normal
from genloom.distributions.posteriors import DiagonalGaussian, Posterior
from genloom.distributions.priors import Prior, StandardNormal
from genloom.errors import ConfigError
from genloom.limits import Count
from genloom.networks.conditioning import ConditionalEncoder
from genloom.precision import exact


class Gaussian(Bottleneck):
    """q(z|x) a Gaussian, perhaps sent through a flow; p(z) any prior, N(0, I) unless said otherwise.

    Args:
        encoder: see :class:`~genloom.bottlenecks.base.Bottleneck`.
        dim: length of z.
        posterior: called as ``posterior(num_features, dim)``.
        prior: called as ``prior(dim, content_shape)``.
    """

    one_vector = True

    def __init__(
        self,
        encoder: ConditionalEncoder,
        *,
        dim: Count = 32,
        posterior: Callable[[int, int], Posterior] = DiagonalGaussian,
        prior: Callable[[int, tuple[int, ...]], Prior] = StandardNormal,
    ) -> None:
        super().__init__(encoder)
        self.dim = at_least_one("dim", dim)
        self.posterior = posterior(encoder.num_features, dim)
        self.prior = prior(dim, encoder.content_shape)
        if self.prior.needs_posterior and encoder.conditions:
            raise ConfigError(
                "model.bottleneck.prior: a prior made of posteriors has no conditions for them, and model.conditioning "
                "asks for one; choose prior@model.bottleneck.prior=standard_normal or flow"
            )

    def _posterior_of(self, content: Tensor) -> Normal | None:
        return self.posterior.normal(self.encoder(content))

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Draw k latents for each example; where there is a closed form of the KL divergence, it is used."""
        features = self.encoder(batch.content, batch.given)
        z, log_q, normal = self.posterior.draw(features, k, rng, detach_q=detach_q)
        inference = Inference({"z": z}, {}, lambda: self.prior.log_prob(z, self._posterior_of) - log_q(), normal)
        if normal is not None and self.prior.standard:
            inference.kl["z"] = normal.kl()
        else:
            inference.kl["z"] = -inference.log_ratio.mean(0).unsqueeze(1)
        return inference

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return draws of the prior."""
        return {"z": self.prior.draw(num, rng, self._posterior_of)}

    def interpolate(self, a: Latent, b: Latent, weight: float) -> Latent:
        """Interpolate as the prior does."""
        return {"z": self.prior.interpolate(a["z"], b["z"], weight)}


class Deterministic(Bottleneck):
    """z = Wh + b: a plain autoencoder, which has no densities and no samples.

    Args:
        encoder: see :class:`~genloom.bottlenecks.base.Bottleneck`.
        dim: length of z.
    """

    stochastic = False
    certain = True
    samples = False
    one_vector = True

    def __init__(self, encoder: ConditionalEncoder, *, dim: Count = 32) -> None:
        super().__init__(encoder)
        self.dim = at_least_one("dim", dim)
        self.project = nn.Linear(encoder.num_features, dim)

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Return the code, k times; nothing is random."""
        z = exact(self.project(self.encoder(batch.content, batch.given))).expand(k, -1, -1)
        return Inference({"z": z}, {}, lambda: z.new_zeros(z.shape[:2]))
