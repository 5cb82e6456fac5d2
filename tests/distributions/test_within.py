"""Normal numbers within limits have the moments of such numbers."""

import pytest
import torch

from genloom.distributions.within import draw_within

COVARIANCE = torch.tensor([[1.0, 0.8, 0.3], [0.8, 1.0, 0.0], [0.3, 0.0, 1.0]], dtype=torch.float64)


def test_known_and_limited_numbers_shift_the_others_as_those_among_all_draws_do():
    num, inf = 4000, torch.inf
    low = torch.tensor([-inf, 0.5, -inf], dtype=torch.float64).expand(num, -1)
    high = torch.tensor([inf, 1.5, 0.0], dtype=torch.float64).expand(num, -1)
    drawn = draw_within(COVARIANCE, low, high, torch.Generator().manual_seed(0))
    assert ((drawn >= low) & (drawn <= high)).all()
    free = torch.randn(400_000, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    free = free @ torch.linalg.cholesky(COVARIANCE).T
    inside = free[((free >= low[0]) & (free <= high[0])).all(1)]
    assert drawn.mean(0) == pytest.approx(inside.mean(0), abs=0.05)
    assert drawn.T.cov().flatten() == pytest.approx(inside.T.cov().flatten(), abs=0.05)


def test_a_known_number_stays_and_gives_the_conditional_mean():
    known = torch.tensor([-torch.inf, 2.0, -torch.inf], dtype=torch.float64).expand(4000, -1)
    drawn = draw_within(COVARIANCE, known, known.abs(), torch.Generator().manual_seed(0))
    assert (drawn[:, 1] == 2.0).all()
    assert drawn[:, 0].mean().item() == pytest.approx(1.6, abs=0.05)
    assert drawn[:, 0].std().item() == pytest.approx(0.6, abs=0.03)
