"""A denoiser of pictures: the diffusion Transformer."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.diffusion.process import Level
from genloom.errors import ConfigError
from genloom.limits import Count, PartialShare, Positive
from genloom.networks.base import OfImages
from genloom.networks.denoiser.base import DenoiserNetwork, Embedding, zeroed
from genloom.networks.embedders import MakeEmbedder
from genloom.networks.rotary import Table, angles, rotate, rotation
from genloom.spec import Spec

#: How a token knows where it is: by sines and cosines that are added to it, by a learned vector that is, or by the
#: angles at which queries and keys meet, which tell them how far apart they are.
Positions = Literal["sincos", "learned", "rotary"]

_BASE = 100.0  # of the angles; pictures have few rows


class Block(nn.Module):
    """Attention, then a hidden layer, each beside what it sees, which the embedding scales and shifts; what it adds is
    scaled by the embedding, too, and is zero at first (adaLN-zero).

    Args:
        width: of the tokens.
        heads: of the attention.
        hidden: units of the hidden layer.
        dropout: share of what each adds that training leaves out.
    """

    def __init__(self, width: Count, heads: Count, hidden: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.modulation = zeroed(nn.Linear(width, 6 * width))
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.hidden = nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "batch tokens width"], embedding: Tensor, by: tuple[Table, Table] | None = None
    ) -> Float[Tensor, "batch tokens width"]:
        """Return the tokens, changed; queries and keys are turned by rotary positions, if there are some."""
        scale1, shift1, gate1, scale2, shift2, gate2 = self.modulation(embedding).unsqueeze(1).chunk(6, dim=2)
        qkv = self.qkv(self.norm1(x) * (1 + scale1) + shift1).unflatten(2, (3, self.heads, -1))
        queries_and_keys = qkv[:, :, :2] if by is None else rotate(qkv[:, :, :2], *by)
        q, k = queries_and_keys.permute(2, 0, 3, 1, 4)
        v = qkv[:, :, 2].transpose(1, 2)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + gate1 * self.dropout(self.out(attended))
        return x + gate2 * self.dropout(self.hidden(self.norm2(x) * (1 + scale2) + shift2))


class DiT(OfImages, DenoiserNetwork):
    """A Transformer of patches, told the level of noise and the conditions by its normalisation.

    Peebles and Xie, Scalable Diffusion Models with Transformers, 2023, https://arxiv.org/abs/2212.09748. Pictures of
    any size are padded to whole patches.

    Args:
        spec: the data's; images of any size.
        width: of the tokens; a multiple of 4 and of ``heads``.
        layers: blocks.
        heads: of the attention.
        patch: side of the patches of pixels.
        expansion: units of the hidden layers, as a multiple of ``width``.
        positions: how a token knows its row and its column. Rotary ones, Su et al., RoFormer, 2021,
            https://arxiv.org/abs/2104.09864, turn half of each head by the row, and half by the column.
        dropout: share of what each layer adds that training leaves out.
        conditions: names of those that are told; None is all that the data has.
        embedders: by a condition's name, what makes a vector of it.
        jumps: see :class:`~genloom.networks.denoiser.base.DenoiserNetwork`.

    Raises:
        ConfigError: the data holds no images, or the width is no such multiple.
    """

    positions: Float[Tensor, "tokens width"]
    cosine: Table
    sine: Table

    def __init__(
        self,
        spec: Spec,
        *,
        width: Count = 192,
        layers: Count = 6,
        heads: Count = 3,
        patch: Count = 2,
        expansion: Positive = 4.0,
        positions: Positions = "sincos",
        dropout: PartialShare = 0.0,
        conditions: Sequence[str] | None = None,
        embedders: Mapping[str, MakeEmbedder] | None = None,
        jumps: bool = False,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = self.image_shape(spec, "model.network")
        if width % 4 or width % heads:
            raise ConfigError(
                f"model.network.width: {width} is no multiple of 4 and of model.network.heads={heads}; set it to "
                f"{(width // (4 * heads) + 1) * 4 * heads}"
            )
        self.is_rotary = positions == "rotary"
        if self.is_rotary and width // heads % 4:
            fitting = -(-width // (4 * heads)) * 4 * heads
            raise ConfigError(
                f"model.network.heads: {heads} share model.network.width={width} in parts that are no multiple of 4, "
                f"as model.network.positions=rotary needs; set model.network.width={fitting}"
            )
        self.patch = patch
        self.rows, columns = -(-height // patch), -(-width_pixels // patch)
        self.embedding = Embedding(spec, width, names=conditions, embedders=embedders, jumps=jumps)
        self.conditions, self.jumps = self.embedding.told.names, jumps
        self.first = nn.Conv2d(channels, width, patch, stride=patch)
        if self.is_rotary:
            tables = rotation(_angles(self.rows, columns, width // heads))
            for name, table in zip(("cosine", "sine"), tables, strict=True):
                self.register_buffer(name, table, persistent=False)
        elif positions == "learned":
            self.positions = nn.Parameter(0.02 * torch.randn(self.rows * columns, width))
        else:
            self.register_buffer("positions", _sincos(self.rows, columns, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads, round(expansion * width), dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = zeroed(nn.Linear(width, 2 * width))
        self.last = zeroed(nn.Linear(width, channels * patch**2))

    def forward(
        self,
        noised: Float[Tensor, "batch channels height width"],
        level: Level,
        given: Given = NOTHING,
        until: Level | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """Return what is asked for."""
        embedding = self.embedding(level, given, until)
        height, width = noised.shape[-2:]
        padded = F.pad(noised, (0, -width % self.patch, 0, -height % self.patch))
        x = self.first(padded).flatten(2).transpose(1, 2)
        by = (self.cosine, self.sine) if self.is_rotary else None
        if by is None:
            x = x + self.positions
        for block in self.blocks:
            x = block(x, embedding, by)
        scale, shift = self.modulation(embedding).unsqueeze(1).chunk(2, dim=2)
        said = self.last(self.norm(x) * (1 + scale) + shift).transpose(1, 2).unflatten(2, (self.rows, -1))
        return F.pixel_shuffle(said, self.patch)[..., :height, :width]


def _sincos(rows: int, columns: int, width: int) -> Float[Tensor, "tokens width"]:
    frequencies = 10_000.0 ** (-torch.arange(width // 4) / (width // 4))
    by_row, by_column = (torch.arange(num)[:, None] * frequencies for num in (rows, columns))
    of_rows = torch.cat([by_row.sin(), by_row.cos()], dim=1)[:, None].expand(-1, columns, -1)
    of_columns = torch.cat([by_column.sin(), by_column.cos()], dim=1)[None].expand(rows, -1, -1)
    return torch.cat([of_rows, of_columns], dim=2).flatten(0, 1)


def _angles(rows: int, columns: int, dim: int) -> Float[Tensor, "tokens half"]:
    of_rows, of_columns = (angles(num, dim // 2, _BASE) for num in (rows, columns))
    of_rows, of_columns = of_rows[:, None].expand(-1, columns, -1), of_columns[None].expand(rows, -1, -1)
    return torch.cat([of_rows, of_columns], dim=2).flatten(0, 1)
