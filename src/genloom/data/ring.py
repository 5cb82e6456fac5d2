"""Eight Gaussians on a circle: two numbers per example, and modes that can be counted.

The customary test of mode collapse, as in Metz et al., Unrolled Generative Adversarial Networks, 2017, section 3.1.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genloom import randomness
from genloom.contents.vector import VectorContent
from genloom.data.base import Examples, InMemoryData, Split
from genloom.limits import Count

NUM_MODES = 8
RADIUS = 1.0
SIGMA = 0.02  # standard deviation of a mode, in each coordinate


def centres() -> Float[Tensor, "modes 2"]:
    """Return the modes' centres, counter-clockwise from (1, 0)."""
    angle = torch.arange(NUM_MODES) * (2 * math.pi / NUM_MODES)
    return RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)


class Ring(InMemoryData):
    """Points drawn from the eight modes, equally often; a point's label is its mode.

    Args:
        num: training examples; the other splits hold a fifth each.
        **in_memory: see :class:`~genloom.data.base.InMemoryData`.
    """

    def __init__(self, *, num: Count = 10_000, **in_memory: Any) -> None:
        super().__init__(**in_memory)
        self.num = num

    def content(self) -> VectorContent:
        """Two coordinates."""
        return VectorContent(2, self.domain)

    @property
    def classes(self) -> tuple[str, ...]:
        """The modes, numbered."""
        return tuple(str(mode) for mode in range(NUM_MODES))

    def read(self, split: Split) -> Examples:
        """Draw a split; the same at every call."""
        num = self.num if split == "train" else self.num // 5
        rng = randomness.generator("ring", split)
        labels = torch.arange(num) % NUM_MODES
        points = centres()[labels] + SIGMA * torch.randn(num, 2, generator=rng)
        return Examples(points.float(), {"label": labels})
