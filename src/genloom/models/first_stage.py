"""A model that was trained before, whose latents another model is of: latent diffusion."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Batch, Given
from genloom.contents.vector import VectorContent
from genloom.errors import CapabilityError, ConfigError
from genloom.models.abilities import Encodes, checked
from genloom.models.training.family import Family
from genloom.spec import Spec


class FirstStage(nn.Module):
    """An encoder and a decoder at rest, with latents of mean 0 and standard deviation 1 between them.

    Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, 2022,
    https://arxiv.org/abs/2112.10752.

    Args:
        model: has one latent of numbers, one vector for each example; its weights stay as they are.
        spec: of the data of the model that is of its latents.

    Raises:
        ConfigError: the model is of other content.
        CapabilityError: it has no such latent.
    """

    model: Any
    mean: Float[Tensor, " dim"]
    std: Float[Tensor, " dim"]

    def __init__(self, model: Family, spec: Spec) -> None:
        super().__init__()
        if model.spec.content != spec.content:
            raise ConfigError(
                f"model.first_stage: it was trained on {model.spec.name}, whose {model.spec.content.called} are not "
                f"those of data.name={spec.name}: {model.spec.content} there, {spec.content} here"
            )
        encoder = checked("model.first_stage", Encodes, model)
        self.model = model.requires_grad_(False).train()  # it evaluates by itself, and nothing is at rest for Lightning
        rng = torch.Generator().manual_seed(0)
        given = Given({name: spec.given[name].draw(1, rng) for name in model.conditions})
        example = Batch(torch.zeros(1, *spec.content.shape), torch.zeros(1, dtype=torch.int64), given)
        latent = encoder.encode(example)
        if encoder.num_codes is not None or len(latent) != 1 or next(iter(latent.values())).ndim != 2:
            kinds = ", ".join(f"{name} of {tuple(each.shape[1:])}" for name, each in latent.items())
            raise CapabilityError(
                f"model.first_stage: {type(model).__name__} has {'codes' if encoder.num_codes else kinds} for latents; "
                "name an autoencoder of bottleneck@model.bottleneck=gaussian or deterministic, with one vector"
            )
        ((self.name, one),) = latent.items()
        self.register_buffer("mean", torch.zeros(one.shape[1]))
        self.register_buffer("std", torch.zeros(one.shape[1]))  # until they are known

    def spec_of_codes(self, spec: Spec) -> Spec:
        """Return the spec of a network that is of the latents."""
        return replace(spec, name=f"latents of {spec.name}", content=VectorContent(len(self.mean)))

    def fit(self, batches: Iterable[Batch]) -> None:
        """Find mean and standard deviation of the latents, of all training examples, unless they are known."""
        if not bool(self.std.any()):
            latents = torch.cat([self.model.encode(batch)[self.name].cpu() for batch in batches]).double()
            self.mean.copy_(latents.mean(0))
            self.std.copy_(latents.std(0).clamp_min(1e-6))  # of a latent that is always the same

    def codes(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Return the latents of examples, normalised."""
        told = replace(batch, given=Given(batch.given))  # also of what the model of the latents is not told
        return (self.model.encode(told)[self.name] - self.mean) / self.std

    def content(self, codes: Float[Tensor, "batch dim"], given: Given) -> Float[Tensor, "batch ..."]:
        """Return the content that normalised latents stand for."""
        return self.model.decode({self.name: codes * self.std + self.mean}, Given(given)).content
