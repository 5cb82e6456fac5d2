"""What draws of a future say of it, against numpy and by all pairs."""

import numpy as np
import pytest
import torch

from genloom import randomness
from genloom.batch import Batch, History
from genloom.distributions.outputs.draws import Draws, drawn

LEVELS = torch.tensor([0.001, 0.05, 0.3, 0.5, 0.77, 0.95, 0.999])


def prediction(num: int, *shape: int) -> Draws:
    return Draws(torch.randn(num, *shape, generator=randomness.generator(0)))


@pytest.mark.parametrize("num", [2, 3, 100])
def test_a_quantile_is_what_one_more_draw_would_lie_below(num):
    draws = prediction(num, 4, 2)
    expected = np.quantile(draws.content.numpy(), LEVELS.numpy(), axis=0, method="weibull")
    np.testing.assert_allclose(draws.quantiles(LEVELS).numpy(), expected, atol=1e-5)
    torch.testing.assert_close(draws.median, draws.content.quantile(0.5, dim=0))
    assert torch.equal(draws.mean, draws.content.mean(0))


def test_the_crps_is_that_of_all_pairs_of_draws():
    draws, content = prediction(7, 3), torch.tensor([0.3, -2.0, 5.0])
    apart = (draws.content[:, None] - draws.content).abs().sum((0, 1)) / (7 * 6)
    expected = (draws.content - content).abs().mean(0) - apart / 2
    torch.testing.assert_close(draws.crps(content, rng=torch.Generator(), num_samples=3), expected)


def test_a_draw_is_taken_whole_and_all_are_before_one_is_again():
    draws = Draws(torch.arange(5).view(5, 1, 1).expand(5, 2, 3).float())
    taken = draws.sample(7, torch.Generator().manual_seed(0))
    assert taken.shape == (7, 2, 3) and (taken == taken[:, :1, :1]).all()
    assert sorted(taken[:5, 0, 0].tolist()) == [0, 1, 2, 3, 4] and torch.equal(taken[5:], taken[:2])


@pytest.mark.parametrize("batch", [3, 700])
def test_every_history_gets_as_many_futures_of_its_own(batch):
    one = torch.ones(batch, 1)
    past = torch.arange(batch).view(-1, 1, 1).expand(-1, 4, 1).float()

    def draw(num, *, rng, given):
        noise = torch.rand(num, 2, 1, generator=rng)
        return Batch(given["history"].past[:, :2] + 0.5 * noise, torch.arange(num))

    found = drawn(draw, History(past, one, one, one), 5, torch.Generator()).content
    assert found.shape == (5, batch, 2, 1) and torch.equal(found.floor(), past[:, :2].expand(5, -1, -1, -1))
    assert len(found.unique()) > 0.9 * found.numel()
