"""Models that are told something: they learn to use it, drop it, and take it from real examples."""

from functools import partial

import pytest
import torch

from genloom import GAN, VAE, Spec, VectorContent
from genloom.batch import Given
from genloom.bottlenecks.gaussian import Gaussian as GaussianBottleneck
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.data.base import InMemoryData
from genloom.distributions.latents import StandardNormal
from genloom.distributions.likelihoods.gaussian import Gaussian
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.models.generation import draw_examples, taking
from genloom.networks.conditioning import Concatenation
from genloom.networks.dense import DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator
from genloom.networks.heads import Projection
from genloom.objectives.gan import NonSaturating
from genloom.objectives.vae import Elbo


class Brightness(InMemoryData):
    """Points around the mean brightness of a picture's left and right half, moved by 2 for one of two labels."""

    classes = ("low", "high")
    kind = VectorContent

    def content(self):
        return VectorContent(2)

    def conditions(self):
        return {**super().conditions(), "sketch": ImageContent(1, 8, 8)}

    def read(self, split):
        rng = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
        shades = torch.randint(0, 256, (600, 1, 1, 2), generator=rng).byte()
        label = torch.randint(0, 2, (600,), generator=rng)
        place = shades.flatten(1).float() / 127.5 - 1 + 2 * label[:, None] - 1
        points = place + 0.1 * torch.randn(600, 2, generator=rng)
        return Examples(points, {"label": label, "sketch": shades.repeat_interleave(4, 3).expand(-1, 1, 8, 8)})


def expected(examples: Examples) -> torch.Tensor:
    shades = examples.given["sketch"][:, 0, 0, ::4].float() / 127.5 - 1
    return shades + 2 * examples.given["label"][:, None] - 1


@pytest.fixture
def pairs() -> Brightness:
    return Brightness(name="pairs", batch_size=100)


def vae(spec: Spec, **family) -> VAE:
    torch.manual_seed(0)
    return VAE(
        spec,
        encoder=partial(DenseEncoder, widths=[32]),
        decoder=partial(DenseDecoder, widths=[32]),
        bottleneck=partial(GaussianBottleneck, dim=2),
        likelihood=partial(Gaussian, sigma=0.1),
        objective=Elbo(),
        conditioning=Concatenation,
        optimizer={"autoencoder": partial(torch.optim.Adam, lr=1e-2)},
        **family,
    )


def gan(spec: Spec, **family) -> GAN:
    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.99))
    return GAN(
        spec,
        generator=partial(DenseGenerator, widths=[64, 64], batch_norm=False, conditioning=Concatenation),
        discriminator=partial(DenseDiscriminator, widths=[64, 64], head=Projection),
        latent=StandardNormal(2),
        objective={"non_saturating": NonSaturating()},
        optimizer={"generator": adam, "discriminator": adam},
        **family,
    )


def test_a_vae_follows_the_picture_and_the_label_that_it_is_given(pairs, fit):
    model = vae(pairs.describe())
    fit(model, pairs, max_steps=300)
    drawn = draw_examples(taking(model, lambda: pairs.split("test")), 500, seed=0)
    assert (drawn.content - expected(drawn)).square().mean() < 0.1 * drawn.content.var()  # of a deaf one it is above 1


@pytest.mark.slow
def test_a_gan_follows_what_it_is_given_and_can_be_asked_without_what_was_dropped(pairs, fit):
    model = gan(pairs.describe(), drop_given={"label": 0.3})
    fit(model, pairs, max_steps=600)
    drawn = draw_examples(taking(model, lambda: pairs.split("test")), 500, seed=0)
    assert (drawn.content - expected(drawn)).square().mean() < 0.35 * drawn.content.var()
    asked = draw_examples(taking(model, lambda: pairs.split("test")), 4, seed=0, asked={"label": ["high", "low"]})
    assert asked.given["label"].tolist() == [1, 0, 1, 0]
    told = Given(label=torch.ones(400).long(), sketch=torch.zeros(400, 1, 8, 8))
    untold = Given(told, dropped={"label": torch.ones(400).bool()})
    means = [
        model.sample(400, rng=torch.Generator().manual_seed(0), given=given).content.mean().item()
        for given in (told, untold)
    ]
    assert means == [pytest.approx(1, abs=0.25), pytest.approx(0, abs=0.5)]


