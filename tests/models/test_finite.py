"""Values that are not finite: the player whose update made them is named, and nothing of them is saved."""

from functools import partial
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from genloom import devices
from genloom.errors import TrainingError
from genloom.inspections.sample_grid import SampleGrid
from genloom.models.training.finite import largest_weight, not_finite
from genloom.objectives.gan import GanTerm, NonSaturating
from genloom.objectives.loss import Loss

calm = partial(torch.optim.SGD, lr=1e-3)
LIMIT = torch.finfo(torch.float32).max


def wild(rate: float, player: str):
    return {name: partial(torch.optim.Adam, lr=rate) if name == player else calm for name in PLAYERS}


PLAYERS = ("generator", "discriminator")


@pytest.fixture(params=["cpu", "behind"])
def device(request, monkeypatch):
    """The CPU, or as if it worked behind the program, as a GPU does: losses are read now and then."""
    if request.param == "behind":
        monkeypatch.setattr(devices, "works_behind", lambda place: True)
    return request.param


@pytest.mark.parametrize(
    ("player", "rate", "what"),
    [
        ("discriminator", 1e30, "the generator's loss is not finite .* after an update of the discriminator, whose"),
        ("discriminator", 1e38, "the update of the discriminator overflows"),
        ("generator", 1e38, "the update of the generator overflows"),
    ],
)
def test_the_player_whose_update_did_it_is_named(player, rate, what, device, tiny_gan, tiny_data, fit):
    with pytest.raises(TrainingError, match=rf"iteration 0: {what}.* lower optimizer\.{player}\.lr"):
        fit(tiny_gan(optimizer=wild(rate, player)), tiny_data, max_steps=20, log_every_n_steps=7)


def test_weights_that_grew_outweigh_the_last_update(device, tiny_gan, tiny_data, fit):
    class Breaks(GanTerm):
        """Not finite in the generator's turn, after an update of the discriminator."""

        def generator(self, game):
            return Loss(game.fake_critique.score.mean() * (float("nan") if game.iteration == 2 else 1.0))

    terms = {"non_saturating": NonSaturating(), "breaks": Breaks()}
    with pytest.raises(TrainingError, match=r"iteration 2: .*\(breaks is nan.*\) after an update of the discriminator"):
        fit(tiny_gan(objective=terms), tiny_data, max_steps=5)
    fast = {"generator": partial(torch.optim.Adam, lr=1e4), "discriminator": calm}
    with pytest.raises(TrainingError, match=r"after an update of the generator, whose weights reach \S+e\+04"):
        fit(
            tiny_gan(objective=terms, optimizer=fast),
            tiny_data,
            max_steps=5,
            log_every_n_steps=3 if device == "cpu" else 50,
        )


