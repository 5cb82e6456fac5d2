"""Numbers that are others in each iteration: where a device can't be told them, it reads what was written before."""

from functools import partial

import pytest
import torch

from genloom import devices
from genloom.models.training import averaging, continuing
from genloom.models.training.numbers import Numbers, rates
from genloom.objectives.vae import CyclicalWarmup, Elbo, LinearWarmup
from genloom.schedules import linear

CPU = torch.device("cpu")


def test_a_tensor_holds_what_its_number_is_now():
    numbers, now = Numbers(), [3]
    share = numbers.held("share", lambda: now[0] / 4, CPU)
    count = numbers.held("count", lambda: now[0], CPU, torch.int64)
    assert (share.item(), count.item(), share.dtype, count.dtype) == (0.75, 3, torch.float32, torch.int64)
    now[0] = 5
    assert (share.item(), count.item()) == (0.75, 3)
    numbers.write()
    assert (share.item(), count.item()) == (1.25, 5)
    assert numbers.held("share", lambda: 0.0, CPU) is share


def test_an_optimizer_keeps_its_own_rates_also_when_a_step_fails():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    with pytest.raises(KeyError), rates(optimizer, [0.25]):
        assert optimizer.param_groups[0]["lr"] == 0.25
        raise KeyError
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.3, 0.8, 1.0])
def test_an_average_goes_as_far_by_a_tensor(share):
    torch.manual_seed(0)
    source = torch.nn.BatchNorm1d(3)
    torch.nn.init.normal_(source.weight)
    average = averaging.average_of(torch.nn.BatchNorm1d(3))
    other = averaging.average_of(average)
    source(torch.randn(8, 3))
    averaging.follow(average, source, share)
    averaging.follow(other, source, torch.tensor(share))
    for name, value in average.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)
    assert other.num_batches_tracked == 1


@pytest.mark.parametrize("weight", [LinearWarmup(7, value=2.0), CyclicalWarmup(5, value=3.0)])
def test_a_warmup_is_the_same_of_a_tensor(weight):
    for iteration in range(12):
        held = weight(torch.tensor(iteration))
        assert held.dtype == torch.float32 and held.item() == pytest.approx(weight(iteration))


@pytest.mark.parametrize("fused", [True, False])
def test_a_device_that_works_behind_trains_by_the_numbers_of_each_iteration(
    fused, tiny_vae, tiny_data, fit, monkeypatch
):
    """Rates, the share of the average and a warm-up: the weights are those of a CPU, and so are the rates."""

    def trained(optimizer):
        model = tiny_vae(
            optimizer={"autoencoder": optimizer},
            scheduler=partial(linear, warmup_iterations=3),
            objective=Elbo(beta=LinearWarmup(10, value=5.0)),
            ema_half_life_examples=20,
            gradient_clip_norm=1.0,
        )
        trainer = fit(model, tiny_data, max_steps=12, log_every_n_steps=5)
        return model.state_dict(), trainer.optimizers[0]

    adam = partial(torch.optim.Adam, lr=0.03, fused=fused)
    expected, _ = trained(adam)
    seen, held = set(), Numbers.held
    monkeypatch.setattr(devices, "works_behind", lambda place: True)
    monkeypatch.setattr(Numbers, "held", lambda self, name, *rest: seen.add(name) or held(self, name, *rest))
    found, optimizer = trained(partial(adam, capturable=True) if fused else adam)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
    assert seen == {"iteration", "row", ("average", 10), *([("lr", "autoencoder", 0)] if fused else [])}
    assert optimizer.param_groups[0]["lr"] == 0.0  # of the schedule's end, a number


@pytest.mark.parametrize(("place", "configured", "there"), [("meta", True, "meta"), ("cpu", False, "cpu")])
def test_a_run_goes_on_elsewhere_with_its_counts_where_they_are_read(place, configured, there):
    """From a CPU to a GPU, for which an optimizer counts on the device, and back."""
    parameter = torch.nn.Parameter(torch.ones(2, device=place))
    optimizer = torch.optim.AdamW([parameter])
    if configured:
        continuing.capturable(optimizer)
    settings = continuing.settings_of(optimizer)
    optimizer.param_groups[0]["capturable"] = not configured  # as the checkpoint has it
    optimizer.state[parameter] = {"step": torch.tensor(3.0), "exp_avg": torch.ones(2, device=place)}
    continuing.follow("autoencoder", optimizer, settings, None)
    assert optimizer.param_groups[0]["capturable"] is configured
    assert optimizer.state[parameter]["step"].device.type == there


def test_what_cannot_count_on_a_gpu_is_left_alone():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    continuing.capturable(optimizer)
    assert "capturable" not in optimizer.param_groups[0]
