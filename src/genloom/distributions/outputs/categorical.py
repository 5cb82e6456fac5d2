"""The next token: one of a vocabulary."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from genloom.contents.text import TextContent
from genloom.distributions.outputs.base import Output, Prediction
from genloom.spec import Spec


def draw(logits: Float[Tensor, "batch size"], rng: torch.Generator) -> Int[Tensor, " batch"]:
    """Return one draw from softmax(logits) for each row; what is random comes from the device of ``rng``.

    By the maximum of logits + Gumbel noise, whose distribution is their softmax; the noise is −log of Exp(1).
    """
    noise = torch.empty(logits.shape, device=rng.device).exponential_(generator=rng).log_()
    return (logits - noise.to(logits)).argmax(-1)


class CategoricalPrediction(Prediction):
    """softmax(logits).

    Args:
        logits: unnormalised log-probabilities.
    """

    has_density = True

    def __init__(self, logits: Float[Tensor, "*shape size"]) -> None:
        self.logits = logits

    def log_prob(self, content: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the log-probability of each token, nats."""
        flat = self.logits.reshape(-1, self.logits.shape[-1])
        return -F.cross_entropy(flat, content.reshape(-1), reduction="none").view(content.shape)

    def sample(self, num: int, rng: torch.Generator) -> Int[Tensor, "num *shape"]:
        """Return draws."""
        noise = torch.rand((num, *self.logits.shape), generator=rng, device=rng.device).to(self.logits)
        return (self.logits - noise.clamp_min(1e-20).log().neg().log()).argmax(-1)  # Gumbel's maximum


class Categorical(Output):
    """Logits over the vocabulary.

    Args:
        spec: of a text.
    """

    kind = TextContent
    measure = "probability"
    prediction = CategoricalPrediction

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        spec.check(self, "model.output")
        self.num_outputs = TextContent.of(spec.content).vocabulary.size

    def __call__(self, numbers: Float[Tensor, "*shape outputs"]) -> CategoricalPrediction:
        """Return the distribution of each token."""
        return CategoricalPrediction(numbers)
