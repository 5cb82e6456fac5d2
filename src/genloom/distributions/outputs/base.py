"""The contract of an output, and of the prediction that it makes of a network's numbers."""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genloom.contents.base import Content
from genloom.part import Part
from genloom.spec import Spec


class Prediction:
    """What a network says of content, of shape (batch, \\*content); a subclass offers what it knows.

    Attributes:
        has_density: whether :meth:`log_prob` and :meth:`sample` are there.
        has_quantiles: whether :meth:`quantiles` are there.
        has_levels: whether it is made of quantiles at fixed levels.
    """

    has_density: ClassVar[bool] = False
    has_quantiles: ClassVar[bool] = False
    has_levels: ClassVar[bool] = False

    def log_prob(self, content: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the log-probability, or the log-density, of each value, nats."""
        raise NotImplementedError

    @property
    def mean(self) -> Float[Tensor, "..."]:
        """What is expected: the best point for squared errors; for outputs of real values."""
        raise NotImplementedError

    @property
    def median(self) -> Float[Tensor, "..."]:
        """The best point for absolute errors; for outputs of real values."""
        return self.mean

    def quantiles(self, levels: Float[Tensor, " levels"]) -> Float[Tensor, "levels ..."]:
        """Return the values below which the content lies with the probabilities ``levels``, ascending."""
        raise NotImplementedError

    def sample(self, num: int, rng: torch.Generator) -> Float[Tensor, "num ..."]:
        """Return draws, each value by itself; what is random comes from the device of ``rng``."""
        raise NotImplementedError

    def crps(
        self, content: Float[Tensor, "..."], *, rng: torch.Generator, num_samples: int = 100
    ) -> Float[Tensor, "..."]:
        """Return the continuous ranked probability score of each value: E|X − y| − ½ E|X − X'|, X and X' predicted.

        Estimated from draws without bias, by :func:`fair_crps`.
        """
        return fair_crps(self.sample(num_samples, rng).sort(0).values, content)


def fair_crps(ascending: Float[Tensor, "draws ..."], content: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the continuous ranked probability score of each value, estimated without bias by the M (M − 1) pairs of M
    draws; Ferro, Fair Scores for Ensemble Forecasts, 2014.

    Args:
        ascending: at least two draws of each value, sorted.
        content: what came.
    """
    num = len(ascending)
    rank = torch.arange(1, num + 1).to(ascending).view(-1, *[1] * content.ndim)
    apart = ((2 * rank - num - 1) * ascending).sum(0) / (num * (num - 1))  # ½ E|X − X'|
    return (ascending - content).abs().mean(0) - apart


class Output(Part):
    """Turns a network's numbers into a prediction. Built by ``output(spec)``.

    Attributes:
        num_outputs: numbers that the network gives per value of content.
        prediction: what it makes of them.
        kind: of content that it predicts.
        measure: what its log-probabilities are of: ``probability``, or the scale of a density.

    Raises:
        ConfigError: it is no output of this content.
    """

    kind: ClassVar[type[Content]] = Content
    measure: ClassVar[str] = "density"
    num_outputs: int = 1
    prediction: ClassVar[type[Prediction]]

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def __call__(self, numbers: Float[Tensor, "... outputs"]) -> Any:
        """Return the prediction."""
        raise NotImplementedError
