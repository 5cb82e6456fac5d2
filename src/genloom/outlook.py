"""What a model says of the future of series."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)  # of the quantiles, if not said otherwise


@dataclass(frozen=True, eq=False)
class Forecast:
    """The future of each series of a batch, in the scaled units of the content.

    Args:
        mean: what is expected.
        levels: probabilities of the quantiles, ascending; None for a model that gives a point only, as the next two.
        quantiles: the values below which the future lies with these probabilities.
        paths: draws; each step and target by itself, given the history.
    """

    mean: Float[Tensor, "batch horizon channels"]
    levels: Float[Tensor, " levels"] | None = None
    quantiles: Float[Tensor, "levels batch horizon channels"] | None = None
    paths: Float[Tensor, "paths batch horizon channels"] | None = None
