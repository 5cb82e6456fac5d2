"""What an objective returns."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor


@dataclass
class Loss:
    """A scalar to minimise, and what is worth logging beside it.

    Args:
        total: the value that is differentiated, averaged over the examples of the batch.
        terms: named scalars for the log, detached or not; they are never differentiated.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]] = field(default_factory=dict)
