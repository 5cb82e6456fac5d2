"""How to draw a text: token by token."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genloom.batch import Batch, Given
from genloom.contents.text import TextContent
from genloom.distributions.outputs import categorical
from genloom.errors import ConfigError
from genloom.limits import Count, Gt, Le, NonNegative
from genloom.models.abilities import Continues
from genloom.samplers.base import Sampler, sampler_of


class TextSampler(Sampler):
    """Base of the samplers of texts, which go on after any prompt for as long as wanted."""

    needs = Continues

    @abstractmethod
    def stream(
        self, model: Continues, tokens: Int[Tensor, "batch prefix"], num_tokens: int, *, rng: torch.Generator
    ) -> Iterator[Int[Tensor, " batch"]]:
        """Yield the next token of each text, so many times.

        Args:
            model: with the weights that shall draw.
            tokens: what the texts begin with, at least one token each.
            num_tokens: to be drawn.
            rng: on the CPU.
        """

    def draw(self, model: Continues, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` texts as long as an example; without a prompt each begins after a line's end."""
        model = self.checked(model)
        given = model.draw_given(num, rng, given)
        length = TextContent.of(model.spec.content).length
        drawn = list(self.stream(model, given["prompt"], length, rng=rng))
        return model.generated(torch.stack(drawn, dim=1), given)


@dataclass(frozen=True)
class Tokens(TextSampler):
    """Draws from softmax(logits / temperature), restricted to the most probable tokens if wanted.

    With both restrictions, the second is by the probabilities that the first leaves, scaled to sum to 1.

    Args:
        temperature: below 1 is more typical than the network, above 1 less; 0 takes the most probable token.
        top_k: keep so many of the most probable tokens; Fan et al., Hierarchical Neural Story Generation, 2018.
        top_p: keep the fewest most probable tokens that make up this share; Holtzman et al., The Curious Case of Neural
            Text Degeneration, 2020.

    Raises:
        ConfigError: a value is out of its limits.
    """

    temperature: NonNegative = 1.0
    top_k: Count | None = None
    top_p: Annotated[float, Gt(0), Le(1)] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(
                f"sampler.temperature: {self.temperature} is not at least 0; 1 draws from the model's own distribution"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"sampler.top_k: {self.top_k} is below the limit of 1 token; null keeps all")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"sampler.top_p: {self.top_p} is not above 0 and at most 1; null keeps all")

    @property
    def is_plain(self) -> bool:
        """Whether it changes no probability."""
        return type(self) is Tokens and self.temperature == 1 and self.top_k is None and self.top_p in (None, 1)

    def __call__(self, logits: Float[Tensor, "batch size"], rng: torch.Generator) -> Int[Tensor, " batch"]:
        """Return a token of each row; what is random comes from the device of ``rng``."""
        if self.temperature == 0:
            return logits.argmax(-1)
        return categorical.draw(self.allowed(logits / self.temperature), rng)

    def allowed(self, logits: Float[Tensor, "batch size"]) -> Float[Tensor, "batch size"]:
        """Return the logits, −∞ of tokens that may not be drawn."""
        if self.top_k is None and self.top_p is None:
            return logits
        size = logits.shape[-1]
        values, tokens = logits.topk(min(self.top_k or size, size), dim=-1)  # in descending order
        if self.top_p is not None:
            probabilities = values.softmax(-1)
            before = probabilities.cumsum(-1) - probabilities
            before[:, 0] = 0  # the first is kept, whatever rounding leaves
            values = values.masked_fill(before >= self.top_p, -torch.inf)
        return torch.full_like(logits, -torch.inf).scatter(-1, tokens, values)

    def stream(
        self, model: Continues, tokens: Int[Tensor, "batch prefix"], num_tokens: int, *, rng: torch.Generator
    ) -> Iterator[Int[Tensor, " batch"]]:
        """Yield the next token of each text, so many times."""
        return model.generate(tokens, num_tokens, rng=rng, choose=self)


def stream(
    model: Continues, tokens: Int[Tensor, "batch prefix"], num_tokens: int, *, rng: torch.Generator
) -> Iterator[Int[Tensor, " batch"]]:
    """Yield the next token of each text, so many times, as the model's sampler draws it.

    Args:
        model: with the weights that shall draw.
        tokens: what the texts begin with, at least one token each.
        num_tokens: to be drawn.
        rng: on the CPU.

    Raises:
        CapabilityError: the sampler knows no prompts.
    """
    sampler = sampler_of(model, TextSampler, Tokens(), does="go on after a prompt")
    return sampler.stream(model, tokens, num_tokens, rng=rng)
