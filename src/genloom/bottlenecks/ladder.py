"""Latents on several levels, each given the one above."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Batch, Latent
from genloom.bottlenecks.base import Bottleneck, Inference, at_least_one
from genloom.distributions.normal import Normal
from genloom.distributions.posteriors import LOG_VARIANCE_LIMITS
from genloom.errors import ConfigError
from genloom.limits import Count, Counts
from genloom.networks.conditioning import ConditionalEncoder
from genloom.precision import exact


class Ladder(Bottleneck):
    """p(z_L) = N(0, I), p(z_l|z_{l+1}) = N; q(z_l|x, z_{l+1}) weighs the example's evidence against that prior.

    Sønderby et al., Ladder Variational Autoencoders, 2016: the posterior's mean is that of the encoder's Gaussian and
    the prior's, weighted by their precisions (equations 11 to 13 there). The decoder sees every level (Maaløe et al.,
    BIVA, 2019, skip connections), so that a level that says nothing above the first does so by choice.

    Args:
        encoder: see :class:`~genloom.bottlenecks.base.Bottleneck`.
        dims: length of z_1, z_2, …, from the level nearest to the content up.
        hidden: units of the layer between two levels, upwards and downwards.
    """

    def __init__(self, encoder: ConditionalEncoder, *, dims: Counts = (24, 8), hidden: Count = 128) -> None:
        super().__init__(encoder)
        if len(dims) < 2:
            raise ConfigError(
                f"model.bottleneck.dims: {len(dims)} level is below the limit of 2; bottleneck@model.bottleneck="
                "gaussian has one"
            )
        self.dims = [at_least_one("dims", dim) for dim in dims]
        at_least_one("hidden", hidden)
        self.dim = sum(self.dims)
        widths = [encoder.num_features, *[hidden] * (len(dims) - 1)]
        self.upwards = nn.ModuleList(_layer(a, hidden) for a in widths[:-1])
        self.evidence = nn.ModuleList(nn.Linear(a, 2 * dim) for a, dim in zip(widths, dims, strict=True))
        self.downwards = nn.ModuleList(
            nn.Sequential(_layer(above, hidden), nn.Linear(hidden, 2 * dim))
            for above, dim in zip(self.dims[1:], self.dims, strict=False)
        )

    def _prior(self, level: int, above: Float[Tensor, "*batch dim"]) -> Normal:
        return _normal(self.downwards[level](above))

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Draw from the top down; a level's divergence is in closed form, averaged over the draws above it."""
        features = [self.encoder(batch.content, batch.given)]
        for layer in self.upwards:
            features.append(layer(features[-1]))
        seen = [_normal(head(h)) for head, h in zip(self.evidence, features, strict=True)]
        top = len(seen) - 1
        z = seen[top].draw(k, rng)
        standard = Normal(torch.zeros_like(z), torch.zeros_like(z))
        latent, kl = {f"z{top + 1}": z}, {f"z{top + 1}": seen[top].kl()}
        log_ratio = _log_ratio(standard, seen[top], z, detach_q)
        for level in reversed(range(top)):
            prior = self._prior(level, z)
            posterior = _weighted(seen[level], prior)
            z = posterior.draw(1, rng)[0]
            latent[f"z{level + 1}"] = z
            kl[f"z{level + 1}"] = posterior.kl(prior).mean(0)
            log_ratio = log_ratio + _log_ratio(prior, posterior, z, detach_q)
        return Inference(dict(sorted(latent.items())), dict(sorted(kl.items())), lambda: log_ratio)

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return draws from the top down."""
        z = torch.randn(num, self.dims[-1], generator=rng, device=rng.device).to(next(self.parameters()).device)
        latent = {f"z{len(self.dims)}": z}
        for level in reversed(range(len(self.dims) - 1)):
            z = latent[f"z{level + 1}"] = self._prior(level, z).draw(1, rng)[0]
        return dict(sorted(latent.items()))

    def decoder_input(self, latent: Latent) -> Float[Tensor, "*batch dim"]:
        """Return all levels side by side."""
        return torch.cat([latent[f"z{level + 1}"] for level in range(len(self.dims))], dim=-1)


def _layer(num_inputs: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(num_inputs, hidden), nn.LeakyReLU(0.2))


def _normal(parameters: Tensor) -> Normal:
    mean, log_variance = exact(parameters).chunk(2, dim=-1)
    return Normal(mean, log_variance.clamp(*LOG_VARIANCE_LIMITS))


def _weighted(evidence: Normal, prior: Normal) -> Normal:
    """Return the product of two Gaussians, normalised."""
    theirs, ours = (-prior.log_variance).exp(), (-evidence.log_variance).exp()
    precision = theirs + ours
    return Normal((prior.mean * theirs + evidence.mean * ours) / precision, -precision.log())


def _log_ratio(prior: Normal, posterior: Normal, z: Tensor, detach_q: bool) -> Float[Tensor, "k batch"]:
    q = posterior.detached() if detach_q else posterior
    return (prior.log_prob(z) - q.log_prob(z)).sum(-1)
