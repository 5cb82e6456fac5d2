"""Typical examples rather than varied ones."""

import math
from dataclasses import dataclass

import torch

from genloom.batch import Batch, Given
from genloom.errors import ConfigError
from genloom.models.abilities import Truncates
from genloom.samplers.base import Sampler


@dataclass(frozen=True)
class Truncated(Sampler):
    """Draws a latent, embeds it, and decodes w̄ + ψ (w − w̄), of which w is the embedded latent and w̄ the mean.

    Karras et al., A Style-Based Generator Architecture for GANs, 2019, appendix B.

    Args:
        psi: the share ψ of the distance from the mean that is kept: 1 is the model's own distribution, 0 the mean.

    Raises:
        ConfigError: ``psi`` is not finite.
    """

    needs = Truncates

    psi: float = 0.7

    def __post_init__(self) -> None:
        if not math.isfinite(self.psi):
            raise ConfigError(f"sampler.psi: {self.psi} is not finite; 1 draws from the model's own distribution")

    @property
    def is_plain(self) -> bool:
        """Whether all of the distance is kept."""
        return type(self) is Truncated and self.psi == 1

    def draw(self, model: Truncates, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` examples.

        Raises:
            CapabilityError: the model has no mean to move towards.
        """
        model = self.checked(model)
        latent, given = model.drawn(num, rng, given)
        return model.decode(model.truncate(model.embed(latent, given), self.psi), given)
