"""GANs of rows: choices are drawn, levels are asked for, and packs are judged."""

from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader

import nowhere
from genloom import randomness
from genloom.batch import NOTHING, Batch
from genloom.contents.columns.category import CategoryColumn
from genloom.contents.columns.measured import NumberColumn
from genloom.contents.table import TableContent
from genloom.contents.transforms import ModeSpecific, Standard
from genloom.contents.vector import VectorContent
from genloom.distributions.asked import OneLevel
from genloom.distributions.latents import StandardNormal
from genloom.errors import ConfigError
from genloom.models.abilities import Completes, offers
from genloom.models.gan import GAN
from genloom.models.generation import draw_examples
from genloom.networks.base import Critique
from genloom.networks.conditioning import Concatenation
from genloom.networks.dense import DenseDiscriminator, DenseGenerator
from genloom.networks.heads import Projection
from genloom.objectives.gan import AskedLevel, Draw, Game, GradientPenalty, Wasserstein
from genloom.objectives.gan.regularisers import squared_gradient_norm
from genloom.spec import Spec

LEVELS = ("a", "b", "c")
COUNTS = (900, 90, 10)


@pytest.fixture(scope="module")
def spec() -> Spec:
    number = NumberColumn("height", low=0.0, high=4.0, decimals=2, transform=Standard(2.0, 1.0))
    columns = (CategoryColumn("kind", LEVELS, COUNTS), number, CategoryColumn("sex", ("F", "M"), (500, 500)))
    return Spec("rows", TableContent(columns), num_examples=1000)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-3)


def gan(spec: Spec, **changes) -> GAN:
    torch.manual_seed(0)
    arguments = {
        "generator": partial(DenseGenerator, widths=[16], skips=True, conditioning=Concatenation),
        "discriminator": partial(DenseDiscriminator, widths=[16], conditioning=Concatenation),
        "latent": StandardNormal(4),
        "objective": {"wasserstein": Wasserstein(), "asked_level": AskedLevel()},
        "optimizer": {"generator": adam, "discriminator": adam},
        "asking": OneLevel,
        **changes,
    }
    return GAN(spec, **arguments)


def rows(spec: Spec, num: int = 1000) -> torch.Tensor:
    kind = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))[:num].double()
    stored = torch.stack([kind, torch.full_like(kind, 2.0), torch.arange(num).double() % 2], dim=1)
    return spec.content.encode(stored)


def test_rare_levels_are_asked_for_nearly_as_often_and_of_rows_that_have_them(spec):
    asked, content = OneLevel(spec), rows(spec)
    batch = Batch(content, torch.arange(1000))
    drawn = asked.ask(batch, torch.Generator().manual_seed(0))
    level = drawn.given["level"]
    assert spec.content.levels.classes == ("kind=a", "kind=b", "kind=c", "sex=F", "sex=M")
    assert asked.had_by(drawn.content, drawn.given).eq(1).all()  # each real example has what it is asked for
    assert torch.equal(drawn.content, content[drawn.index])
    share = level.bincount(minlength=5) / 1000
    logs = torch.tensor(COUNTS).double().log1p()
    expected = torch.cat([0.5 * logs / logs.sum(), torch.tensor([0.25, 0.25])])
    torch.testing.assert_close(share.double(), expected, atol=0.04, rtol=0)
    natural = spec.content.levels.draw(20_000, torch.Generator().manual_seed(0)).bincount() / 20_000
    torch.testing.assert_close(natural, torch.tensor([0.45, 0.045, 0.005, 0.25, 0.25]), atol=0.01, rtol=0)


def test_what_is_asked_for_is_in_every_row(spec):
    model = gan(spec)
    model.sampler = None
    assert offers(model, Completes)
    kind = draw_examples(model, 200, seed=0, asked={"kind": ["c"]}).content[:, 0]
    assert kind.eq(2).all()
    both = draw_examples(model, 200, seed=0, asked={"level": ["sex=M", "kind=b"]}).content
    assert both[::2, 2].eq(1).all() and both[1::2, 0].eq(1).all()
    with pytest.raises(ConfigError, match=r"one level of one column at a time, as 'given.level=kind=a'"):
        draw_examples(model, 2, seed=0, asked={"kind": ["c"], "sex": ["F"]})
    with pytest.raises(ConfigError, match="one level of one column at a time"):
        draw_examples(model, 2, seed=0, asked={"height": ["2.0"]})
    assert not offers(gan(spec, asking=None, objective={"wasserstein": Wasserstein()}, **plain()), Completes)


def plain() -> dict:
    players = {"generator": DenseGenerator, "discriminator": DenseDiscriminator}
    return {name: partial(kind, widths=[16]) for name, kind in players.items()}


