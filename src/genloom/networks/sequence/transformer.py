"""The Transformer as a backbone: pre-normalised, with rotary positions and gated units.

Vaswani et al., Attention Is All You Need, 2017; Zhang and Sennrich, Root Mean Square Layer Normalization, 2019;
Shazeer, GLU Variants Improve Transformer, 2020, for SwiGLU; Radford et al., Language Models are Unsupervised Multitask
Learners, 2019, for the initial weights.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from genloom.errors import ConfigError
from genloom.limits import Count, PartialShare
from genloom.networks.rotary import Table, angles, rotate, rotation
from genloom.networks.sequence.base import Backbone


def normalise(x: Float[Tensor, "*batch width"], root: Float[Tensor, ""]) -> Float[Tensor, "*batch width"]:
    """Return x / √mean(x²), given √width; without a gain, since what follows is linear and has one.

    Spelled out: token by token on a CPU this takes half of ``F.rms_norm``'s time, and in training the same.
    """
    return x * (root / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-6))


class Cache:
    """Keys and values of the positions that were seen, in buffers of fixed size.

    Args:
        keys, values: a buffer for each layer.

    Attributes:
        seen: positions that are filled.
    """

    def __init__(
        self,
        keys: Sequence[Float[Tensor, "batch heads positions dim"]],
        values: Sequence[Float[Tensor, "batch heads positions dim"]],
    ) -> None:
        self.keys, self.values = keys, values
        self.seen = 0

    def extend(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Write the next positions, of shape (batch, heads, positions, dim); return all up to them."""
        new = k.shape[2]
        both = []
        for buffers, values in ((self.keys, k), (self.values, v)):
            buffers[layer].narrow(2, self.seen, new).copy_(values)
            both.append(buffers[layer].narrow(2, 0, self.seen + new))
        return both[0], both[1]


