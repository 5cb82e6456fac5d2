import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from genloom import randomness
from genloom.batch import NOTHING
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.data.ring import Ring, centres
from genloom.distributions.latents import NormalWithCodes, StandardNormal
from genloom.errors import ConfigError, TrainingError
from genloom.models.abilities import Conditions, HasDirections, HasLatents, Samples
from genloom.models.gan import GAN
from genloom.models.generation import draw_examples
from genloom.networks.base import Discriminator
from genloom.networks.conditioning import Concatenation
from genloom.networks.dense import DenseDiscriminator, DenseGenerator
from genloom.networks.gan.augmentation import Augmentation
from genloom.networks.heads import Classifier, Codes, Projection
from genloom.objectives.gan import (
    R1,
    AuxiliaryClassification,
    CodeInformation,
    Game,
    GanTerm,
    GradientPenalty,
    LeCam,
    NonSaturating,
    PathLength,
    Wasserstein,
    WeightClipping,
)
from genloom.objectives.loss import Loss
from genloom.spec import Spec


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

        def interpolate(self, a: dict, b: dict, weight: float) -> dict:
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


@pytest.mark.parametrize(("iteration", "half_life"), [(0, 0.5), (7, 4.0), (199, 100.0), (200, 100.0), (10_000, 100.0)])
def test_the_half_life_ramps_up_to_a_twentieth_of_what_was_seen(tiny_gan, iteration, half_life):
    """Karras et al., 2020: min(half-life, 0.05 of the examples so far), these 10 among them."""
    model = tiny_gan(ema_half_life_examples=100)
    with torch.no_grad():
        for parameter in model.generator_ema.parameters():
            parameter.zero_()
        for parameter in model.generator.parameters():
            parameter.fill_(1.0)
    model.iteration = iteration
    model.average_weights(10)
    for parameter in model.generator_ema.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, 1 - 0.5 ** (10 / half_life)))


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
    from genloom.inspections.interpolation import Interpolation
    from genloom.inspections.sample_grid import SampleGrid

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


def test_abilities_and_samples(tiny_gan):
    model = tiny_gan(ema_half_life_examples=10)
    assert model.abilities == {Samples, HasLatents, HasDirections}
    model.train()
    drawn = [model.sample(5, rng=randomness.generator(3)) for _ in range(2)]
    assert torch.equal(drawn[0].content, drawn[1].content)
    assert drawn[0].content.shape == (5, 1, 4, 4)
    assert model.generator.training
    with pytest.raises(ConfigError, match="weights: 'best' is not in this model, which holds ema, raw"):
        model.using("best")


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

        def forward(self, content, given=NOTHING) -> Critique:
            return Critique(self.scale * content.mean((1, 2, 3)))

    assert fit(tiny_gan(discriminator=Mean), tiny_data, max_steps=2).global_step == 2


# Parts that can and cannot play together


LABELLED = Spec("tiny", ImageContent(1, 4, 4), {"label": LabelContent(("a", "b"))})
class_dense = partial(DenseGenerator, widths=[8], conditioning=Concatenation)
projecting = partial(DenseDiscriminator, widths=[8], head=Projection)
classifying = partial(DenseDiscriminator, widths=[8], head=Classifier)
recognising = partial(DenseDiscriminator, widths=[8], head=partial(Codes, categories=4, continuous=1))


def test_the_noise_beside_the_codes_has_the_standard_deviation_that_is_asked_for():
    latent = NormalWithCodes(212, categories=10, continuous=2, noise_std=0.1)
    z = latent.draw(500, torch.Generator().manual_seed(0))["z"]
    assert z[:, :200].std().item() == pytest.approx(0.1, rel=0.01)
    assert z[:, 200:210].sum(1).tolist() == [1.0] * 500
    with pytest.raises(ConfigError, match=r"model\.latent\.noise_std: 0 is not above 0"):
        NormalWithCodes(74, noise_std=0)


coded = NormalWithCodes(8, categories=4, continuous=1)
ac = {"non_saturating": NonSaturating(), "auxiliary_classification": AuxiliaryClassification()}
info = {"non_saturating": NonSaturating(), "code_information": CodeInformation()}


