"""Values that are not finite: the player whose update made them is named, and nothing of them is saved."""

from functools import partial
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

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


@pytest.mark.parametrize(
    ("player", "rate", "what"),
    [
        ("discriminator", 1e30, "the generator's loss is not finite .* after an update of the discriminator, whose"),
        ("discriminator", 1e38, "the update of the discriminator overflows"),
        ("generator", 1e38, "the update of the generator overflows"),
    ],
)
def test_the_player_whose_update_did_it_is_named(player, rate, what, tiny_gan, tiny_data, fit):
    with pytest.raises(TrainingError, match=rf"iteration 0: {what}.* lower optimizer\.{player}\.lr"):
        fit(tiny_gan(optimizer=wild(rate, player)), tiny_data, max_steps=20)


def test_weights_that_grew_outweigh_the_last_update(tiny_gan, tiny_data, fit):
    class Breaks(GanTerm):
        """Not finite in the generator's turn, after an update of the discriminator."""

        def generator(self, game):
            return Loss(game.fake_critique.score.mean() * (float("nan") if game.iteration == 2 else 1.0))

    terms = {"non_saturating": NonSaturating(), "breaks": Breaks()}
    with pytest.raises(TrainingError, match=r"iteration 2: .*\(breaks is nan.*\) after an update of the discriminator"):
        fit(tiny_gan(objective=terms), tiny_data, max_steps=5)
    fast = {"generator": partial(torch.optim.Adam, lr=1e4), "discriminator": calm}
    with pytest.raises(TrainingError, match=r"after an update of the generator, whose weights reach \S+e\+04"):
        fit(tiny_gan(objective=terms, optimizer=fast), tiny_data, max_steps=5)


def test_a_loss_before_any_update_blames_nobody(tiny_gan, tiny_data, fit):
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
    assert largest_weight(layer) == 3.0
    with torch.no_grad():
        layer.bias[0] = float("nan")
    assert largest_weight(layer) == float("inf")
    assert largest_weight(torch.nn.Identity()) == 0.0