class Breaks(GanTerm):
    """Not finite once, in the discriminator's turn."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def discriminator(self, game):
        return Loss(game.real_critique.score.mean() * (float("nan") if game.iteration == self.at else 1.0))


@pytest.mark.parametrize("device", ["behind"], indirect=True)
@pytest.mark.parametrize(
    ("steps", "arguments"),
    [
        (6, {}),  # at the end
        (200, {"log_every_n_steps": 20}),
        (200, {}),  # now and then, whatever is logged
    ],
)
def test_the_first_loss_that_was_not_finite_is_named_whenever_it_is_found(
    steps, arguments, device, tiny_gan, tiny_data, fit
):
    fast = {"generator": calm, "discriminator": partial(torch.optim.Adam, lr=10.0)}  # whose weights are NaN when found
    model = tiny_gan(objective={"non_saturating": NonSaturating(), "breaks": Breaks(3)}, optimizer=fast)
    message = r"iteration 3: the discriminator's loss is not finite \(breaks is nan\) after an update of the generator;"
    with pytest.raises(TrainingError, match=message):
        fit(model, tiny_data, **{"log_every_n_steps": 10**6, **arguments}, max_steps=steps)
    assert model.global_step < 102 and not next(model.discriminator.parameters()).isfinite().all()


@pytest.mark.parametrize("device", ["behind"], indirect=True)
def test_nothing_is_saved_of_a_run_whose_loss_was_not_finite(device, tiny_gan, tiny_data, fit, tmp_path):
    class Harmless(GanTerm):
        """Infinite, and no weight hears of it."""

        def discriminator(self, game):
            return Loss(torch.tensor(float("inf")))

    keep = ModelCheckpoint(tmp_path, every_n_train_steps=3)
    with pytest.raises(TrainingError, match=r"iteration 0: .*\(harmless is inf\)"):
        model = tiny_gan(objective={"non_saturating": NonSaturating(), "harmless": Harmless()})
        fit(model, tiny_data, max_steps=9, log_every_n_steps=100, callbacks=[keep], enable_checkpointing=True)
    assert list(tmp_path.rglob("*.ckpt")) == []


@pytest.mark.parametrize("device", ["behind"], indirect=True)
def test_what_fails_because_of_a_loss_that_was_not_finite_says_so(device, tiny_gan, tiny_data, fit):
    class Falls(Breaks):
        def generator(self, game):
            if game.iteration > self.at:
                raise RuntimeError("a sampler of a library does not like NaN")

    with pytest.raises(TrainingError, match=r"iteration 3: .*breaks is nan"):
        terms = {"non_saturating": NonSaturating(), "breaks": Falls(3)}
        fit(tiny_gan(objective=terms), tiny_data, max_steps=20, log_every_n_steps=100)


def test_a_loss_before_any_update_blames_nobody(device, tiny_gan, tiny_data, fit):
    class Broken(GanTerm):
        def discriminator(self, game):
            return Loss(game.real_critique.score.mean() * float("inf"))

    terms = {"non_saturating": NonSaturating(), "broken": Broken()}
    with pytest.raises(TrainingError, match=r"iteration 0: .*broken is .*no update came before it: look at the data"):
        fit(tiny_gan(objective=terms), tiny_data, max_steps=5)


def test_the_last_update_is_looked_at_before_anything_is_made_of_it(tiny_gan, tiny_data, fit, tmp_path):
    class Overflow(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            with torch.no_grad():
                next(pl_module.generator.parameters())[0] = float("inf")

    model, look = tiny_gan(), SampleGrid(num=4, every_iterations=None)
    with pytest.raises(TrainingError, match=r"iteration 1: state_dict\.generator.* not saved after .* the generator"):
        fit(model, tiny_data, max_steps=1, callbacks=[Overflow(), look])
    assert list(tmp_path.rglob("*.png")) == []


@pytest.mark.parametrize("part", ["weight", "buffer", "average", "optimizer", "callback"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_checkpoint_holds_what_is_not_finite(part, value, tiny_gan, tiny_data, fit, tmp_path):
    class Best(EarlyStopping):
        def __init__(self):
            super().__init__(monitor="train/generator/loss", check_on_train_epoch_end=True, strict=False)

    stop = Best()
    model = tiny_gan(ema_half_life_examples=50, optimizer=dict.fromkeys(PLAYERS, partial(torch.optim.Adam, lr=1e-3)))
    model.register_buffer("statistic", torch.zeros(2))
    trainer = fit(model, tiny_data, max_steps=2, callbacks=[stop])
    with torch.no_grad():
        if part == "weight":
            next(model.generator.parameters())[0] = value
        elif part == "buffer":
            model.statistic[1] = value
        elif part == "average":
            next(model.generator_ema.parameters())[0] = value
        elif part == "optimizer":
            state = trainer.optimizers[1].state
            next(iter(state.values()))["exp_avg_sq"][0] = value
        else:
            stop.best_score = torch.tensor(value)
    path = tmp_path / "final.ckpt"
    if (part, value) == ("callback", float("inf")):  # a best score before there is one
        trainer.save_checkpoint(path)
        assert path.exists()
        return
    with pytest.raises(TrainingError, match="is not finite and not saved") as caught:
        trainer.save_checkpoint(path)
    assert not path.exists()
    if part == "optimizer":
        assert "optimizer.discriminator.state" in str(caught.value)
        assert "lower optimizer.discriminator.lr" in str(caught.value)


def test_checkpoints_of_a_sound_run_are_saved(tiny_gan, tiny_data, fit, tmp_path):
    keep = ModelCheckpoint(tmp_path, every_n_train_steps=1, monitor="step", mode="max", save_top_k=2)
    fit(tiny_gan(ema_half_life_examples=50), tiny_data, max_steps=3, callbacks=[keep], enable_checkpointing=True)
    saved = sorted(Path(tmp_path).glob("*.ckpt"))
    assert len(saved) == 2
    for file in saved:
        content = torch.load(file, weights_only=True)
        assert list(not_finite({key: value for key, value in content.items() if key != "callbacks"}, "")) == []


def test_what_is_not_finite_is_found_wherever_it_is():
    content = {"a": [1.0, {"b": torch.tensor([1.0, float("inf")])}], "c": float("nan"), "d": torch.tensor([1])}
    assert list(not_finite(content, "x")) == ["x.a.1.b", "x.c"]
    assert list(not_finite(content, "x", infinite_is_well=True)) == ["x.c"]
    assert list(not_finite({"a": torch.tensor([LIMIT, -LIMIT])}, "x")) == []


def test_the_largest_weight():
    layer = torch.nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.fill_(-3.0), layer.bias.zero_()
    assert largest_weight(layer).item() == 3.0
    with torch.no_grad():
        layer.bias[0] = float("nan")
    assert largest_weight(layer).isnan()
    assert largest_weight(torch.nn.Identity()).item() == 0.0


def test_what_a_batch_has_nothing_to_say_of_is_not_logged(device, tiny_gan, tiny_data, fit):
    class Partly(GanTerm):
        def discriminator(self, game):
            terms = {"said": torch.tensor(2.0), "unsaid": torch.tensor(float("nan"))}
            return Loss(game.real_critique.score.mean(), lambda: terms)

    trainer = fit(tiny_gan(objective={"ns": NonSaturating(), "partly": Partly()}), tiny_data, max_steps=1)
    assert trainer.logged_metrics["train/discriminator/said"] == 2.0
    assert "train/discriminator/unsaid" not in trainer.logged_metrics
