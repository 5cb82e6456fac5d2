"""The contract of a likelihood: how many values it needs per value of content, its density, its mean, its draws."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.contents.base import Content
from genloom.spec import Spec

Parameters = Float[Tensor, "..."]  # what a decoder gives, of shape (…, outputs, *content)


class Likelihood(nn.Module):
    """p(x | z). Built by ``likelihood(spec)``; content is in the spec's range, [-1, 1] for images.

    Attributes:
        kind: of content that it is a likelihood of.
        outputs: values that the decoder gives per value of content.
        measure: ``probability``, so that bits per dimension mean something; else the scale that a density is per.

    Raises:
        ConfigError: it is no likelihood of this content.
    """

    kind: ClassVar[type[Content]] = Content
    outputs: int = 1
    measure: ClassVar[str]

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        spec.check(self, "model.likelihood")
        self.content_dims = len(spec.content.shape)

    def log_prob(self, parameters: Parameters, content: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return log p(x | z), nats per example.

        Args:
            parameters: of shape (…, outputs, *content); leading axes such as (k, batch).
            content: of shape (…, *content), broadcast against the leading axes.
        """
        values = self.log_prob_of_values(parameters, content)
        return values.flatten(-self.content_dims).sum(-1)

    def log_prob_of_values(self, parameters: Tensor, content: Tensor) -> Tensor:
        """Return the log-probability of each value of content, nats."""
        raise NotImplementedError

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the expected content."""
        raise NotImplementedError

    def sample(self, parameters: Parameters, rng: torch.Generator) -> Float[Tensor, "..."]:
        """Return generated content: the mean, unless a class says that it is drawn.

        The mean is what is customary for pictures, where what is drawn adds noise to each pixel.

        Args:
            parameters: of shape (…, outputs, *content).
            rng: on the CPU, so that the same numbers are drawn on every device.
        """
        return self.mean(parameters)

    def _only(self, parameters: Tensor) -> Tensor:
        """Return the single output, without its axis."""
        return parameters.squeeze(-1 - self.content_dims)
