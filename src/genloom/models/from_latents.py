"""Models that make an example of a latent: how they are sampled, and asked for a class."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from genloom.batch import Batch, Condition, Label, Latent
from genloom.errors import ConfigError
from genloom.models.model import GenerativeModel


class FromLatents(GenerativeModel):
    """A model that draws a latent, and decodes it; see :mod:`genloom.models.abilities` for what the methods promise."""

    @abstractmethod
    def draw_latent(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents on the model's device."""

    @abstractmethod
    def decode(self, latent: Latent, *, condition: Condition | None = None) -> Batch:
        """Return the content of ``latent``."""

    def sample(self, num: int, *, rng: torch.Generator, condition: Condition | None = None) -> Batch:
        """Return ``num`` generated examples, in evaluation mode."""
        latent, condition = self.drawn(num, rng, condition)
        return self.decode(latent, condition=condition)

    def drawn(self, num: int, rng: torch.Generator, condition: Condition | None) -> tuple[Latent, Condition | None]:
        """Return latents and the condition that they agree with; None draws one as it is in the data."""
        latent = self.draw_latent(num, rng)
        if condition is None:
            return latent, self.draw_condition(num, rng)
        return self.with_condition(latent, condition), condition

    def with_condition(self, latent: Latent, condition: Condition) -> Latent:
        """Return a latent that agrees with what is asked for."""
        return latent

    def draw_condition(self, num: int, rng: torch.Generator) -> Condition | None:
        """Return what ``num`` samples are asked to be, classes as frequent as in the data; None if nothing is asked."""
        if not self.conditional:
            return None
        labels = self.spec.labels
        assert labels is not None  # checked when the networks were built
        counts = torch.tensor(labels.counts or [1] * len(labels.classes), dtype=torch.float64)
        index = torch.multinomial(counts, num, replacement=True, generator=rng)
        return Label(index.to(self.device))

    @property
    def condition_names(self) -> tuple[str, ...]:
        """The data's classes."""
        return self.spec.labels.classes if self.spec.labels is not None else ()

    def condition_on(self, names: Sequence[str], num: int) -> Condition:
        """Return a condition for ``num`` samples, dealt to the named classes in turn.

        Raises:
            ConfigError: there is no name, or one is not among :attr:`condition_names`.
        """
        known = self.condition_names
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise ConfigError(f"classes: {', '.join(unknown) or 'none'} is not among {', '.join(known)}")
        index = torch.tensor([known.index(name) for name in names])[torch.arange(num) % len(names)]
        return self._asked(index.to(self.device))

    def _asked(self, index: Tensor) -> Condition:
        return Label(index)

    def to_device(self, latent: Latent) -> Latent:
        """Return what was drawn, on the model's device."""
        return {name: drawn.to(self.device) for name, drawn in latent.items()}
