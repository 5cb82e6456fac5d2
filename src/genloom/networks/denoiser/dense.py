"""A denoiser of vectors."""

from collections.abc import Mapping, Sequence
from math import prod

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.diffusion.process import Level
from genloom.limits import Count, PartialShare
from genloom.networks.denoiser.base import DenoiserNetwork, Embedding
from genloom.networks.embedders import MakeEmbedder
from genloom.spec import Spec


class DenseBlock(nn.Module):
    """x + linear(SiLU((1 + scale) · linear(norm(x)) + shift)), of which scale and shift come of the embedding; the last
    map is zero at first.
    """

    def __init__(self, width: Count, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.modulation = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Float[Tensor, "*batch width"], embedding: Tensor) -> Float[Tensor, "*batch width"]:
        """Return x, changed."""
        scale, shift = self.modulation(embedding).chunk(2, dim=-1)
        return x + self.second(self.dropout(F.silu(self.first(self.norm(x)) * (1 + scale) + shift)))


class DenseDenoiser(DenoiserNetwork):
    """Residual blocks of linear layers: content of any shape, as one vector.

    Args:
        spec: the data's.
        width: units of each layer.
        blocks: how many.
        dropout: share of units that training leaves out.
        conditions: names of those that are told; None is all that the data has.
        embedders: by a condition's name, what makes a vector of it.
        jumps: see :class:`~genloom.networks.denoiser.base.DenoiserNetwork`.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Count = 256,
        blocks: Count = 4,
        dropout: PartialShare = 0.0,
        conditions: Sequence[str] | None = None,
        embedders: Mapping[str, MakeEmbedder] | None = None,
        jumps: bool = False,
    ) -> None:
        super().__init__()
        num = prod(spec.content.shape)
        self.embedding = Embedding(spec, width, names=conditions, embedders=embedders, jumps=jumps)
        self.conditions, self.jumps = self.embedding.told.names, jumps
        self.first = nn.Linear(num, width)
        self.blocks = nn.ModuleList(DenseBlock(width, dropout) for _ in range(blocks))
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, num))

    def forward(
        self,
        noised: Float[Tensor, "batch ..."],
        level: Level,
        given: Given = NOTHING,
        until: Level | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """Return what is asked for."""
        embedding = self.embedding(level, given, until)
        x = self.first(noised.flatten(1))
        for block in self.blocks:
            x = block(x, embedding)
        return self.last(x).view_as(noised)