def test_conditions_that_cannot_be_drawn_are_those_of_one_real_example(pairs):
    model, test = vae(pairs.describe()), pairs.split("test")
    with pytest.raises(ConfigError, match=r"^given\.sketch: the model is told pictures, which cannot be made up"):
        draw_examples(model, 3, seed=0)
    drawn = draw_examples(taking(model, lambda: test), 50, seed=0)
    real = {sketch.numpy().tobytes() for sketch in test.given["sketch"]}
    assert all(sketch.numpy().tobytes() in real for sketch in drawn.given["sketch"])
    assert len({sketch.numpy().tobytes() for sketch in drawn.given["sketch"]}) > 40
    labelled = Spec("labelled", VectorContent(2), {"label": LabelContent(("a", "b"))})
    assert taking(vae(labelled), pytest.fail)  # nobody is asked for examples where all can be drawn


def test_dropped_conditions_are_keyed_and_as_frequent_as_wanted(pairs, fit):
    model = vae(pairs.describe(), drop_given={"sketch": 0.3})
    fit(model, pairs, max_steps=1)
    batch = next(pairs.describe().batches(pairs.split("train"), 600))
    first, again = model.taken_from(batch), model.taken_from(batch)
    assert torch.equal(first.given.dropped["sketch"], again.given.dropped["sketch"])
    assert first.given.dropped.keys() == {"sketch"} and first.given.keys() == batch.given.keys()
    assert first.given.dropped["sketch"].float().mean().item() == pytest.approx(0.3, abs=0.06)
    model.iteration += 1
    assert not torch.equal(model.taken_from(batch).given.dropped["sketch"], first.given.dropped["sketch"])
    assert vae(pairs.describe()).taken_from(batch) is batch
    assert vae(pairs.describe(), drop_given={"sketch": 0.0}).drop_given == {}  # it was never without
    for build in (vae, gan):
        with pytest.raises(ConfigError, match=r"^model\.drop_given\.sketch: 1\.2 is not within 0 and 1$"):
            build(pairs.describe(), drop_given={"sketch": 1.2})
        with pytest.raises(ConfigError, match=r"^model\.drop_given\.colour: the model is not told the colour"):
            build(pairs.describe(), drop_given={"colour": 0.1})


def test_what_was_not_told_is_not_written_beside_samples(pairs):
    model = taking(vae(pairs.describe(), drop_given={"sketch": 0.5, "label": 0.5}), lambda: pairs.split("test"))
    assert draw_examples(model, 4, seed=0, asked={"sketch": None}).given.keys() == {"label"}
    assert draw_examples(model, 4, seed=0, asked={"sketch": None, "label": ["low"]}).given["label"].tolist() == [0] * 4
    for name, reason in (("colour", "the model is told no colour; it can be given label, sketch"), ("label", "")):
        told = vae(pairs.describe()) if not reason else model
        with pytest.raises(ConfigError, match=reason or r"train with model\.drop_given\.label=0\.1"):
            draw_examples(told, 4, seed=0, asked={name: None})


def test_more_samples_than_memory_holds_are_refused_at_once(tiny_gan, monkeypatch):
    with pytest.raises(ConfigError, match=r"^num: 100,000,000,000,000 samples take at least 8.* GB, and this machine"):
        draw_examples(tiny_gan(), 10**14, seed=0)
    monkeypatch.setattr("genloom.models.generation.main_memory", lambda: 20_000)  # of 64 bytes each
    assert len(draw_examples(tiny_gan(), 300, seed=0)) == 300
    with pytest.raises(ConfigError, match=r"^num: 320 samples take at least 20,480 bytes"):
        draw_examples(tiny_gan(), 320, seed=0)
