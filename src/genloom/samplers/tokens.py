"""How to draw tokens from a trained network, one after the other."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genloom.errors import ConfigError
from genloom.networks.sequence import TextNetwork

KEPT = 0.5  # share of the context that is read again when it is full


@dataclass(frozen=True)
class TokenSampler:
    """Draws the next token.

    Args:
        temperature: divides the logits: below 1 is more typical, 0 takes the most probable token.
        top_k: only the so many most probable tokens; Fan et al., Hierarchical Neural Story Generation, 2018.
        top_p: only the most probable tokens that make up this share, the one that crosses it included; Holtzman et al.,
            The Curious Case of Neural Text Degeneration, 2020.

    Raises:
        ConfigError: a value is out of its limits.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if self.temperature < 0 or not math.isfinite(self.temperature):
            raise ConfigError(f"sampler.temperature: {self.temperature} is below the limit of 0")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"sampler.top_k: {self.top_k} is below the limit of 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"sampler.top_p: {self.top_p} is not above 0 and at most 1")

    def __call__(self, logits: Float[Tensor, "batch size"], rng: torch.Generator) -> Int[Tensor, " batch"]:
        """Return a token of each row; what is random comes from the device of ``rng``."""
        if self.temperature == 0:
            return logits.argmax(-1)
        logits = self.allowed(logits / self.temperature)
        noise = torch.rand(logits.shape, generator=rng, device=rng.device).to(logits)
        return (logits - noise.clamp_min_(1e-20).log_().neg_().log_()).argmax(-1)  # Gumbel's maximum: a softmax draw

    def allowed(self, logits: Float[Tensor, "batch size"]) -> Float[Tensor, "batch size"]:
        """Return the logits, −∞ where a token is not among the most probable ones."""
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            smallest = logits.topk(self.top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < smallest, -math.inf)
        if self.top_p is not None and self.top_p < 1:
            ordered, order = logits.sort(dim=-1, descending=True)
            shares = ordered.softmax(-1)
            beyond = shares.cumsum(-1) - shares >= self.top_p  # what stands before it makes up the share already
            logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), -math.inf)
        return logits


def generate(
    network: TextNetwork,
    tokens: Int[Tensor, "batch prefix"],
    num_tokens: int,
    sampler: TokenSampler,
    rng: torch.Generator,
) -> Iterator[Int[Tensor, " batch"]]:
    """Yield the next token of each text, so many times.

    As long as all fits the network's context, nothing is computed twice. When the context is full, the last half of it
    is read again and generation goes on from there, so a token sees between a half and the whole of a context.

    Args:
        network: in evaluation mode.
        tokens: what the texts begin with; of more than a context, the last half context is read.
        num_tokens: to be drawn.
        sampler: how.
        rng: of the draws.
    """
    limit = network.context
    seen, room, state = tokens, 0, None
    for left in range(num_tokens, 0, -1):
        with torch.inference_mode():
            if room == 0:
                if limit is not None and (state is not None or seen.shape[1] > limit):
                    seen = seen[:, -max(1, int(limit * KEPT)) :]
                room = (limit or math.inf) - seen.shape[1]
                logits, state = network.start(seen, seen.shape[1] + int(min(room, left)))
            else:
                logits, state = network.step(seen[:, -1], state)
                room -= 1
            drawn = sampler(logits, rng)
            seen = drawn.unsqueeze(1) if limit is None else torch.cat([seen, drawn.unsqueeze(1)], dim=1)
        yield drawn
