"""Learning-rate schedules over a run's iterations: factories called as ``schedule(optimizer, total_iterations=…)``.

Both happen between two shares of the run, ``from_fraction`` and ``to_fraction``. Before and after, the rate is zero,
and a family may leave out what a player at rest would do.
"""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from genloom.errors import ConfigError
from genloom.limits import PartialShare, Share, Whole


def _schedule(
    optimizer: Optimizer,
    total_iterations: int,
    warmup_iterations: int,
    shape: Callable[[float], float],
    from_fraction: float,
    to_fraction: float,
) -> LambdaLR:
    if not 0 <= from_fraction < to_fraction <= 1:
        raise ConfigError(
            f"scheduler: from_fraction={from_fraction} and to_fraction={to_fraction} are no part of a run; they must "
            "rise within 0 and 1"
        )
    first, end = round(from_fraction * total_iterations), round(to_fraction * total_iterations)

    def factor(iteration: int) -> float:
        if not first <= iteration < end:
            return 0.0
        if iteration - first < warmup_iterations:
            return (iteration - first + 1) / (warmup_iterations + 1)
        remaining = max(1, end - first - warmup_iterations)
        return shape((iteration - first - warmup_iterations) / remaining)

    return LambdaLR(optimizer, factor)


def linear(
    optimizer: Optimizer,
    *,
    total_iterations: int,
    warmup_iterations: Whole = 0,
    constant_fraction: PartialShare = 0.0,
    from_fraction: Share = 0.0,
    to_fraction: Share = 1.0,
) -> LambdaLR:
    """Rise over ``warmup_iterations``, stay for ``constant_fraction`` of the rest, fall linearly to zero."""

    def shape(progress: float) -> float:
        return min(1.0, (1.0 - progress) / (1.0 - constant_fraction))

    return _schedule(optimizer, total_iterations, warmup_iterations, shape, from_fraction, to_fraction)


def cosine(
    optimizer: Optimizer,
    *,
    total_iterations: int,
    warmup_iterations: Whole = 0,
    from_fraction: Share = 0.0,
    to_fraction: Share = 1.0,
) -> LambdaLR:
    """Rise over ``warmup_iterations``, then half a cosine down to zero (Loshchilov and Hutter, SGDR, 2017)."""

    def shape(progress: float) -> float:
        return 0.5 * (1.0 + math.cos(math.pi * progress))

    return _schedule(optimizer, total_iterations, warmup_iterations, shape, from_fraction, to_fraction)
