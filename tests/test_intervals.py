"""Intervals against closed forms, and how often they hold what they are of."""

import math
import random
import statistics

import numpy as np
import pytest
from scipy import stats

from genloom.intervals import half_width, jackknife, of_mean, of_ratio, t_quantile


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 6, 9, 10, 19, 29, 100])
def test_quantiles_are_scipy_s(degrees: int) -> None:
    assert t_quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-10)


def test_the_interval_of_a_mean_is_scipy_s() -> None:
    values = [1.0, 2.0, 4.0, 4.5]
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert of_mean(values) == pytest.approx(expected)


def test_the_jackknife_of_a_mean_is_the_interval_of_the_mean() -> None:
    values = [1.0, 2.0, 4.0, 4.5]
    without = [statistics.fmean(values[:i] + values[i + 1 :]) for i in range(4)]
    assert jackknife(statistics.fmean(values), without) == pytest.approx(of_mean(values))


def test_the_interval_of_a_square_is_that_of_its_root_squared_and_never_negative() -> None:
    low, high = jackknife(2.0, [1.9, 2.0, 2.1])
    assert (low + high) / 2 == pytest.approx(2)
    low, high = jackknife(4.0, [1.9**2, 2.0**2, 2.1**2], is_square=True)
    assert (math.sqrt(low) + math.sqrt(high)) / 2 == pytest.approx(2)
    assert jackknife(2.0, [1.9, 2.0, 2.1]) == pytest.approx((math.sqrt(low), math.sqrt(high)))
    assert jackknife(0.01, [0.5, 0.0, -1e-9], is_square=True)[0] == 0


def test_the_interval_of_a_ratio_has_both_errors() -> None:
    assert of_ratio(6.0, None, 2.0, None) is None
    for ours, theirs, relative in (((5.7, 6.3), None, 0.05), (None, (1.8, 2.2), 0.1), ((5.7, 6.3), (1.8, 2.2), 0.1118)):
        interval = of_ratio(6.0, ours, 2.0, theirs)
        assert interval is not None and half_width(interval) == pytest.approx(3 * relative, rel=1e-3)
    assert of_ratio(-6.0, (-7.0, -5.0), 2.0, None) == pytest.approx((-3.5, -2.5))
    assert of_ratio(1.0, (0.0, 9.0), 1.0, (0.1, 1.9))[0] == 0  # type: ignore[index]


def test_the_interval_of_a_ratio_holds_it_as_often_as_it_says() -> None:
    rng, held = random.Random(0), 0
    for _ in range(2000):
        above, below = rng.gauss(6, 0.5), rng.gauss(2, 0.2)
        low, high = of_ratio(above, (above - 0.98, above + 0.98), below, (below - 0.392, below + 0.392)) or (0, 0)
        held += low <= 3 <= high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)
