"""Iterations that are captured and replayed: on a CPU by a stand-in for CUDA graphs, which repeats operations alone."""

from functools import partial

import pytest
import torch
from pytorch_lightning import Callback

from genloom import devices
from genloom.errors import TrainingError
from genloom.models.training.capture import Capture
from genloom.objectives.gan import R1, GanTerm, NonSaturating
from genloom.objectives.loss import Loss
from genloom.objectives.vae import Elbo, LinearWarmup


class Kept(Callback):
    """What was logged, by iteration."""

    def __init__(self):
        self.logged = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        logged = {name: value.item() for name, value in trainer.logged_metrics.items()}
        self.logged.append((trainer.global_step, logged))


adam = partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999), fused=True)
players = {"generator": adam, "discriminator": adam}
MODELS = {
    "gan": {"optimizer": players},
    "lazy": {"optimizer": players, "objective": {"ns": NonSaturating(), "r1": R1(every_iterations=3)}},
    "critic": {"optimizer": players, "critic_iterations": 2, "accumulation": 2},
    "vae": {"optimizer": {"autoencoder": adam}, "objective": Elbo(beta=LinearWarmup(20))},
    "diffusion": {"optimizer": {"denoiser": adam}, "ema_half_life_examples": 50, "gradient_clip_norm": 0.5},
}

#: With a log and without; and with the lazy term and without, or with 33 examples and with 34.
KINDS = {**dict.fromkeys(MODELS, 2), "lazy": 4, "critic": 4}


@pytest.fixture
def build(tiny_gan, tiny_vae, tiny_diffusion):
    return lambda name: {"vae": tiny_vae, "diffusion": tiny_diffusion}.get(name, tiny_gan)(**MODELS[name])


def trained(model, data, fit, **arguments):
    kept = Kept()
    trainer = fit(model, data, max_steps=23, log_every_n_steps=4, callbacks=[kept], **arguments)
    return {name: value.clone() for name, value in model.state_dict().items()}, kept.logged, trainer


@pytest.mark.parametrize("name", MODELS)
def test_replayed_iterations_are_those_that_are_launched_one_by_one(name, build, tiny_data, fit, replayed, monkeypatch):
    weights, logged, trainer = trained(build(name), tiny_data, fit)
    (capture,) = replayed
    assert capture.num == KINDS[name] and capture.why_not is None
    assert trainer.model.captured == f"{capture.num} kinds of iterations"
    monkeypatch.setattr(devices, "captures", lambda place: False)
    expected, wanted, other = trained(build(name), tiny_data, fit)
    assert len(replayed) == 1
    assert logged == wanted and trainer.global_step == other.global_step == 23
    for key, value in expected.items():
        assert torch.equal(weights[key], value), key


def test_rates_of_a_schedule_are_read_anew(tiny_gan, tiny_data, fit, replayed, monkeypatch):
    def rates(optimizer, total_iterations):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: max(0.0, 1 - at / 15))

    def result():
        return trained(tiny_gan(optimizer=players, scheduler={"discriminator": rates}), tiny_data, fit)[0]

    weights = result()
    assert replayed[0].num == 4  # also the discriminator's rest, with and without a log
    monkeypatch.setattr(devices, "captures", lambda place: False)
    expected = result()
    assert all(torch.equal(weights[name], value) for name, value in expected.items())


def test_what_waits_for_the_device_is_not_captured_and_named(tiny_gan, tiny_data, fit, replayed, capsys):
    class Adaptive(GanTerm):
        def generator(self, game):
            score = game.fake_critique.score.mean()
            return Loss(score if score > 0 else 2 * score)

    trained(tiny_gan(optimizer=players, objective={"ns": NonSaturating(), "a": Adaptive()}), tiny_data, fit)
    assert not replayed[0].num
    assert "no iterations are captured as CUDA graphs: Python waits for the device" in capsys.readouterr().out


class Hears(Callback):
    def on_after_backward(self, trainer, pl_module):
        """Be called."""


@pytest.mark.parametrize(
    ("changes", "arguments", "why"),
    [
        ({"optimizer": dict.fromkeys(players, partial(torch.optim.Adam, lr=1e-3))}, {}, "generator: Adam counts its"),
        ({}, {"callbacks": [Hears()]}, r"Hears.on_after_backward"),
        ({}, {"detect_anomaly": True}, "trainer.detect_anomaly"),
    ],
)
def test_what_python_must_see_happen_is_not_captured(
    changes, arguments, why, tiny_gan, tiny_data, fit, replayed, capsys
):
    fit(tiny_gan(**{"optimizer": players, **changes}), tiny_data, max_steps=2, **arguments)
    assert not replayed and why in capsys.readouterr().out


def test_iterations_that_are_all_different_are_not_captured_for_ever(
    tiny_gan, tiny_data, fit, replayed, monkeypatch, capsys
):
    monkeypatch.setattr(Capture, "most_kinds", 2)
    sgd = partial(torch.optim.SGD, lr=1e-3)  # reads no rates from the device

    def rates(optimizer, total_iterations):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda at: 1 - (at // 6) / 15)

    trained(tiny_gan(optimizer=dict.fromkeys(players, sgd), scheduler=rates), tiny_data, fit)
    assert replayed[0].num == 2 and "2 kinds of it" in capsys.readouterr().out


def test_a_loss_that_was_not_finite_is_named_by_the_iteration_that_was_replayed(tiny_gan, tiny_data, fit, replayed):
    class Breaks(GanTerm):
        def discriminator(self, game):
            return Loss(game.real_critique.score.mean() / (game.iteration != 13))

    model = tiny_gan(optimizer=players, objective={"ns": NonSaturating(), "breaks": Breaks()})
    with pytest.raises(TrainingError, match=r"iteration 13: the discriminator's loss .*\(breaks is .*inf.*generator"):
        fit(model, tiny_data, max_steps=23, log_every_n_steps=100)
    assert replayed[0].num == 1


def test_a_second_training_reads_the_rates_of_its_own_optimizers(tiny_gan, tiny_data, fit, replayed, monkeypatch):
    def result():
        model = tiny_gan(optimizer=players)
        fit(model, tiny_data, max_steps=6)
        slow = partial(torch.optim.Adam, lr=1e-4, betas=(0.5, 0.999), fused=True)
        model._optimizer_factories = dict.fromkeys(players, slow)
        fit(model, tiny_data, max_steps=6)
        return {name: value.clone() for name, value in model.state_dict().items()}

    weights = result()
    monkeypatch.setattr(devices, "captures", lambda place: False)
    monkeypatch.setattr(devices, "works_behind", lambda place: False)
    for name, value in result().items():
        torch.testing.assert_close(weights[name], value)
