"""What an objective returns."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

#: Updates before this one: a number on the CPU; elsewhere a tensor that holds it there, so that what is computed of it
#: is computed anew in each iteration, also where one was captured as a CUDA graph.
Iteration = int | Int64[Tensor, ""]


@dataclass
class Loss:
    """A scalar to minimise, and what is worth logging beside it.

    Args:
        total: the value that is differentiated, averaged over the examples of the batch.
        terms: returns named scalars for the log, detached or not, which are never differentiated; called only in an
            iteration that is logged, between the backward pass and the update. NaN is what a batch has nothing to say
            of, and is not logged.
    """

    total: Float[Tensor, ""]
    terms: Callable[[], dict[str, Float[Tensor, ""]]] = dict
