"""How to draw the latents of a generator."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from genloom.batch import Latent


@runtime_checkable
class LatentDistribution(Protocol):
    """What a family asks of its latents: Gaussian ones, codes beside them, levels."""

    dim: int  # what the generator is built for

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents on the device of ``rng``."""
        ...

    def interpolate(self, a: torch.Tensor, b: torch.Tensor, weight: float) -> torch.Tensor:
        """Return the point a share ``weight`` of the way from ``a`` to ``b``."""
        ...


@dataclass
class StandardNormal:
    """z ~ N(0, I).

    Args:
        dim: length of z.
    """

    dim: int

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"dim: {self.dim} is below the limit of 1")

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``{"z": …}`` with shape ``(num, dim)``, on the device of ``rng``."""
        return {"z": torch.randn(num, self.dim, generator=rng, device=rng.device)}

    def interpolate(self, a: torch.Tensor, b: torch.Tensor, weight: float) -> torch.Tensor:
        """Spherical interpolation: points between two Gaussian draws keep a Gaussian draw's typical length.

        White, Sampling Generative Networks, 2016. Shapes: ``a`` and ``b`` ``(num, dim)``, ``weight`` in [0, 1].
        """
        cosine = torch.nn.functional.cosine_similarity(a, b, dim=-1).clamp(-1, 1).unsqueeze(-1)
        angle = cosine.arccos().clamp_min(1e-4)
        return (((1 - weight) * angle).sin() * a + (weight * angle).sin() * b) / angle.sin()
