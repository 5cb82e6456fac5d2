"""How to draw tokens from a trained network, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genloom.errors import ConfigError
from genloom.networks.sequence.base import TextNetwork


@dataclass(frozen=True)
class TokenSampler:
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

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ConfigError(
                f"sampler.temperature: {self.temperature} is not at least 0; 1 draws from the model's own distribution"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"sampler.top_k: {self.top_k} is below the limit of 1 token; null keeps all")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"sampler.top_p: {self.top_p} is not above 0 and at most 1; null keeps all")

    def __call__(self, logits: Float[Tensor, "batch size"], rng: torch.Generator) -> Int[Tensor, " batch"]:
        """Return a token of each row; what is random comes from the device of ``rng``.

        By the maximum of logits + Gumbel noise, whose distribution is their softmax; the noise is −log of Exp(1).
        """
        if self.temperature == 0:
            return logits.argmax(-1)
        noise = torch.empty(logits.shape, device=rng.device).exponential_(generator=rng).log_()
        return (self.allowed(logits / self.temperature) - noise.to(logits)).argmax(-1)

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


@torch.inference_mode()
def generate(
    network: TextNetwork,
    tokens: Int[Tensor, "batch prefix"],
    num_tokens: int,
    sampler: TokenSampler,
    rng: torch.Generator,
    *,
    kept: float = 0.5,
) -> Iterator[Int[Tensor, " batch"]]:
    """Yield the next token of each text, so many times.

    Every token is read once, and the network's state goes on from it. When a text no longer fits the context, its last
    tokens, a share ``kept`` of the context, are read anew, which happens once in (1 − kept) · context tokens; so a
    token is drawn by what it sees of the kept ones and those after them. Of a prompt that does not fit, they are read.

    Args:
        network: in evaluation mode.
        tokens: what the texts begin with, at least one token each; on the network's device.
        num_tokens: to be drawn.
        sampler: how.
        rng: of the draws.
        kept: above 0, below 1.
    """
    batch, prefix = tokens.shape
    total = prefix + num_tokens
    context = total if network.context is None else network.context
    text = tokens.new_empty(batch, total)
    text[:, :prefix] = tokens
    state, first = None, 0  # of the text, the state holds what was read from here on
    for place in range(prefix, total):
        full = place - first > context
        if state is None or full:
            first = place - max(1, int(kept * context)) if full else first
            logits, state = network.start(text[:, first:place], min(context, total - first))
        else:
            logits, state = network.step(text[:, place - 1], state)
        text[:, place] = drawn = sampler(logits, rng)
        yield drawn
