import pytest
import torch

from genloom.running_mean import RunningMean


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99, 0.9999])
def test_it_is_the_weighted_mean_of_all_values_whatever_the_start(decay):
    values = torch.linspace(3.0, 7.0, 40)
    mean = RunningMean(decay, start=1e6)
    for t, value in enumerate(values, start=1):
        found = mean.update(value)
        weights = decay ** torch.arange(t - 1, -1, -1, dtype=torch.float64)
        assert found.item() == pytest.approx(((weights * values[:t]).sum() / weights.sum()).item(), rel=1e-5)


def test_what_was_returned_does_not_move_and_the_state_is_kept():
    mean = RunningMean(0.9)
    first = mean.update(torch.tensor(1.0))
    mean.update(torch.tensor(5.0))
    assert first.item() == 1
    other = RunningMean(0.9)
    other.load_state_dict(mean.state_dict())
    assert torch.equal(other.update(torch.tensor(2.0)), mean.update(torch.tensor(2.0)))
