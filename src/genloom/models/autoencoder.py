"""The network of an autoencoder: encoder, bottleneck, decoder and likelihood as one module."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Batch, Given, Latent
from genloom.bottlenecks.base import Bottleneck, Inference
from genloom.distributions.likelihoods.base import Likelihood
from genloom.distributions.mixture import Mixture
from genloom.errors import ConfigError, NeedsLabelsError
from genloom.networks.base import Decoder, Encoder
from genloom.networks.conditioning import ConditionalEncoder, Conditioning
from genloom.precision import exact
from genloom.spec import Spec


class Autoencoder(nn.Module):
    """From content to latents and back; an objective's :class:`~genloom.objectives.vae.LatentModel`.

    Args:
        spec: the data's.
        encoder: called as ``encoder(spec)``.
        decoder: called as ``decoder(spec, latent_dim=…, outputs=…)``.
        bottleneck: called as ``bottleneck(encoder)``.
        likelihood: called as ``likelihood(spec)``.
        conditioning: called as ``conditioning(spec)``; how encoder and decoder are told the conditions.
        latent_density: called as ``latent_density(dim)``; draws latents in place of the prior, once it was fitted.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        encoder: Callable[..., Encoder],
        decoder: Callable[..., Decoder],
        bottleneck: Callable[..., Bottleneck],
        likelihood: Callable[..., Likelihood],
        conditioning: Callable[[Spec], Conditioning] = Conditioning,
        latent_density: Callable[[int], Mixture] | None = None,
    ) -> None:
        super().__init__()
        with NeedsLabelsError.of("model"):
            self.conditioning = conditioning(spec)
        self.likelihood = likelihood(spec)
        seen = encoder(spec).to(memory_format=torch.channels_last)
        self.bottleneck = bottleneck(ConditionalEncoder(spec, seen, self.conditioning))
        self.latent_density = latent_density(self.bottleneck.dim) if latent_density is not None else None
        if self.latent_density is not None and not self.bottleneck.one_vector:
            raise ConfigError(
                "model.latent_density: it draws one vector, and model.bottleneck has other latents; choose "
                "bottleneck@model.bottleneck=gaussian or deterministic, or model.latent_density=null"
            )
        self.decoder = decoder(
            spec, latent_dim=self.bottleneck.dim + self.conditioning.extra_dim, outputs=self.likelihood.outputs
        ).to(memory_format=torch.channels_last)

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Draw k latents for each example; without ``rng`` the most typical one."""
        return self.bottleneck.infer(batch, k, rng, detach_q=detach_q)

    @property
    def samples(self) -> bool:
        """Whether :meth:`draw` is there."""
        return self.latent_density is not None or self.bottleneck.samples

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents of the fitted density, or else of the prior."""
        return (
            self.bottleneck.draw(num, rng) if self.latent_density is None else {"z": self.latent_density.draw(num, rng)}
        )

    def log_likelihood(self, inference: Inference, batch: Batch) -> Float[Tensor, "k batch"]:
        """Return log p(x | z) of each draw, nats per example."""
        z = inference.decoder_input
        z = self.bottleneck.decoder_input(inference.latent) if z is None else z
        return self.likelihood.log_prob(self._decoded(z, batch.given), batch.content)

    def _decoded(self, z: Float[Tensor, "k batch dim"], given: Given) -> Float[Tensor, "k batch outputs ..."]:
        k, told = len(z), self.conditioning(given)
        told = None if told is None else told.repeat(k, 1)
        return exact(self.decoder(self.conditioning.input(z.flatten(0, 1), told))).unflatten(0, (k, -1))

    def mean_content(self, latent: Latent, given: Given) -> Float[Tensor, "batch ..."]:
        """Return the expected content of one latent per example."""
        z = self.bottleneck.decoder_input(latent)
        return self.likelihood.mean(self._decoded(z.unsqueeze(0), given))[0]

    def sampled_content(self, latent: Latent, given: Given, rng: torch.Generator) -> Float[Tensor, "batch ..."]:
        """Return generated content of one latent per example, as the likelihood draws it."""
        z = self.bottleneck.decoder_input(latent)
        return self.likelihood.sample(self._decoded(z.unsqueeze(0), given), rng)[0]
