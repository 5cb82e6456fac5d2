"""Learning-rate schedules over a run's iterations: factories called as ``schedule(optimizer, total_iterations=…)``."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def _schedule(
    optimizer: Optimizer, total_iterations: int, warmup_iterations: int, shape: Callable[[float], float]
) -> LambdaLR:
    def factor(iteration: int) -> float:
        if iteration < warmup_iterations:
            return (iteration + 1) / (warmup_iterations + 1)
        remaining = max(1, total_iterations - warmup_iterations)
        return shape(min(1.0, (iteration - warmup_iterations) / remaining))

    return LambdaLR(optimizer, factor)


def linear(
    optimizer: Optimizer, *, total_iterations: int, warmup_iterations: int = 0, constant_fraction: float = 0.0
) -> LambdaLR:
    """Rise over ``warmup_iterations``, stay for ``constant_fraction`` of the rest, fall linearly to zero."""

    def shape(progress: float) -> float:
        return min(1.0, (1.0 - progress) / (1.0 - constant_fraction))

    return _schedule(optimizer, total_iterations, warmup_iterations, shape)


def cosine(optimizer: Optimizer, *, total_iterations: int, warmup_iterations: int = 0) -> LambdaLR:
    """Rise over ``warmup_iterations``, then half a cosine down to zero (Loshchilov and Hutter, SGDR, 2017)."""
    return _schedule(optimizer, total_iterations, warmup_iterations, lambda p: 0.5 * (1.0 + math.cos(math.pi * p)))