@pytest.mark.parametrize(
    ("spec", "parts", "keys"),
    [
        (None, {"objective": ac}, ("model.objective.auxiliary_classification", "data.name=tiny")),
        (LABELLED, {"objective": ac}, ("model.objective.auxiliary_classification", "model.discriminator.head")),
        (None, {"objective": info, "latent": coded}, ("model.objective.code_information", "model.discriminator.head")),
        (
            None,
            {"objective": info, "discriminator": recognising},
            ("model.objective.code_information", "model.latent"),
        ),
        (
            None,
            {"objective": info, "discriminator": recognising, "latent": NormalWithCodes(8, categories=5, continuous=1)},
            ("model.latent", "model.discriminator.head"),
        ),
        (
            None,
            {"objective": {"non_saturating": NonSaturating(), "path": PathLength()}},
            ("model.objective.path", "model.generator"),
        ),
        (None, {"objective": {"r1": R1()}}, ("model.objective: r1", "the discriminator", "non_saturating,r1")),
        (None, {"objective": {"clipping": WeightClipping()}}, ("model.objective: clipping", "the discriminator")),
        (None, {"objective": {"lecam": LeCam()}}, ("model.objective: lecam", "the generator")),
        (LABELLED, {"generator": class_dense}, ("model.generator.conditioning", "model.discriminator.head")),
        (LABELLED, {"discriminator": projecting}, ("model.discriminator.head", "model.generator.conditioning")),
        (LABELLED, {"discriminator": classifying}, ("model.discriminator.head", "model.objective")),
        (None, {"discriminator": recognising}, ("model.discriminator.head", "model.objective")),
        (None, {"generator": class_dense}, ("model.generator.conditioning", "data.name=tiny")),
        (None, {"discriminator": projecting}, ("model.discriminator.head", "data.name=tiny")),
        (None, {"spectral_norm": ["critic"]}, ("model.spectral_norm", "generator, discriminator")),
        (None, {"freeze_discriminator_layers": 2}, ("model.freeze_discriminator_layers", "model.discriminator")),
    ],
)
def test_parts_that_cannot_play_together_are_refused_by_both_keys(tiny_gan, spec, parts, keys):
    with pytest.raises(ConfigError) as error:
        tiny_gan(spec=spec, **parts)
    assert all(key in str(error.value) for key in keys), str(error.value)


def test_codes_must_leave_room_for_noise():
    with pytest.raises(ConfigError, match=r"model.latent.categories, model.latent.dim: codes of 10 \+ 2 .* of 12"):
        NormalWithCodes(12, categories=10, continuous=2)


@pytest.mark.parametrize(
    "parts",
    [
        {"generator": class_dense, "discriminator": projecting},
        {"generator": class_dense, "discriminator": classifying, "objective": ac},
        {"discriminator": recognising, "latent": coded, "objective": info},
    ],
    ids=["projection", "acgan", "infogan"],
)
def test_conditional_models_train_and_sample_what_is_asked(tiny_gan, tiny_labelled, fit, parts):
    model = tiny_gan(spec=tiny_labelled.describe(), ema_half_life_examples=50, **parts)
    fit(model, tiny_labelled, max_steps=3)
    assert Conditions in model.abilities
    drawn = draw_examples(model, 7, seed=0)
    name = "code" if "latent" in parts else "label"
    asked = draw_examples(model, 7, seed=0, asked={name: ["1"]})
    assert drawn.given.keys() == asked.given.keys() == {name}
    assert asked.given[name].tolist() == [1] * 7
    assert draw_examples(model, 4, seed=0, asked={name: ["1", "0"]}).given[name].tolist() == [1, 0, 1, 0]
    with pytest.raises(ConfigError, match=rf"given\.{name}: horse is not among 0, 1"):
        draw_examples(model, 7, seed=0, asked={name: ["horse"]})
    with pytest.raises(ConfigError, match=rf"given\.colour: the model is told no colour; it can be given {name}"):
        draw_examples(model, 7, seed=0, asked={"colour": ["red"]})


