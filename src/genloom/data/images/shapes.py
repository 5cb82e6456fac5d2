"""White shapes on black whose generating factors are known: shape, scale, orientation and position.

After dSprites (Matthey et al., 2017), made here rather than downloaded, with fewer levels of each factor, and larger in
their pictures so that 32 pixels a side show which shape it is and how it is turned.
"""

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from genloom import randomness
from genloom.data.base import Split
from genloom.data.images.base import ImageData, Images
from genloom.errors import ConfigError

_SPLITS = {"test": (0, 5000), "val": (5000, 7000), "train": (7000, None)}
_MIN_SIZE = 16  # pixels, below which neighbouring levels are the same picture


class Shapes(ImageData):
    """Every combination of the factors once, dealt to the splits at random: 29,864 to train on, 2,000 and 5,000.

    Orientations lie within a quarter turn, since a square that is turned by one is the same picture; ellipse and
    triangle repeat later. The label is the shape; ``factors`` are the levels of all five.

    Args:
        **image_data: see :class:`~genloom.data.images.base.ImageData`; the size cannot be None.
    """

    factor_levels: ClassVar[dict[str, int]] = {"shape": 3, "scale": 6, "orientation": 8, "x": 16, "y": 16}

    def __init__(self, **image_data: Any) -> None:
        super().__init__(**image_data)
        if self.size is None or self.size < _MIN_SIZE:
            raise ConfigError(f"data.size: {self.size} is below the limit of {_MIN_SIZE} pixels for shapes")

    @property
    def classes(self) -> tuple[str, ...]:
        """The shapes."""
        return "square", "ellipse", "triangle"

    def read(self, split: Split) -> Images:
        """Draw a split; the same at every call."""
        levels = tuple(self.factor_levels.values())
        first, last = _SPLITS[split]
        chosen = randomness.permutation(math.prod(levels), "shapes")[first:last]
        factors = torch.stack(torch.unravel_index(chosen, levels), dim=1)
        assert self.size is not None
        pictures = torch.cat([draw(part, self.size) for part in factors.split(2000)])
        return Images(pictures, {"label": factors[:, 0]}, factors)


def draw(factors: Int[Tensor, "num 5"], size: int) -> UInt8[Tensor, "num 1 size size"]:
    """Return pictures of ``size`` pixels a side; edges are grey by the share of a pixel that they cover.

    Args:
        factors: levels of shape, scale, orientation, x and y, in this order.
        size: in pixels.
    """
    shape, scale, turn, x, y = factors.T.float().unsqueeze(-1).unsqueeze(-1)
    radius = 0.12 + 0.10 * scale / 5  # of the picture's side
    angle = turn * (math.pi / 2 / 8)
    pixel = (torch.arange(size) + 0.5) / size
    across = pixel.view(1, 1, -1) - (0.28 + 0.44 * x / 15)
    down = pixel.view(1, -1, 1) - (0.28 + 0.44 * y / 15)
    u = angle.cos() * across + angle.sin() * down
    v = angle.cos() * down - angle.sin() * across
    edge = torch.where(shape == 0, _square(u, v, radius), torch.where(shape == 1, _ellipse(u, v, radius), 0.0))
    edge = torch.where(shape == 2, _triangle(u, v, radius), edge)
    return (255 * (0.5 - edge * size).clamp(0, 1)).round().to(torch.uint8).unsqueeze(1)


# Signed distances from the edge, negative inside (the ellipse's to first order)


def _square(u: Tensor, v: Tensor, radius: Tensor) -> Float[Tensor, "num size size"]:
    return torch.maximum(u.abs(), v.abs()) - 0.85 * radius


def _ellipse(u: Tensor, v: Tensor, radius: Tensor) -> Float[Tensor, "num size size"]:
    wide, narrow = 1.3 * radius, 0.65 * radius
    return (torch.hypot(u / wide, v / narrow) - 1) * narrow


def _triangle(u: Tensor, v: Tensor, radius: Tensor) -> Float[Tensor, "num size size"]:
    sides = [math.cos(turn) * u + math.sin(turn) * v for turn in (math.pi / 2, math.pi * 7 / 6, math.pi * 11 / 6)]
    return torch.stack(sides).amax(0) - 0.7 * radius
