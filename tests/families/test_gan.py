import copy
from functools import partial

import pytest
import torch
from torch import nn

from genloom import randomness
from genloom.capabilities import Capability
from genloom.errors import ConfigError, TrainingError
from genloom.networks.base import Discriminator
from genloom.objectives.gan import R1, Game, GanTerm, NonSaturating
from genloom.objectives.loss import Loss


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(ours, theirs) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


class Counting(GanTerm):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int]] = []

    def discriminator(self, game: Game) -> None:
        self.seen += [("discriminator", index) for index in game.real.index.tolist()]

    def generator(self, game: Game) -> None:
        self.seen.append(("generator", game.iteration))


@pytest.mark.parametrize("critic_iterations", [1, 3])
def test_one_step_is_one_iteration_whatever_the_critics(tiny_gan, tiny_data, fit, critic_iterations):
    counting = Counting()
    model = tiny_gan(
        critic_iterations=critic_iterations, objective={"non_saturating": NonSaturating(), "counting": counting}
    )
    trainer = fit(model, tiny_data, max_steps=7)
    assert trainer.global_step == 7
    assert [position for player, position in counting.seen if player == "generator"] == list(range(7))


def test_each_critic_update_sees_fresh_data_and_an_epoch_shows_each_example_once(tiny_gan, tiny_data, fit):
    counting = Counting()
    model = tiny_gan(critic_iterations=3, objective={"non_saturating": NonSaturating(), "counting": counting})
    fit(model, tiny_data, max_epochs=1)
    shown = [index for player, index in counting.seen if player == "discriminator"]
    assert sorted(shown) == list(range(100))


def test_both_players_move_and_only_their_own_optimizer_moves_them(tiny_gan, tiny_data, fit):
    still = partial(torch.optim.SGD, lr=0.0)
    for resting in ("generator", "discriminator"):
        model = tiny_gan()
        model._optimizer_factories = {**model._optimizer_factories, resting: still}
        before = weights(model)
        fit(model, tiny_data, max_steps=2)
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name]) == name.startswith(resting), name


def test_the_discriminator_gets_no_gradient_in_the_generators_turn(tiny_gan, tiny_data, fit):
    class Spy(GanTerm):
        def generator(self, game: Game) -> Loss:
            assert all(not parameter.requires_grad for parameter in model.discriminator.parameters())
            return Loss(game.fake_critique.score.mean() * 0)

    model = tiny_gan(objective={"non_saturating": NonSaturating(), "spy": Spy()})
    fit(model, tiny_data, max_steps=1)
    assert all(parameter.requires_grad for parameter in model.discriminator.parameters())