def test_samples_of_a_conditional_model_have_the_datas_class_frequencies(tiny_gan):
    spec = Spec("tiny", ImageContent(1, 4, 4), {"label": LabelContent(("a", "b"), (90, 10))})
    model = tiny_gan(spec=spec, generator=class_dense, discriminator=projecting)
    assert draw_examples(model, 5000, seed=0).labels.double().mean().item() == pytest.approx(0.1, abs=0.02)


def test_code_information_finds_codes_that_are_drawn(tiny_gan, tiny_data, fit):
    model = tiny_gan(discriminator=recognising, latent=coded, objective=info)
    trainer = fit(model, tiny_data, max_steps=150)
    assert trainer.callback_metrics["train/generator/code_information_bound"] > 1.0  # of log 4 = 1.39 nats


# Schedules, frozen layers, normalisation, augmentation


def test_schedules_can_differ_by_player(tiny_gan, tiny_data, fit):
    from genloom.schedules import linear

    trainer = fit(tiny_gan(scheduler={"discriminator": linear}), tiny_data, max_steps=4)
    assert [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers] == [1e-2, 0.0]
    with pytest.raises(ConfigError, match="scheduler: critic is no player"):
        fit(tiny_gan(scheduler={"critic": linear}), tiny_data, max_steps=1)


def test_frozen_layers_stay_and_the_others_learn(tiny_gan, tiny_data, fit):
    model = tiny_gan(discriminator=partial(DenseDiscriminator, widths=[8, 8]), freeze_discriminator_layers=1)
    assert model.is_continuation
    before = weights(model.discriminator)
    fit(model, tiny_data, max_steps=3)
    moved = {name for name, value in weights(model.discriminator).items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if not name.startswith("layers.1.")}


def test_spectral_norm_of_both_players_trains_and_reloads_strictly(tiny_gan, tiny_data, fit):
    players = ["generator", "discriminator"]
    model = tiny_gan(spectral_norm=players, ema_half_life_examples=20)
    fit(model, tiny_data, max_steps=3)
    other = tiny_gan(spectral_norm=players, ema_half_life_examples=20)
    other.load_state_dict(model.state_dict(), strict=True)
    for weight_set in ("ema", "raw"):
        ours, theirs = (draw_examples(each.using(weight_set), 5, seed=0).content for each in (model, other))
        assert torch.equal(ours, theirs)


class Negative(Augmentation):
    """Turns pictures around zero, and counts what it observed."""

    def __init__(self, spec) -> None:
        super().__init__(spec)
        self.observed = []

    def forward(self, content, rng):
        return -content

    def observe(self, mean_sign, examples):
        self.observed.append((float(mean_sign), examples))
        return {"seen": torch.tensor(float(examples))}


def test_augmentation_stands_before_the_discriminator_for_real_and_generated(tiny_gan, tiny_data, fit):
    seen = []

    class Spy(DenseDiscriminator):
        def forward(self, content, given=NOTHING):
            seen.append(content.detach())
            return super().forward(content, given)

    class Remember(GanTerm):
        def discriminator(self, game: Game) -> Loss:
            self.real, self.fake = game.real.content, game.fake.content
            return Loss(game.real_critique.score.mean() * 0)

    term = Remember()
    objective = {"remember": term, "non_saturating": NonSaturating()}
    model = tiny_gan(discriminator=partial(Spy, widths=[8]), augmentation=Negative, objective=objective)
    trainer = fit(model, tiny_data, max_steps=1)
    assert torch.equal(seen[0], -term.real)
    assert torch.equal(seen[1], -term.fake)
    ((mean_sign, examples),) = model.augmentation.observed
    assert -1 <= mean_sign <= 1
    assert examples == 10
    assert trainer.callback_metrics["train/discriminator/seen"] == 10


