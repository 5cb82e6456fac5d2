"""How to draw the latents of a generator."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genloom.batch import Latent
from genloom.errors import ConfigError
from genloom.limits import Count, NonNegative, Whole
from genloom.part import Part


@runtime_checkable
class LatentDistribution(Protocol):
    """What a family asks of its latents: Gaussian ones, codes beside them, levels."""

    dim: int  # what the generator is built for

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents on the device of ``rng``."""
        ...

    def interpolate(self, a: Latent, b: Latent, weight: float) -> Latent:
        """Return the latents a share ``weight`` of the way from ``a`` to ``b``."""
        ...


@runtime_checkable
class CodedLatent(LatentDistribution, Protocol):
    """Latents with a categorical code that can be asked for, and continuous codes."""

    categories: int
    continuous: int

    def with_category(self, latent: Latent, category: Tensor) -> Latent:
        """Return ``latent`` with another categorical code, of shape (num,)."""
        ...


def slerp(a: Float[Tensor, "num dim"], b: Float[Tensor, "num dim"], weight: float) -> Float[Tensor, "num dim"]:
    """Interpolate spherically: points between two Gaussian draws keep a Gaussian draw's typical length.

    White, Sampling Generative Networks, 2016. ``weight`` is in [0, 1].
    """
    cosine = F.cosine_similarity(a, b, dim=-1).clamp(-1, 1).unsqueeze(-1)
    angle = cosine.arccos().clamp_min(1e-4)
    return (((1 - weight) * angle).sin() * a + (weight * angle).sin() * b) / angle.sin()


@dataclass
class StandardNormal(Part):
    """z ~ N(0, I).

    Args:
        dim: length of z.
    """

    dim: Count

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"dim: {self.dim} is below the limit of 1")

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``{"z": …}`` with shape ``(num, dim)``, on the device of ``rng``."""
        return {"z": torch.randn(num, self.dim, generator=rng, device=rng.device)}

    def interpolate(self, a: Latent, b: Latent, weight: float) -> Latent:
        """Interpolate spherically."""
        return {"z": slerp(a["z"], b["z"], weight)}


@dataclass
class NormalWithCodes(Part):
    """z = [noise, one-hot category, continuous codes]: N(0, σ²I), uniform over the categories, U(-1, 1).

    Chen et al., InfoGAN, 2016, appendix C.1: 62 + 10 + 2 for MNIST, σ = 1. Mukherjee et al., ClusterGAN, 2019, take a
    small σ, so that examples of unlike categories start far apart.

    Args:
        dim: length of z, codes included.
        categories: values of the categorical code.
        continuous: number of continuous codes.
        noise_std: σ.
    """

    dim: Count
    categories: int = 10
    continuous: Whole = 2
    noise_std: NonNegative = 1.0

    def __post_init__(self) -> None:
        if self.categories < 2 or self.continuous < 0:
            raise ConfigError(
                f"model.latent.categories, model.latent.continuous: {self.categories} and {self.continuous} are below "
                "the limits of 2 and 0"
            )
        if self.noise_std <= 0:
            raise ConfigError(f"model.latent.noise_std: {self.noise_std} is not above 0")
        if self.dim_noise < 1:
            raise ConfigError(
                f"model.latent.categories, model.latent.dim: codes of {self.categories} + {self.continuous} leave no "
                f"noise in a latent of {self.dim}; raise model.latent.dim"
            )

    @property
    def dim_noise(self) -> int:
        """Length of the noise."""
        return self.dim - self.categories - self.continuous

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``z`` of shape (num, dim), ``category`` of shape (num,), ``continuous`` of shape (num, continuous)."""
        noise = self.noise_std * torch.randn(num, self.dim_noise, generator=rng, device=rng.device)
        category = torch.randint(self.categories, (num,), generator=rng, device=rng.device)
        continuous = 2 * torch.rand(num, self.continuous, generator=rng, device=rng.device) - 1
        return self._joined(noise, category, continuous)

    def _joined(self, noise: Tensor, category: Tensor, continuous: Tensor) -> Latent:
        one_hot = F.one_hot(category, self.categories).to(noise.dtype)
        z = torch.cat([noise, one_hot, continuous], dim=1)
        return {"z": z, "category": category, "continuous": continuous}

    def with_category(self, latent: Latent, category: Tensor) -> Latent:
        """Return ``latent`` with another categorical code, of shape (num,)."""
        return self._joined(latent["z"][:, : self.dim_noise], category, latent["continuous"])

    def interpolate(self, a: Latent, b: Latent, weight: float) -> Latent:
        """Interpolate noise and one-hot codes spherically and linearly; the category is the nearer one's."""
        noise = slerp(a["z"][:, : self.dim_noise], b["z"][:, : self.dim_noise], weight)
        codes = torch.lerp(a["z"][:, self.dim_noise :], b["z"][:, self.dim_noise :], weight)
        return {
            "z": torch.cat([noise, codes], dim=1),
            "category": a["category"] if weight < 0.5 else b["category"],
            "continuous": codes[:, self.categories :],
        }
