"""What a network predicts: p · x + q · ε, of which each prediction has its own pair (p, q) at each level of noise.

Together with x_t = α x + σ ε that gives clean content and noise by solving two equations, so predictions are the same
model said in other words: any of them can be made of any other, and every sampler runs on all.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.diffusion.process import Denoised, Level, Process
from genloom.errors import ConfigError
from genloom.limits import Positive
from genloom.part import Part

Pair = tuple[Float[Tensor, "..."], Float[Tensor, "..."]]


@dataclass(frozen=True)
class Prediction(Part, ABC):
    """A pair (p, q) for each level.

    Attributes:
        needs_content: it says nothing where there is nothing but noise, α = 0.
    """

    needs_content = False

    @abstractmethod
    def pair(self, level: Level, process: Process) -> Pair:
        """Return (p, q)."""

    def input_scale(self, level: Level) -> Float[Tensor, "..."]:
        """Return what noised content is multiplied by before the network sees it."""
        return torch.ones_like(level.sigma)

    def target(self, content: Tensor, noise: Tensor, level: Level, process: Process) -> Float[Tensor, "batch ..."]:
        """Return what the network should say of ``level.noised(content, noise)``."""
        p, q = self.pair(level, process)
        return p * content + q * noise

    def denoised(self, noised: Tensor, said: Tensor, level: Level, process: Process) -> Denoised:
        """Return content and noise, of noised content and what the network said of it."""
        p, q = self.pair(level, process)
        determinant = level.alpha * q - level.sigma * p
        return Denoised(
            clean=(q * noised - level.sigma * said) / determinant,
            noise=(level.alpha * said - p * noised) / determinant,
        )

    def said(self, denoised: Denoised, level: Level, process: Process) -> Float[Tensor, "batch ..."]:
        """Return what a network says that denoises so; the way back of :meth:`denoised`."""
        return self.target(denoised.clean, denoised.noise, level, process)

    def weight(self, level: Level, process: Process) -> Float[Tensor, "..."]:
        """Return by how much a squared error of what is said exceeds that of the clean content."""
        p, q = self.pair(level, process)
        return ((level.alpha * q - level.sigma * p) / level.sigma).square()


@dataclass(frozen=True)
class Clean(Prediction):
    """The content x."""

    def pair(self, level: Level, process: Process) -> Pair:
        """Return (1, 0)."""
        return torch.ones_like(level.sigma), torch.zeros_like(level.sigma)


@dataclass(frozen=True)
class Noise(Prediction):
    """The noise ε. Ho et al., Denoising Diffusion Probabilistic Models, 2020, https://arxiv.org/abs/2006.11239."""

    needs_content = True

    def pair(self, level: Level, process: Process) -> Pair:
        """Return (0, 1)."""
        return torch.zeros_like(level.sigma), torch.ones_like(level.sigma)


@dataclass(frozen=True)
class Velocity(Prediction):
    """How x_t moves along the process's path: ε − x of a rectified flow, α ε − σ x of one that preserves variance."""

    def pair(self, level: Level, process: Process) -> Pair:
        """Return the slopes of the path."""
        return process.slope(level)


@dataclass(frozen=True)
class V(Prediction):
    """α ε − σ x, over √(α² + σ²), whatever the path.

    Salimans and Ho, Progressive Distillation for Fast Sampling of Diffusion Models, 2022,
    https://arxiv.org/abs/2202.00512.
    """

    def pair(self, level: Level, process: Process) -> Pair:
        """Return the level's pair, turned by a right angle."""
        length = (level.alpha.square() + level.sigma.square()).sqrt()
        return -level.sigma / length, level.alpha / length


@dataclass(frozen=True)
class Edm(Prediction):
    """What leaves input and target of the network at a variance of 1, if content has a variance of ``sigma_data``².

    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (EDM), 2022,
    https://arxiv.org/abs/2206.00364, table 1; its skip, output and input scales are the ones of α = 1.

    Args:
        sigma_data: standard deviation of the content as a model sees it.

    Raises:
        ConfigError: it is not above 0.
    """

    sigma_data: Positive = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.sigma_data < float("inf"):
            raise ConfigError(f"prediction.sigma_data: {self.sigma_data} is not above 0 and finite; 0.5 fits pictures")

    def input_scale(self, level: Level) -> Float[Tensor, "..."]:
        """Return the inverse of the standard deviation of noised content."""
        return 1 / self._std(level)

    def pair(self, level: Level, process: Process) -> Pair:
        """Return (x − skip · x_t)/scale, in terms of x and ε."""
        std = self._std(level)
        return level.sigma / (std * self.sigma_data), -level.alpha * self.sigma_data / std

    def _std(self, level: Level) -> Float[Tensor, "..."]:
        return (level.sigma.square() + (level.alpha * self.sigma_data).square()).sqrt()