def test_accumulating_two_halves_equals_one_batch(tiny_gan, tiny_data, fit):
    """Nothing couples the examples, so the updates agree up to the order of summation and the latents drawn."""

    class SameLatents:
        dim = 3

        def draw(self, num: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
            return {"z": torch.ones(num, 3)}

        def interpolate(self, a: torch.Tensor, b: torch.Tensor, weight: float) -> torch.Tensor:
            return a

    results = []
    for accumulation, batch_size in ((1, 100), (2, 50)):
        tiny_data.batch_size = batch_size
        sgd = partial(torch.optim.SGD, lr=0.1)
        model = tiny_gan(
            accumulation=accumulation, latent=SameLatents(), optimizer={"generator": sgd, "discriminator": sgd}
        )
        fit(model, tiny_data, max_steps=3)
        results.append(weights(model))
    for name in results[0]:
        torch.testing.assert_close(results[0][name], results[1][name], rtol=1e-4, atol=1e-6)


def test_lazy_terms_run_seldom_and_count_as_often_as_they_would(tiny_gan, tiny_data, fit):
    class Constant(GanTerm):
        def __init__(self) -> None:
            super().__init__(every_iterations=4)
            self.runs = 0

        def discriminator(self, game: Game) -> Loss:
            self.runs += 1
            return Loss(game.real_critique.score.mean() * 0 + 1)

    term = Constant()
    model = tiny_gan(objective={"non_saturating": NonSaturating(), "constant": term})
    trainer = fit(model, tiny_data, max_steps=9)
    assert term.runs == 3
    assert trainer.callback_metrics["train/discriminator/constant"].item() == 4.0


def test_average_has_the_stated_half_life(tiny_gan):
    model = tiny_gan(ema_half_life_examples=100)
    with torch.no_grad():
        for parameter in model.generator_ema.parameters():
            parameter.zero_()
        for parameter in model.generator.parameters():
            parameter.fill_(1.0)
    model.iteration = 10_000  # long after the ramp-up
    for _ in range(10):
        model.average_weights(10)
    assert all(torch.allclose(p, torch.full_like(p, 0.5)) for p in model.generator_ema.parameters())


def test_average_includes_statistics_and_is_never_trained(tiny_gan, tiny_data, fit):
    from genloom.networks.dense import DenseGenerator

    model = tiny_gan(ema_half_life_examples=20, generator=partial(DenseGenerator, widths=[8, 8]))
    assert not any(parameter.requires_grad for parameter in model.generator_ema.parameters())
    before = weights(model.generator_ema)
    fit(model, tiny_data, max_steps=5)
    after = model.generator_ema.state_dict()
    assert not torch.equal(before["layers.3.running_mean"], after["layers.3.running_mean"])
    assert after["layers.3.num_batches_tracked"] == model.generator.state_dict()["layers.3.num_batches_tracked"]


def test_the_same_seed_repeats_a_run_and_zero_is_a_seed(tiny_gan, tiny_data, fit):
    def train(seed: int) -> dict[str, torch.Tensor]:
        model = tiny_gan(seed=seed)
        fit(model, tiny_data, max_steps=5)
        return weights(model)

    torch.manual_seed(123)
    first = train(0)
    torch.manual_seed(456)
    assert_equal(first, train(0))
    other = train(1)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_looking_at_the_model_in_between_changes_nothing(tiny_gan, tiny_data, fit):
    from genloom.callbacks.interpolation import Interpolation
    from genloom.callbacks.sample_grid import SampleGrid

    plain, watched = tiny_gan(ema_half_life_examples=50), tiny_gan(ema_half_life_examples=50)
    fit(plain, copy.deepcopy(tiny_data), max_steps=6)
    fit(watched, tiny_data, max_steps=6, callbacks=[SampleGrid(num=4, every_iterations=2), Interpolation()])
    assert_equal(weights(plain), weights(watched))


def test_a_loss_that_is_not_finite_stops_before_the_update(tiny_gan, tiny_data, fit):
    class Exploding(GanTerm):
        def discriminator(self, game: Game) -> Loss:
            factor = float("nan") if game.iteration == 3 else 0.0
            return Loss(game.real_critique.score.mean() * factor)

    model = tiny_gan(objective={"non_saturating": NonSaturating(), "exploding": Exploding()})
    with pytest.raises(TrainingError, match=r"iteration 3: the discriminator's loss is not finite.*exploding"):
        fit(model, tiny_data, max_steps=10)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_clipping_bounds_each_players_gradient(tiny_gan, tiny_data, fit):
    sgd = partial(torch.optim.SGD, lr=1.0)
    model = tiny_gan(gradient_clip_norm=1e-3, optimizer={"generator": sgd, "discriminator": sgd})
    before = weights(model)
    trainer = fit(model, tiny_data, max_steps=1)
    for player in ("generator", "discriminator"):
        moved = [(v - before[k]).square().sum() for k, v in model.state_dict().items() if k.startswith(player)]
        assert torch.stack(moved).sum().sqrt().item() == pytest.approx(1e-3, rel=1e-3)
        assert trainer.callback_metrics[f"train/{player}/gradient_norm"] > 1e-3  # the norm before clipping


def test_schedules_advance_once_per_iteration_for_each_player(tiny_gan, tiny_data, fit):
    from genloom.schedules import linear

    model = tiny_gan(scheduler=linear, critic_iterations=2)
    trainer = fit(model, tiny_data, max_steps=4)
    assert [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers] == [0.0, 0.0]


def test_capabilities_and_samples(tiny_gan):
    model = tiny_gan(ema_half_life_examples=10)
    assert model.capabilities == {Capability.SAMPLE, Capability.LATENT}
    model.train()
    drawn = [model.sample(5, rng=randomness.generator(3)) for _ in range(2)]
    assert torch.equal(drawn[0].content, drawn[1].content)
    assert drawn[0].content.shape == (5, 1, 4, 4)
    assert model.generator.training
    with pytest.raises(ConfigError, match="weights: 'best' is not in this model, which holds ema, raw"):
        model.sample(5, rng=randomness.generator(3), weights="best")


def test_optimizers_must_fit_the_players(tiny_gan, tiny_data, fit):
    model = tiny_gan(optimizer={"generator": torch.optim.Adam})
    with pytest.raises(ConfigError, match=r"optimizer: generator does not fit .* needs discriminator, generator"):
        fit(model, tiny_data, max_steps=1)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_other_precisions_train(tiny_gan, tiny_data, fit, precision):
    model = tiny_gan(objective={"non_saturating": NonSaturating(), "r1": R1(every_iterations=1)})
    trainer = fit(model, tiny_data, max_steps=3, precision=precision)
    assert trainer.global_step == 3
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_an_iteration_runs_the_generator_once_per_critic_update(tiny_gan, tiny_data, fit):
    model = tiny_gan(critic_iterations=3)
    calls = []
    model.generator.register_forward_hook(lambda *_: calls.append(1))
    fit(model, tiny_data, max_steps=2)
    assert len(calls) == 6


def test_a_discriminator_is_any_module_that_returns_a_critique(tiny_gan, tiny_data, fit):
    from genloom.networks.base import Critique

    class Mean(Discriminator):
        def __init__(self, spec) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, content, condition=None) -> Critique:
            return Critique(self.scale * content.mean((1, 2, 3)))

    assert fit(tiny_gan(discriminator=Mean), tiny_data, max_steps=2).global_step == 2
