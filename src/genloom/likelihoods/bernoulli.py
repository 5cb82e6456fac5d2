"""Likelihoods of pixels between black and white: exactly one of them, or anything between."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genloom.errors import ConfigError
from genloom.likelihoods.base import Likelihood, Parameters
from genloom.spec import ImageContent, Spec


def _unit(content: Tensor) -> Tensor:
    """Map [-1, 1] to [0, 1]."""
    return (content + 1) / 2


def _images(spec: Spec, who: str) -> ImageContent:
    if not isinstance(spec.content, ImageContent):
        raise ConfigError(
            f"model.likelihood: {who} is a likelihood of pixels, and data.name={spec.name} holds none; "
            "choose likelihood@model.likelihood=gaussian"
        )
    return spec.content


class Bernoulli(Likelihood):
    """p(x = 1) = σ(output), for black and white pixels only.

    Grey values under this formula give numbers that are no log-likelihoods and compare with none (Loaiza-Ganem and
    Cunningham, The Continuous Bernoulli, 2019), so they are refused.
    """

    measure = "probability"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        if not _images(spec, "Bernoulli").binary:
            raise ConfigError(
                "model.likelihood: Bernoulli gives no likelihood of grey values; set data.binarize=dynamic, or choose "
                "likelihood@model.likelihood=continuous_bernoulli"
            )

    def log_prob_of_values(self, parameters: Tensor, content: Tensor) -> Tensor:
        """Return log σ(l) of white pixels and log σ(−l) of black ones, which are 1 and −1; l is the logit."""
        return F.logsigmoid(content * self._only(parameters))

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the probability of white, as a grey value."""
        return 2 * self._only(parameters).sigmoid() - 1


class ContinuousBernoulli(Likelihood):
    """p(x) ∝ λˣ(1 − λ)¹⁻ˣ on [0, 1], with λ = σ(output).

    Loaiza-Ganem and Cunningham, The Continuous Bernoulli: fixing a pervasive error in variational autoencoders, 2019.
    """

    measure = "density of values in [0, 1]"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        _images(spec, "ContinuousBernoulli")

    def _distribution(self, parameters: Tensor) -> torch.distributions.ContinuousBernoulli:
        return torch.distributions.ContinuousBernoulli(logits=self._only(parameters), validate_args=False)

    def log_prob_of_values(self, parameters: Tensor, content: Tensor) -> Tensor:
        """Return the log-density, the normaliser included."""
        return self._distribution(parameters).log_prob(_unit(content))

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the distribution's mean, which is not λ."""
        return 2 * self._distribution(parameters).mean - 1
