import pytest
import torch

from genloom.errors import ConfigError
from genloom.schedules import cosine, linear


def rates(schedule, total: int, **arguments) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = schedule(optimizer, total_iterations=total, **arguments)
    found = []
    for _ in range(total + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_linear_falls_to_zero_at_the_last_iteration():
    assert rates(linear, 4) == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


def test_linear_stays_for_a_share_of_the_run():
    assert rates(linear, 4, constant_fraction=0.5) == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.0])


def test_cosine_is_half_way_at_half_time():
    assert rates(cosine, 4)[2] == pytest.approx(0.5)
    assert rates(cosine, 4)[-1] == pytest.approx(0.0)


@pytest.mark.parametrize("schedule", [linear, cosine])
def test_warm_up_rises_and_never_starts_at_zero(schedule):
    found = rates(schedule, 10, warmup_iterations=3)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[-1] == pytest.approx(0.0)


@pytest.mark.parametrize("schedule", [linear, cosine])
def test_a_schedule_is_squeezed_between_two_shares_of_the_run_and_rests_outside(schedule):
    found = rates(schedule, 20, from_fraction=0.25, to_fraction=0.75, warmup_iterations=2)
    assert found[:5] == [0.0] * 5 and found[15:] == [0.0] * 6
    assert found[5:16] == pytest.approx(rates(schedule, 10, warmup_iterations=2), abs=1e-12)
    with pytest.raises(ConfigError, match=r"from_fraction=0\.5 and to_fraction=0\.5"):
        rates(schedule, 20, from_fraction=0.5, to_fraction=0.5)
