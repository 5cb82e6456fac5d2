"""Rotary positions: queries and keys are turned by angles of where they are, and meet at how far apart they are.

Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, 2021, https://arxiv.org/abs/2104.09864.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Table = Float[Tensor, "positions 1 1 dim"]


def rotation(angles: Float[Tensor, "positions half"]) -> tuple[Table, Table]:
    """Return cosine and sine of the angles, each twice, the first of the two sines negated.

    The pairs that turn together are the coordinates i and i + dim/2.
    """
    cosine, sine = angles.cos(), angles.sin()
    tables = torch.cat([cosine, cosine], -1), torch.cat([-sine, sine], -1)
    return tables[0][:, None, None], tables[1][:, None, None]


def angles(positions: int, dim: int, base: float) -> Float[Tensor, "positions half"]:
    """Return position · base^(−2i/dim), of which there are dim/2."""
    return torch.outer(torch.arange(positions), base ** (-torch.arange(0, dim, 2) / dim))


def rotate(
    x: Float[Tensor, "batch positions any heads dim"], cosine: Table, sine: Table
) -> Float[Tensor, "batch positions any heads dim"]:
    """Turn each pair of coordinates by its position's angle."""
    return torch.addcmul(x * cosine, x.roll(x.shape[-1] // 2, -1), sine)