def test_choices_are_drawn_and_numbers_come_of_the_latent(spec):
    model = gan(spec, asking=None, objective={"wasserstein": Wasserstein()}, **plain()).eval()
    latent = {"z": torch.zeros(500, 4)}
    first, second = (model.sampled(latent, NOTHING, randomness.generator(seed)).content for seed in (0, 1))
    assert torch.equal(first[:, 3], second[:, 3])  # the number
    kinds = first[:, :3].argmax(1).bincount(minlength=3)
    assert (kinds > 20).all() and not torch.equal(first[:, :3], second[:, :3])
    assert first[:, :3].amax(1).mean() > 0.9  # nearly ones and zeros
    torch.testing.assert_close(first[:, :3].sum(1), torch.ones(500))
    again = model.sampled(latent, NOTHING, randomness.generator(0)).content
    assert torch.equal(first, again)


def test_numbers_within_a_mode_are_bounded():
    transform = ModeSpecific(weights=(0.5, 0.5), means=(0.0, 5.0), stds=(1.0, 1.0))
    column = NumberColumn("x", low=-9.0, high=9.0, decimals=2, transform=transform)
    generator = DenseGenerator(Spec("rows", TableContent((column,))), 4, widths=[8])
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    content = generator({"z": torch.randn(100, 4)})
    assert content[:, 0].abs().max() <= 1 and content[:, 0].abs().max() > 0.99


def test_packs_are_judged_as_one(spec):
    torch.manual_seed(0)
    critic = DenseDiscriminator(spec, widths=[8], pack=4)
    content = rows(spec, 12)
    score = critic(content).score
    assert score.shape == (3,)
    changed = content.clone()
    changed[5] += 1
    assert torch.equal((critic(changed).score != score), torch.tensor([False, True, False]))
    assert critic(content[:10]).score.shape == (3,)  # the last one is filled with the first two
    torch.testing.assert_close(critic(content[:10]).score[2], critic(content[[8, 9, 0, 1]]).score[0])
    told = partial(DenseDiscriminator, head=Projection, pack=4)
    with pytest.raises(ConfigError, match=r"model.discriminator.head: Projection .* model.discriminator.pack=4"):
        told(OneLevel(spec).told(spec))


def test_a_gradient_of_a_pack_is_that_of_all_its_examples():
    content = torch.randn(6, 2)
    draw = Draw({}, content, NOTHING, lambda latent: content)

    def critic(x, given):
        return Critique((torch.tensor([1.0, 2.0]) * x).sum(1).view(2, 3).sum(1))

    game = Game(Batch(content, torch.arange(6)), draw, critic, 0, torch.Generator(), pack=3)
    torch.testing.assert_close(squared_gradient_norm(game, content, NOTHING), torch.full((2,), 15.0))


@pytest.mark.parametrize("pack", [1, 5])
def test_it_learns_to_draw_what_it_is_asked_for(spec, pack):
    """With everything that CTGAN has."""
    model = gan(
        spec,
        discriminator=partial(DenseDiscriminator, widths=[16], pack=pack, conditioning=Concatenation),
        objective={"wasserstein": Wasserstein(), "gradient_penalty": GradientPenalty(), "asked_level": AskedLevel()},
    )
    asked = model.asking
    batch = asked.ask(Batch(rows(spec)[::20], torch.arange(50)), torch.Generator().manual_seed(0))

    def share() -> float:
        found = [asked.had_by(model._draw(50, batch.given, i).content, batch.given) for i in range(4)]
        return float(torch.cat(found).detach().mean())

    before = share()
    players = {name: torch.optim.Adam(module.parameters(), lr=3e-3) for name, module in model.players().items()}
    for model.iteration in range(60):
        for player, own in players.items():
            (losses,) = model._losses(player, [batch], [model._draw(50, batch.given, 0)], 0)
            own.zero_grad()
            sum(loss.total for loss in losses.values()).backward()
            own.step()
    assert share() > before + 0.15


def test_the_term_needs_levels_that_are_asked_for_and_levels_need_choices(spec):
    with pytest.raises(ConfigError, match=r"model.objective.asked_level: .*choose asking@model.asking=one_level"):
        gan(spec, asking=None, **plain())
    with pytest.raises(ConfigError, match=r"model.asking: .* have no choices .*set asking@model.asking=null"):
        OneLevel(Spec("points", VectorContent(2)))
    unlooked = partial(DenseDiscriminator, widths=[16])
    with pytest.raises(ConfigError, match="the generator is told the level, but neither"):
        gan(spec, discriminator=unlooked)


def test_asking_does_not_wait_for_the_device(spec, fit, monkeypatch):
    nowhere.train(gan(spec), DataLoader(rows(spec), batch_size=20), fit, monkeypatch, steps=2)  # pyright: ignore
