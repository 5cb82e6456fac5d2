"""Models that make an example of a latent: how they are sampled, and what they are given."""

from abc import abstractmethod
from collections.abc import Mapping

import torch

from genloom.batch import NOTHING, Batch, Given, Latent
from genloom.contents.condition import Condition
from genloom.distributions.latents import LatentDistribution
from genloom.models.model import GenerativeModel


class FromLatents(GenerativeModel):
    """A model that draws a latent, and decodes it; see :mod:`genloom.models.abilities` for what the methods promise."""

    @abstractmethod
    def draw_latent(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents on the model's device."""

    @abstractmethod
    def decode(self, latent: Latent, given: Given = NOTHING) -> Batch:
        """Return the content of ``latent``."""

    def sample(self, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` generated examples, in evaluation mode."""
        latent, given = self.drawn(num, rng, given)
        return self.sampled(latent, given, rng)

    def sampled(self, latent: Latent, given: Given, rng: torch.Generator) -> Batch:
        """Return an example of each latent; of a model of p(x|z) one that is drawn, if its likelihood says so."""
        return self.decode(latent, given)

    def drawn(self, num: int, rng: torch.Generator, given: Given | None) -> tuple[Latent, Given]:
        """Return latents and what they are given, with which they agree; what is not given is as it is in the data."""
        latent = self.draw_latent(num, rng)
        given = self.draw_given(num, rng, given)
        return self.agreeing(latent, given), given

    def agreeing(self, latent: Latent, given: Given) -> Latent:
        """Return a latent that agrees with what is given."""
        return latent

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """Those of the data that the networks are told."""
        return {name: self.spec.given[name] for name in self.told}

    @property
    def told(self) -> tuple[str, ...]:
        """Names of the conditions that the networks are told."""
        return ()

    def to_device(self, latent: Latent) -> Latent:
        """Return what was drawn, on the model's device."""
        return {name: drawn.to(self.device) for name, drawn in latent.items()}


class FromFixedLatents(FromLatents):
    """A model whose latents have a distribution that is given rather than learned.

    Attributes:
        latent: its distribution.
    """

    latent: LatentDistribution

    def draw_latent(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents on the model's device, the same for the same CPU generator on every device."""
        return self.to_device(self.latent.draw(num, rng))

    def embed(self, latent: Latent, given: Given = NOTHING) -> Latent:
        """Return the latent."""
        return latent

    def interpolate(self, start: Latent, end: Latent, weight: float) -> Latent:
        """Return the latents a share ``weight`` of the way from ``start`` to ``end``."""
        return self.latent.interpolate(start, end, weight)
