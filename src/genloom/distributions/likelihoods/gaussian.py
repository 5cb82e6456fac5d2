"""Gaussian likelihoods: the output is the mean; they differ in where the standard deviation σ comes from.

σ is one number for all values of content, in the units of content: for images, of [-1, 1].
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.distributions.likelihoods.base import Likelihood, Parameters
from genloom.distributions.normal import log_density
from genloom.errors import ConfigError
from genloom.limits import Positive
from genloom.running_mean import RunningMean
from genloom.spec import Spec


class _Gaussian(Likelihood):
    measure = "density of content, for images of values in [-1, 1]"

    def log_variance(self, squared_errors: Tensor) -> Tensor:
        """Return log σ²."""
        raise NotImplementedError

    def log_prob_of_values(self, parameters: Tensor, content: Tensor) -> Tensor:
        """Return the log-density of each value of content, nats."""
        squared_errors = (content - self._only(parameters)).square()
        return log_density(squared_errors, self.log_variance(squared_errors))

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the output."""
        return self._only(parameters)


class Gaussian(_Gaussian):
    """N(output, σ²) with a fixed σ.

    Args:
        spec: the data's.
        sigma: standard deviation, in the units of content.
    """

    def __init__(self, spec: Spec, *, sigma: Positive = 0.1) -> None:
        super().__init__(spec)
        if sigma <= 0:
            raise ConfigError(f"model.likelihood.sigma: {sigma} is not above 0")
        self.sigma = sigma

    def log_variance(self, squared_errors: Tensor) -> Tensor:
        """Return the constant."""
        return torch.full((), 2 * math.log(self.sigma), dtype=squared_errors.dtype, device=squared_errors.device)


class LearnedGaussian(_Gaussian):
    """N(output, σ²) with a σ that is trained with the network."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def log_variance(self, squared_errors: Tensor) -> Tensor:
        """Return the parameter's."""
        return 2 * self.log_sigma


class OptimalGaussian(_Gaussian):
    """N(output, σ²) with the σ that maximises the likelihood: σ² is the mean squared error.

    Rybkin et al., Simple and Effective VAE Training with Calibrated Decoders (σ-VAE), 2021. In training it is that of
    the batch; what is measured afterwards uses a running mean over batches, so that it does not depend on which
    examples stand together.

    Args:
        spec: the data's.
        half_life_batches: after so many batches one weighs half.
    """

    def __init__(self, spec: Spec, *, half_life_batches: Positive = 50) -> None:
        super().__init__(spec)
        if not half_life_batches > 0:
            raise ConfigError(f"model.likelihood.half_life_batches: {half_life_batches} is not above 0")
        self.running = RunningMean(0.5 ** (1 / half_life_batches), start=1.0)

    def log_variance(self, squared_errors: Tensor) -> Tensor:
        """Return the batch's in training, the running mean's otherwise."""
        if not self.training:
            return self.running.value.log()
        variance = squared_errors.mean().clamp_min(1e-6)
        self.running.update(variance.detach())
        return variance.log()
