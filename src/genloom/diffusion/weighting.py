"""How much the error at each level of noise counts: weights of the squared error of clean content."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.diffusion.prediction import Prediction
from genloom.diffusion.process import Level, Process
from genloom.limits import Positive
from genloom.part import Part


@dataclass(frozen=True)
class Weighting(Part, ABC):
    """A weight for each level."""

    @abstractmethod
    def __call__(self, level: Level) -> Float[Tensor, "..."]:
        """Return the weights of squared errors of clean content."""

    def of_said(self, level: Level, prediction: Prediction, process: Process) -> Float[Tensor, "..."]:
        """Return the weights of squared errors of what a network says."""
        return self(level) / prediction.weight(level, process)


@dataclass(frozen=True)
class Unit(Weighting):
    """What the network says counts the same at every level, which is what each prediction was published with."""

    def __call__(self, level: Level) -> Float[Tensor, "..."]:
        """Return ones; of clean content it is the prediction that weighs."""
        return torch.ones_like(level.sigma)

    def of_said(self, level: Level, prediction: Prediction, process: Process) -> Float[Tensor, "..."]:
        """Return ones."""
        return torch.ones_like(level.sigma)


@dataclass(frozen=True)
class EdmWeighting(Weighting):
    """1/σ² + 1/σ_data², of σ/α: ones for what :class:`~genloom.diffusion.prediction.Edm` says.

    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models, 2022,
    https://arxiv.org/abs/2206.00364.

    Args:
        sigma_data: standard deviation of the content as a model sees it.
    """

    sigma_data: Positive = 0.5

    def __call__(self, level: Level) -> Float[Tensor, "..."]:
        """Return the weights."""
        return 1 / level.ratio.square() + 1 / self.sigma_data**2


@dataclass(frozen=True)
class MinSnr(Weighting):
    """The signal-to-noise ratio, up to a limit.

    Hang et al., Efficient Diffusion Training via Min-SNR Weighting Strategy, 2023, https://arxiv.org/abs/2303.09556.

    Args:
        limit: theirs is 5.
    """

    limit: Positive = 5.0

    def __call__(self, level: Level) -> Float[Tensor, "..."]:
        """Return the weights."""
        return (1 / level.ratio.square()).clamp(max=self.limit)


@dataclass(frozen=True)
class Sigmoid(Weighting):
    """Of errors of the noise: sigmoid(bias − log SNR).

    Kingma and Gao, Understanding Diffusion Objectives as the ELBO with Simple Data Augmentation, 2023,
    https://arxiv.org/abs/2303.00848; Hoogeboom et al., Simpler Diffusion, 2024, https://arxiv.org/abs/2410.19324.

    Args:
        bias: the more, the more do levels of little noise count.
    """

    bias: float = 2.0

    def __call__(self, level: Level) -> Float[Tensor, "..."]:
        """Return the weights: those of the noise's error, times the signal-to-noise ratio."""
        return torch.sigmoid(self.bias - level.log_snr) / level.ratio.square()


@dataclass(frozen=True)
class Likelihood(Weighting):
    """Errors of the noise count the same at every level: the weights of the variational bound.

    With levels uniform in the logarithm of the signal-to-noise ratio, the loss is the bound but for factors. Kingma et
    al., Variational Diffusion Models, 2021, https://arxiv.org/abs/2107.00630; Kingma and Gao, 2023,
    https://arxiv.org/abs/2303.00848, section 2.
    """

    def __call__(self, level: Level) -> Float[Tensor, "..."]:
        """Return the signal-to-noise ratio."""
        return 1 / level.ratio.square()
