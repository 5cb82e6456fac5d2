"""The network of an autoencoder: encoder, bottleneck, decoder and likelihood as one module."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Batch, Condition, Latent
from genloom.bottlenecks.base import Bottleneck, Inference
from genloom.likelihoods.base import Likelihood
from genloom.networks.base import Decoder, Encoder
from genloom.networks.conditioning import Conditioning
from genloom.spec import Spec


class Autoencoder(nn.Module):
    """From content to latents and back; an objective's :class:`~genloom.objectives.vae.LatentModel`.

    Args:
        spec: the data's.
        encoder: called as ``encoder(spec)``.
        decoder: called as ``decoder(spec, latent_dim=…, outputs=…)``.
        bottleneck: called as ``bottleneck(num_features)``.
        likelihood: called as ``likelihood(spec)``.
        conditioning: called as ``conditioning(spec)``; how encoder and decoder are told a class.
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
    ) -> None:
        super().__init__()
        self.conditioning = conditioning(spec)
        self.likelihood = likelihood(spec)
        self.encoder = encoder(spec).to(memory_format=torch.channels_last)
        self.bottleneck = bottleneck(self.encoder.num_features + self.conditioning.extra_dim)
        self.decoder = decoder(
            spec, latent_dim=self.bottleneck.dim + self.conditioning.extra_dim, outputs=self.likelihood.outputs
        ).to(memory_format=torch.channels_last)

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Draw k latents for each example; without ``rng`` the most typical one."""
        features = self.conditioning.input(self.encoder(batch.content), batch.condition)
        return self.bottleneck.infer(features, k, rng, detach_q=detach_q)

    def log_likelihood(self, inference: Inference, batch: Batch) -> Float[Tensor, "k batch"]:
        """Return log p(x | z) of each draw, nats per example."""
        parameters = self.parameters_of(inference.latent, batch.condition)
        return self.likelihood.log_prob(parameters, batch.content)

    def parameters_of(self, latent: Latent, condition: Condition | None) -> Float[Tensor, "k batch outputs ..."]:
        """Return what the likelihood needs, for k latents of each example."""
        z = self.bottleneck.decoder_input(latent)
        k = len(z)
        asked = condition and condition.map(lambda index: index.repeat(k))
        return self.decoder(self.conditioning.input(z.flatten(0, 1), asked)).unflatten(0, (k, -1))

    def mean_content(self, latent: Latent, condition: Condition | None) -> Float[Tensor, "batch ..."]:
        """Return the expected content of one latent per example."""
        parameters = self.parameters_of({name: value.unsqueeze(0) for name, value in latent.items()}, condition)
        return self.likelihood.mean(parameters)[0]
