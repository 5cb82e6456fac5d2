"""Variational autoencoders, and autoencoders: an encoder, a bottleneck, a decoder, a likelihood and an objective."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Batch, Given, Latent
from genloom.bottlenecks.base import Bottleneck
from genloom.distributions.likelihoods.base import Likelihood
from genloom.distributions.mixture import Mixture
from genloom.errors import ConfigError
from genloom.limits import NonNegative, Positive
from genloom.models.abilities import Conditions, Encodes, HasLatents, Reconstructs, Samples, Scores
from genloom.models.autoencoder import Autoencoder
from genloom.models.from_latents import FromLatents
from genloom.models.training.averaging import average_of
from genloom.models.training.family import Family, frozen
from genloom.models.training.passes import Passes
from genloom.networks.base import Decoder, Encoder
from genloom.networks.conditioning import Conditioning
from genloom.objectives.loss import Loss
from genloom.objectives.vae import VaeObjective
from genloom.spec import Spec


class VAE(FromLatents, Family):
    """An autoencoder with an objective.

    Args:
        spec: the data's.
        encoder: called as ``encoder(spec)``.
        decoder: called as ``decoder(spec, latent_dim=…, outputs=…)``.
        bottleneck: called as ``bottleneck(encoder)``.
        likelihood: called as ``likelihood(spec)``.
        objective: what is minimised.
        conditioning: called as ``conditioning(spec)``; how encoder and decoder are told the conditions.
        latent_density: called as ``latent_density(dim)``: a density that is fitted to the training examples' latents
            after training and then drawn from in place of the prior (Ghosh et al., From Variational to Deterministic
            Autoencoders, 2020).
        input_noise: standard deviation of Gaussian noise that the encoder sees in training, in the units of content;
            the objective still asks for the clean example (Vincent et al., denoising autoencoders, 2008).
        **family: see :class:`~genloom.models.training.family.Family`; the optimizer is ``autoencoder``, beside
            ``prior`` where the bottleneck's learns apart.

    Raises:
        ConfigError: parts that do not fit; both keys are named.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        encoder: Callable[..., Encoder],
        decoder: Callable[..., Decoder],
        bottleneck: Callable[..., Bottleneck],
        likelihood: Callable[..., Likelihood],
        objective: VaeObjective,
        conditioning: Callable[[Spec], Conditioning] = Conditioning,
        latent_density: Callable[[int], Mixture] | None = None,
        input_noise: NonNegative = 0.0,
        **family: Any,
    ) -> None:
        super().__init__(spec, **family)
        if input_noise < 0:
            raise ConfigError(f"model.input_noise: {input_noise} is below the limit of 0")
        self.autoencoder = Autoencoder(
            spec,
            encoder=encoder,
            decoder=decoder,
            bottleneck=bottleneck,
            likelihood=likelihood,
            conditioning=conditioning,
            latent_density=latent_density,
        )
        self.check_dropped(self.told)
        self.objective = objective
        self.input_noise = input_noise
        if objective.needs_densities and not self.autoencoder.bottleneck.stochastic:
            raise ConfigError(
                f"model.objective: {type(objective).__name__} needs densities, and model.bottleneck has none; choose "
                "bottleneck@model.bottleneck=gaussian or objective/vae@model.objective=elbo"
            )
        if objective.needs_num_examples and spec.num_examples is None:
            raise ConfigError(
                f"model.objective: {type(objective).__name__} weighs by the number of training examples, which the "
                f"spec does not say; give it, as Spec({spec.name!r}, …, num_examples=60000)"
            )
        if self.ema_half_life_examples is not None:
            self.autoencoder_ema = average_of(self.autoencoder)

    def players(self) -> dict[str, nn.Module]:
        """The autoencoder; and the prior, where it learns apart."""
        bottleneck = self.autoencoder.bottleneck
        if bottleneck.apart is None:
            return {"autoencoder": self.autoencoder}
        others = [part for part in self.autoencoder.children() if part is not bottleneck]
        others += [part for part in bottleneck.children() if part is not bottleneck.apart]
        return {"autoencoder": nn.ModuleList(others), "prior": bottleneck.apart}

    @property
    def counted_player(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The autoencoder, or the prior alone while the autoencoder rests."""
        return self._awake[0]

    @property
    def _awake(self) -> list[str]:
        """The players whose rates are not zero; the autoencoder if there is none."""
        return [player for player in self.players() if not self.resting(player)] or ["autoencoder"]

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """The autoencoder's average."""
        if self.ema_half_life_examples is None:
            return {}
        return {"autoencoder": (self.autoencoder_ema, self.autoencoder)}

    @property
    def told(self) -> tuple[str, ...]:
        """What encoder and decoder are told."""
        return self.autoencoder.conditioning.conditions

    @property
    def abilities(self) -> frozenset[type]:
        """Every autoencoder encodes and reconstructs; the rest depends on its bottleneck."""
        offered: set[type] = {Encodes, Reconstructs}
        bottleneck = self.autoencoder.bottleneck
        if self.autoencoder.samples:
            offered.add(Samples)
            offered |= {HasLatents} if bottleneck.num_codes is None else set()
            offered |= {Conditions} if self.told else set()
        if bottleneck.stochastic:
            offered.add(Scores)
        return frozenset(offered)

    # Training

    def iterate(self, batch: Batch) -> dict[str, Tensor]:
        """Update what is awake."""
        first, *also = self._awake
        loss = self._loss if first == "autoencoder" else self._loss_apart
        losses = ({"objective": loss(part, number)} for number, part in enumerate(batch.chunks(self.accumulation)))
        at_rest = [module for player, module in self.players().items() if player not in (first, *also)]
        with frozen(*at_rest):
            return self.step(first, losses, also=also)

    def _loss(self, batch: Batch, part: int) -> Loss:
        rng = self.rng("latent", part, self.global_rank)
        model = _Denoising(self.autoencoder, self.input_noise, rng) if self.input_noise else self.autoencoder
        num = self.spec.num_examples
        return self.objective(model, batch, iteration=self.iteration_told, num_examples=num, rng=rng)

    def _loss_apart(self, batch: Batch, part: int) -> Loss:
        return Loss(self.autoencoder.bottleneck.loss_apart(batch))

    # Use

    def on_train_end(self) -> None:
        """Fit the density of latents, of each weight set, to the latents of the training examples."""
        super().on_train_end()
        for weights in self.weight_sets:
            model = self.using(weights)
            network = model.weights_of(self.autoencoder)
            if network.latent_density is not None:
                examples = Passes(self.trainer, self.spec, "train")
                codes = [model.encode(batch)["z"] for batch in examples]
                network.latent_density.fit(torch.cat(codes), seed=self.seed)

    def draw_latent(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents of the prior, or of the fitted density, on the model's device."""
        with self.evaluating(self.autoencoder) as network:
            return self.to_device(network.draw(num, rng))

    @property
    def num_codes(self) -> int | None:
        """Size of the codebook."""
        return self.autoencoder.bottleneck.num_codes

    def embed(self, latent: Latent, given: Given = NOTHING) -> Latent:
        """Return the latent: the decoder sees what was drawn."""
        return latent

    def interpolate(self, start: Latent, end: Latent, weight: float) -> Latent:
        """Return the latents a share ``weight`` of the way from ``start`` to ``end``."""
        return self.autoencoder.bottleneck.interpolate(start, end, weight)

    def decode(self, latent: Latent, given: Given = NOTHING) -> Batch:
        """Return the expected content of ``latent``."""
        with self.evaluating(self.autoencoder) as network:
            return self.generated(network.mean_content(latent, given), given)

    def sampled(self, latent: Latent, given: Given, rng: torch.Generator) -> Batch:
        """Return content as the likelihood draws it."""
        with self.evaluating(self.autoencoder) as network:
            return self.generated(network.sampled_content(latent, given, rng), given)

    def encode(self, batch: Batch) -> Latent:
        """Return the most typical latent of each example, on the model's device: the posterior's mean."""
        with self.evaluating(self.autoencoder) as network:
            inference = network.infer(batch.to(self.device), 1, None)
            return {name: value[0] for name, value in inference.latent.items()}

    def reconstruct(self, batch: Batch) -> Batch:
        """Return what the most typical latent of each example is decoded to."""
        batch = batch.to(self.device)
        return self.decode(self.encode(batch), batch.given)

    @property
    def likelihood_measure(self) -> str:
        """What log-likelihoods are of."""
        return self.autoencoder.likelihood.measure

    @property
    def likelihood_kind(self) -> str:
        """A bound, by importance samples."""
        return "bound"

    def bounds(self, batch: Batch, *, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the parts of the ELBO with one draw per example.

        Returns:
            ``log_likelihood`` with shape (batch,), and ``kl_NAME`` per latent with shape (batch, units); nats.
        """
        with self.evaluating(self.autoencoder) as network:
            batch = batch.to(self.device)
            inference = network.infer(batch, 1, rng)
            kl = {f"kl_{name}": value for name, value in inference.kl.items()}
            return {"log_likelihood": network.log_likelihood(inference, batch)[0], **kl}

    def log_prob(
        self,
        batch: Batch,
        *,
        num_samples: int,
        rng: torch.Generator,
        max_draws: int | None = None,
    ) -> Float[Tensor, " batch"]:
        """Return a lower bound on log p(x), nats: log (1/K) Σ_k p(x|z_k) p(z_k) / q(z_k|x).

        Burda et al., 2016: in expectation it rises to log p(x) with K. The draws are made and summed up in chunks, so
        the memory that is needed does not depend on K.

        Args:
            batch: of the data.
            num_samples: K; where all draws are the same, one is enough.
            rng: of the draws.
            max_draws: latents that are decoded at once, over all examples of the batch; None is what is fast: on a CPU
                as many as its caches hold.
        """
        batch = batch.to(self.device)
        num_samples = 1 if self.autoencoder.bottleneck.certain else num_samples
        chunk = max(1, (max_draws or (1000 if self.device.type == "cpu" else 50_000)) // len(batch))
        total = torch.full((len(batch),), -math.inf, dtype=torch.float64)  # on the CPU: not every GPU has these
        with self.evaluating(self.autoencoder) as network:
            for first in range(0, num_samples, chunk):
                inference = network.infer(batch, min(chunk, num_samples - first), rng)
                log_weight = network.log_likelihood(inference, batch) + inference.log_ratio
                total = torch.logaddexp(total, torch.logsumexp(log_weight.cpu().double(), dim=0))
        return (total - math.log(num_samples)).float().to(self.device)


class _Denoising:
    """An autoencoder whose encoder sees noise over the content; a LatentModel."""

    def __init__(self, network: Autoencoder, sigma: Positive, rng: torch.Generator) -> None:
        self.network = network
        self.sigma = sigma
        self.rng = rng

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Any:
        noise = torch.randn(batch.content.shape, generator=self.rng, device=self.rng.device)
        return self.network.infer(replace(batch, content=batch.content + self.sigma * noise), k, rng, detach_q=detach_q)

    def log_likelihood(self, inference: Any, batch: Batch) -> Tensor:
        return self.network.log_likelihood(inference, batch)
