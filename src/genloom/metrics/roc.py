"""The area under the curve of true against false positives (ROC), and how far a bootstrap moves a number.

The area is the probability that a positive example has a larger score than a negative one, ties counting half.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float64

from genloom import randomness
from genloom.intervals import CONFIDENCE, Interval

Weights = Float64[np.ndarray, "draws num"]
NUM_DRAWS = 1000  # of a bootstrap


def area(
    is_positive: Bool[np.ndarray, " num"], scores: Float[np.ndarray, " num"], weights: Weights
) -> Float64[np.ndarray, " draws"]:
    """Return the area under the curve for each draw of weights of the examples; NaN where a class has no weight."""
    _, place = np.unique(scores, return_inverse=True)
    order = place.argsort(kind="stable")
    starts = np.unique(place[order], return_index=True)[1]
    ordered, positive = weights[:, order], is_positive[order]
    ups = np.add.reduceat(ordered * positive, starts, axis=1)  # the weight of each score that occurs
    downs = np.add.reduceat(ordered * ~positive, starts, axis=1)
    below = downs.cumsum(axis=1) - downs / 2
    pairs = ups.sum(axis=1) * downs.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (ups * below).sum(axis=1) / np.where(pairs > 0, pairs, np.nan)


def bootstrapped(
    quantity: Callable[[Weights], Float64[np.ndarray, " draws"]], num: int
) -> tuple[float, Interval | None]:
    """Return a quantity of ``num`` examples, and the central interval of what it is of examples drawn from these.

    There is no interval where all draws agree, as they do where every example is right: they know of no error then,
    which does not mean that there is none. Efron, Bootstrap Methods: Another Look at the Jackknife, 1979,
    https://doi.org/10.1214/aos/1176344552. The draws are the same in every evaluation, so that what is judged on the
    same examples is judged on the same draws.

    Args:
        quantity: of how often each example counts, for each of some draws; NaN where it is undefined.
        num: examples.
    """
    value = float(quantity(np.ones((1, num)))[0])
    rng = np.random.default_rng(randomness.key("bootstrap"))
    chunk = max(1, 1_000_000 // num)
    sizes = [min(chunk, NUM_DRAWS - first) for first in range(0, NUM_DRAWS, chunk)]
    shares = np.full(num, 1 / num)
    draws = np.concatenate([quantity(rng.multinomial(num, shares, size=size).astype(np.float64)) for size in sizes])
    draws = draws[~np.isnan(draws)]
    if not len(draws) or (draws == draws[0]).all():
        return value, None
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return value, (float(low), float(high))
