"""The model's own distribution."""

from dataclasses import dataclass

import torch

from genloom.batch import Batch, Given
from genloom.models.abilities import Samples
from genloom.samplers.base import Sampler


@dataclass(frozen=True)
class Plain(Sampler):
    """Draws from the model's own distribution."""

    needs = Samples

    @property
    def is_plain(self) -> bool:
        """Of itself; a subclass draws otherwise."""
        return type(self) is Plain

    def draw(self, model: Samples, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` examples."""
        return self.checked(model).sample(num, rng=rng, given=given)