class Block(nn.Module):
    """x + attention(norm(x)), then x + units(norm(x)); dropout on what is added.

    Args:
        width: of x.
        heads: of the attention.
        hidden: gated units.
        dropout: share that is left out in training.
    """

    root: Float[Tensor, ""]

    def __init__(self, width: Count, heads: Count, hidden: Count, dropout: PartialShare) -> None:
        super().__init__()
        self.heads = heads
        self.register_buffer("root", torch.tensor(sqrt(width)), persistent=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def project(self, x: Tensor, by: tuple[Table, Table]) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each of shape (batch, heads, positions, dim)."""
        batch, positions, width = x.shape
        qkv = self.qkv(normalise(x, self.root)).view(batch, positions, 3, self.heads, width // self.heads)
        q, k = rotate(qkv[:, :, :2], *by).transpose(1, 3).unbind(2)
        return q, k, qkv[:, :, 2].transpose(1, 2)

    def add(self, x: Tensor, attended: Float[Tensor, "batch heads positions dim"]) -> Tensor:
        """Return the block's output, given what was attended to."""
        x = x + self.dropout(self.out(attended.transpose(1, 2).flatten(2)))
        gate, up = self.gate_up(normalise(x, self.root)).chunk(2, dim=-1)
        return x + self.dropout(self.down(F.silu(gate) * up))


class Transformer(Backbone):
    """Blocks, and a normalisation at the end.

    Dropout falls on what blocks add to their input, not on attention weights, which fused kernels never hold.

    Args:
        width: of the vectors.
        layers: blocks.
        heads: of each attention; they share the width.
        context: positions that can be seen at once.
        dropout: share that is left out in training.
        hidden: gated units of a block; None is 8/3 of the width, to the next multiple of 32.
        causal: whether a position sees only itself and those before it.

    Raises:
        ConfigError: a value is out of its limits.
    """

    root: Float[Tensor, ""]
    cosine: Table
    sine: Table
    blocks: Any  # of Block
    attends = True

    def __init__(
        self,
        *,
        width: Count = 128,
        layers: Count = 4,
        heads: Count = 4,
        context: Count = 256,
        dropout: PartialShare = 0.0,
        hidden: Count | None = None,
        causal: bool = True,
    ) -> None:
        super().__init__()
        key = "model.network.backbone"
        for name, value in (("width", width), ("layers", layers), ("heads", heads), ("context", context)):
            if value < 1:
                raise ConfigError(f"{key}.{name}: {value} is below the limit of 1")
        if width % (2 * heads):
            raise ConfigError(
                f"{key}.width: {width} is no multiple of {2 * heads}, twice {key}.heads={heads}: each head turns pairs "
                "of coordinates; change one of the two"
            )
        self.width = self.width_in = width
        self.context, self.causal = context, causal
        hidden = hidden or -(-8 * width // 96) * 32
        self.blocks = nn.ModuleList(Block(width, heads, hidden, dropout) for _ in range(layers))
        buffers = dict(zip(("cosine", "sine"), rotation(angles(context, width // heads, 10_000.0)), strict=True))
        for name, buffer in (buffers | {"root": torch.tensor(sqrt(width))}).items():
            self.register_buffer(name, buffer, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
        for block in self.blocks:
            for last in (block.out, block.down):  # each block adds twice to what the one before gave
                nn.init.normal_(last.weight, std=0.02 / sqrt(2 * layers))

    def forward(self, x: Float[Tensor, "batch positions width"]) -> Float[Tensor, "batch positions width"]:
        """Return a vector per position.

        Raises:
            ConfigError: there are more positions than the context holds.
        """
        by = self._rotation(0, x.shape[1])
        for block in self.blocks:
            q, k, v = block.project(x, by)
            x = block.add(x, F.scaled_dot_product_attention(q, k, v, is_causal=self.causal))
        return normalise(x, self.root)

    def attention(self, x: Float[Tensor, "batch positions width"]) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each position looks at each one, in every layer, averaged over heads; rows sum to 1."""
        by, maps = self._rotation(0, x.shape[1]), []
        for block in self.blocks:
            q, k, v = block.project(x, by)
            scores = q @ k.transpose(-2, -1) / sqrt(q.shape[-1])
            if self.causal:
                scores = scores.masked_fill(~_seen(x.shape[1], x.shape[1], x.device), -torch.inf)
            weights = scores.softmax(-1)
            maps.append(weights.mean(1))
            x = block.add(x, weights @ v)
        return torch.stack(maps)

    def start(self, batch: int, positions: int) -> Cache:
        """Return an empty cache.

        Raises:
            ConfigError: the network is not causal, or there are more positions than the context holds.
        """
        if not self.causal:
            raise ConfigError(
                "model.network.backbone.causal: false lets no position go before the next; set it to true"
            )
        self._rotation(0, positions)
        weight, heads = self.blocks[0].qkv.weight, self.blocks[0].heads
        buffers = [weight.new_empty(batch, heads, positions, self.width // heads) for _ in range(2 * len(self.blocks))]
        return Cache(buffers[: len(self.blocks)], buffers[len(self.blocks) :])

    def step(
        self, x: Float[Tensor, "batch positions width"], state: Cache
    ) -> tuple[Float[Tensor, "batch positions width"], Cache]:
        """Go on from ``state``, whose buffers are written to.

        Raises:
            ConfigError: more positions were seen than the context holds.
        """
        seen, new = state.seen, x.shape[1]
        by = self._rotation(seen, new)
        mask = _seen(new, seen + new, x.device) if seen and new > 1 else None  # one position sees all before it
        for layer, block in enumerate(self.blocks):
            q, k, v = block.project(x, by)
            k, v = state.extend(layer, k, v)
            causal = mask is None and new > 1
            x = block.add(x, F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal))
        state.seen += new
        return normalise(x, self.root), state

    def _rotation(self, first: int, num: int) -> tuple[Table, Table]:
        if first + num > (limit := len(self.cosine)):
            raise ConfigError(
                f"model.network.backbone.context: {first + num} positions are above the limit of {limit}; raise "
                "it, or shorten data.length, data.look_back or the prompt"
            )
        return self.cosine[first : first + num], self.sine[first : first + num]


def _seen(new: int, positions: int, device: torch.device) -> Bool[Tensor, "new positions"]:
    """Return which of all positions each of the last ``new`` ones sees."""
    return torch.ones(new, positions, dtype=torch.bool, device=device).tril(positions - new)
