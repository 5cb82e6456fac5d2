"""Going on after a text: token by token, each read once."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from genloom.networks.sequence.base import TextNetwork

#: Returns the next token of each text, shape (batch,), of the network's logits, shape (batch, size), and a generator.
Choose = Callable[[Tensor, torch.Generator], Tensor]


@torch.inference_mode()
def generate(
    network: TextNetwork,
    tokens: Int[Tensor, "batch prefix"],
    num_tokens: int,
    choose: Choose,
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
        choose: the next token of each text, of its logits.
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
        text[:, place] = drawn = choose(logits, rng)
        yield drawn
