"""The normaliser of distributions on an interval."""

import math

import pytest
import torch

from genloom.distributions.likelihoods.decay import log_mean_decay


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.1, 0.3, 0.499, 0.501, 1.0, 20.0, 300.0])
def test_the_integral_and_its_slope_are_right_to_eleven_digits(rate: float) -> None:
    """Against log(sinh(a/2) / (a/2)) − a/2 and its derivative 1/(e^a − 1) − 1/a; near 0, −a/2 + a²/24 − a⁴/2880."""
    a = torch.tensor(rate, dtype=torch.float64, requires_grad=True)
    found = log_mean_decay(a)
    found.backward()
    if rate < 0.1:
        value, slope = -rate / 2 + rate**2 / 24 - rate**4 / 2880, -1 / 2 + rate / 12 - rate**3 / 720
    else:
        value = math.log(math.sinh(rate / 2) / (rate / 2)) - rate / 2
        slope = 1 / math.expm1(rate) - 1 / rate
    assert found.item() == pytest.approx(value, abs=3e-12)
    assert a.grad is not None and a.grad.item() == pytest.approx(slope, abs=5e-11)
