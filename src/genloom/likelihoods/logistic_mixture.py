"""True probabilities of 8-bit pixels: a mixture of logistic distributions, integrated over each grey level."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genloom.errors import ConfigError
from genloom.likelihoods.base import Likelihood, Parameters
from genloom.spec import ImageContent, Spec

LOG_SCALE_LIMIT = -7.0  # of the narrowest logistic, in the units of [-1, 1]: a ninth of a grey level


class DiscretisedLogisticMixture(Likelihood):
    """P(level) = Σ_i π_i (F_i(upper edge) − F_i(lower edge)), the outermost levels with all that lies beyond them.

    Salimans et al., PixelCNN++, 2017, equations 1 and 2. Each value has its own mixture: colours depend on each other
    through z only, not on the channels before them as in the paper.

    Args:
        spec: the data's; images.
        components: logistic distributions per value.
    """

    measure = "probability"

    def __init__(self, spec: Spec, *, components: int = 5) -> None:
        super().__init__(spec)
        if not isinstance(spec.content, ImageContent) or spec.content.binary:
            kind = "no images" if not isinstance(spec.content, ImageContent) else "black and white pixels"
            raise ConfigError(
                f"model.likelihood: DiscretisedLogisticMixture needs 8-bit pixels, and data.name={spec.name} gives "
                f"{kind}; choose another model.likelihood, or data.binarize=null"
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
        # log(F(upper) − F(lower)) without cancellation, F(a) − F(b) = F(a) F(−b) (1 − e^(b − a))
        inner = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        log_probs = torch.where(
            level < -1 + 1 / 255, F.logsigmoid(upper), torch.where(level > 1 - 1 / 255, F.logsigmoid(-lower), inner)
        )
        return torch.logsumexp(log_weights + log_probs, dim=-1 - self.content_dims)

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the mixture's mean, limited to the range of pixels."""
        log_weights, means, _ = self._parts(parameters)
        return (log_weights.exp() * means).sum(-1 - self.content_dims).clamp(-1, 1)
