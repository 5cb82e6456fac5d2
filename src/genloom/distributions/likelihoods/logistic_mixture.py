"""True probabilities of 8-bit pixels: a mixture of logistic distributions, integrated over each grey level."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genloom.contents.image import ImageContent
from genloom.distributions.likelihoods.base import Likelihood, Parameters
from genloom.distributions.likelihoods.decay import log_mean_decay
from genloom.errors import ConfigError
from genloom.limits import Count
from genloom.spec import Spec

LOG_SCALE_LIMIT = -7.0  # of the narrowest logistic, in the units of [-1, 1]: a ninth of a grey level


class DiscretisedLogisticMixture(Likelihood):
    """P(level) = Σ_i π_i (F_i(upper edge) − F_i(lower edge)), the outermost levels with all that lies beyond them.

    Salimans et al., PixelCNN++, 2017, equations 1 and 2. Each value has its own mixture: colours depend on each other
    through z only, not on the channels before them as in the paper.

    Args:
        spec: the data's; images.
        components: logistic distributions per value.
    """

    kind = ImageContent
    instead: ClassVar[str] = "choose likelihood@model.likelihood=gaussian"
    measure = "probability"

    def __init__(self, spec: Spec, *, components: Count = 5) -> None:
        super().__init__(spec)
        if ImageContent.of(spec.content).binary:
            raise ConfigError(
                f"model.likelihood: DiscretisedLogisticMixture needs 8-bit pixels, and data.name={spec.name} gives "
                "black and white pixels; choose another model.likelihood, or data.binarize=null"
            )
        if components < 1:
            raise ConfigError(f"model.likelihood.components: {components} is below the limit of 1")
        self.components = components
        self.outputs = 3 * components

    def _parts(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, means, log_scales = parameters.chunk(3, dim=-1 - self.content_dims)
        return logits.log_softmax(-1 - self.content_dims), means, log_scales.clamp_min(LOG_SCALE_LIMIT)

    def log_prob_of_values(self, parameters: Tensor, content: Tensor) -> Tensor:
        """Return the log-probability of each value's grey level."""
        log_weights, means, log_scales = self._parts(parameters)
        level = content.unsqueeze(-1 - self.content_dims)
        inverse_scale = (-log_scales).exp()
        upper = (level - means + 1 / 255) * inverse_scale
        lower = (level - means - 1 / 255) * inverse_scale
        # log(F(upper) − F(lower)) without cancellation: with the width a = upper − lower it is
        # log F(upper) + log F(−lower) + log(1 − e⁻ᵃ), and a may be too small for 1 − e⁻ᵃ
        width = 2 / 255 * inverse_scale
        inner = F.logsigmoid(upper) + F.logsigmoid(-lower) + log_mean_decay(width) + math.log(2 / 255) - log_scales
        log_probs = torch.where(
            level < -1 + 1 / 255, F.logsigmoid(upper), torch.where(level > 1 - 1 / 255, F.logsigmoid(-lower), inner)
        )
        return torch.logsumexp(log_weights + log_probs, dim=-1 - self.content_dims)

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the expected content, what lies beyond the outermost levels counted as these; to half a grey level.

        Of a logistic with mean μ and scale s that is −1 + s (log(1 + e^{(μ + 1)/s}) − log(1 + e^{(μ − 1)/s})).
        """
        log_weights, means, log_scales = self._parts(parameters)
        scales = log_scales.clamp_max(40).exp()  # a wider one is as flat, and must not overflow
        width, below = 2 / scales, (means - 1) / scales
        wide = width < 1  # a difference of two large logarithms
        between = torch.where(
            wide,
            torch.log1p(torch.expm1(width.clamp_max(1)) * below.sigmoid()),
            F.softplus(below + width) - F.softplus(below),
        )
        return (log_weights.exp() * (scales * between - 1)).sum(-1 - self.content_dims).clamp(-1, 1)