def test_weight_clipping_holds_after_every_update(tiny_gan, tiny_data, fit):
    model = tiny_gan(objective={"wasserstein": Wasserstein(), "clip": WeightClipping(limit=0.05)}, critic_iterations=2)
    fit(model, tiny_data, max_steps=4)
    assert max(parameter.abs().max().item() for parameter in model.discriminator.parameters()) <= 0.0501


def test_half_precision_keeps_the_count_of_iterations(tiny_gan, tiny_data, fit):
    """16-mixed through the precision plugin, with its scaler, which this test builds for the CPU."""
    from pytorch_lightning.plugins.precision import MixedPrecision

    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    model = tiny_gan(objective={"non_saturating": NonSaturating(), "r1": R1(every_iterations=1)}, critic_iterations=2)
    before = weights(model)
    trainer = fit(model, tiny_data, max_steps=5, plugins=[plugin])
    assert trainer.global_step == 5
    assert scaler.get_scale() == 1024.0  # no step was skipped
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert any(not torch.equal(value, before[name]) for name, value in weights(model).items())


# What is not an image


@pytest.mark.slow
def test_wgan_gp_covers_all_modes_of_the_ring(fit):
    modes, slope = play_on_the_ring(fit, GradientPenalty(weight=1.0))
    assert modes == 8
    assert slope == pytest.approx(1.0, abs=0.25)


@pytest.mark.slow
def test_without_the_penalty_the_same_checks_fail(fit):
    modes, slope = play_on_the_ring(fit, GradientPenalty(weight=0.0))
    assert modes < 8 or slope > 2


def play_on_the_ring(fit, penalty: GradientPenalty) -> tuple[int, float]:
    """Train a small WGAN; return how many modes at least 2 % of its samples lie near, and the critic's slope.

    Near is a quarter of the way to the next mode.
    """
    data = Ring(name="ring", batch_size=128)
    randomness.seed_globally(0)
    adam = partial(torch.optim.Adam, lr=2e-3, betas=(0.0, 0.9))
    model = GAN(
        data.describe(),
        generator=partial(DenseGenerator, widths=[64, 64], batch_norm=False),
        discriminator=partial(DenseDiscriminator, widths=[64, 64]),
        latent=StandardNormal(4),
        objective={"wasserstein": Wasserstein(), "penalty": penalty},
        critic_iterations=2,
        optimizer={"generator": adam, "discriminator": adam},
    )
    try:
        trainer = fit(model, data, max_steps=500)
    except TrainingError:
        return 0, math.inf
    points = draw_examples(model, 2000, seed=0).content
    near = torch.cdist(points, centres().float()) < 0.2
    slope = trainer.callback_metrics["train/discriminator/gradient_norm_between"].item()
    return int((near.double().mean(0) > 0.02).sum()), slope


class Packs(GanTerm):
    """Notes of how many examples, and of how large packs, a game is."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, int, int]] = set()

    def discriminator(self, game: Game) -> None:
        self.seen.add((len(game.real), len(game.fake.content), game.pack))


def test_players_are_shown_whole_packs(tiny_gan, tiny_data, fit):
    packs, tiny_data.batch_size = Packs(), 15  # a hundred images are batches of 14 and 15
    model = tiny_gan(
        discriminator=partial(DenseDiscriminator, widths=[8], pack=5),
        objective={"non_saturating": NonSaturating(), "penalty": GradientPenalty(), "packs": packs},
    )
    fit(model, tiny_data, max_steps=7)
    assert packs.seen == {(10, 10, 5), (15, 15, 5)}


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (14, r"data.batch_size: 14 is not divisible by model.discriminator.pack=6; set data.batch_size=12"),
        (6, r"data.batch_size: 5 examples of an update are fewer than model.discriminator.pack=6; raise the one"),
    ],
)
def test_batches_that_are_no_whole_packs_are_refused(tiny_gan, tiny_data, fit, size, why):
    tiny_data.batch_size = size  # a hundred images are batches of 5 and 6
    model = tiny_gan(discriminator=partial(DenseDiscriminator, widths=[8], pack=6))
    with pytest.raises(ConfigError, match=why):
        fit(model, tiny_data, max_steps=20)
