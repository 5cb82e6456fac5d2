"""Likelihoods of pixels between black and white: exactly one of them, or anything between."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genloom.contents.image import ImageContent
from genloom.distributions.likelihoods.base import Likelihood, Parameters
from genloom.distributions.likelihoods.decay import log_mean_decay
from genloom.errors import ConfigError
from genloom.spec import Spec


class _OfPixels(Likelihood):
    kind = ImageContent
    instead: ClassVar[str] = "choose likelihood@model.likelihood=gaussian"


class Bernoulli(_OfPixels):
    """p(x = 1) = σ(output), for black and white pixels only.

    Grey values under this formula give numbers that are no log-likelihoods and compare with none (Loaiza-Ganem and
    Cunningham, The Continuous Bernoulli, 2019), so they are refused.
    """

    measure = "probability"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        if not ImageContent.of(spec.content).binary:
            raise ConfigError(
                "model.likelihood: Bernoulli gives no likelihood of grey values; set data.binarize=dynamic, or choose "
                "likelihood@model.likelihood=continuous_bernoulli"
            )

    def log_prob_of_values(self, parameters: Tensor, content: Tensor) -> Tensor:
        """Return log σ(l) of white pixels and log σ(−l) of black ones, which are 1 and −1; l is the logit."""
        return F.logsigmoid(content * self._only(parameters))

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the probability of white, as a grey value."""
        return (0.5 * self._only(parameters)).tanh()


class ContinuousBernoulli(_OfPixels):
    """p(x) = C e^{lx} on [0, 1], with the output l, the logit of λ, and C = l / (e^l − 1).

    Loaiza-Ganem and Cunningham, The Continuous Bernoulli: fixing a pervasive error in variational autoencoders, 2019.
    Everything is by l: λ = σ(l) is 1 in single precision from l = 17 on, where C and the mean still change.
    """

    measure = "density of values in [0, 1]"

    def log_prob_of_values(self, parameters: Tensor, content: Tensor) -> Tensor:
        """Return lx + log C = l (x − ½) − |l| / 2 − log ∫₀¹ e^{−|l| t} dt; l (x − ½) is half of l times the content."""
        logit = self._only(parameters)
        rate = logit.abs()
        return 0.5 * (logit * content - rate) - log_mean_decay(rate)

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return 2 E[x] − 1 = coth(l/2) − 2/l, which is not 2λ − 1."""
        half = 0.5 * self._only(parameters)
        small = half.abs() < 0.25  # the difference of the two terms would lose digits
        near = torch.where(small, half, torch.zeros_like(half))
        squares = near.square()
        series = near / 3 * (1 - squares / 15 * (1 - 2 * squares / 21 * (1 - squares / 10)))
        far = torch.where(small, torch.ones_like(half), half)
        return torch.where(small, series, 1 / far.tanh() - 1 / far)
