"""Examples of which a part is known, or that others are begun at: by samplers of models that denoise, and plainly."""

from functools import partial

import pytest
import torch

from genloom import randomness
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.contents.partial import Partial
from genloom.contents.vector import VectorContent
from genloom.diffusion.holding import Holding
from genloom.diffusion.process import Denoised, RectifiedFlow, VarianceExploding
from genloom.errors import CapabilityError, ConfigError
from genloom.models.abilities import Completes, Denoises, offers
from genloom.models.diffusion import Diffusion
from genloom.models.generation import complete_examples
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.samplers.ddim import Ddim
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.euler import Euler
from genloom.samplers.heun import Heun
from genloom.samplers.plain import Plain
from genloom.samplers.truncated import Truncated
from genloom.spec import Spec

SAMPLERS = (Euler(steps=6), Heun(steps=4, churn=2.0), Ddim(steps=6, eta=1.0), DpmSolver(steps=6), Plain())
CORRELATION = 0.8


class Gaussian(Diffusion):
    """Two numbers of variance 1 that are correlated, whose denoiser is exact."""

    def denoise(self, noised, level, given=None, until=None):
        covariance = torch.tensor([[1, CORRELATION], [CORRELATION, 1]])
        alpha, sigma = level.alpha.flatten()[0], level.sigma.flatten()[0]
        left = torch.linalg.solve(alpha**2 * covariance + sigma**2 * torch.eye(2), noised.T).T
        return Denoised(alpha * left @ covariance, sigma * left)


@pytest.fixture
def exact(tiny_diffusion):
    other = tiny_diffusion(spec=Spec("points", VectorContent(2)))
    other.__class__ = Gaussian
    return other


@pytest.mark.parametrize("process", [RectifiedFlow(), VarianceExploding()], ids=lambda process: type(process).__name__)
def test_what_is_drawn_fits_what_is_known_the_better_the_more_often_each_step_is_taken(exact, process):
    exact.process = process
    first = 1.5
    given = Partial(torch.tensor([[first, 9.0]]).expand(500, -1), torch.tensor([[True, False]]).expand(500, -1))
    expected = CORRELATION * first

    def error(resample):
        exact.sampler = DpmSolver(steps=32)
        drawn = complete_examples(exact, given, seed=0, resample=resample).content
        assert torch.equal(drawn[:, 0], given.stored[:, 0])
        assert (drawn[:, 1].std() - (1 - CORRELATION**2) ** 0.5).abs() < 0.3
        return abs(float(drawn[:, 1].mean()) - expected)

    errors = [error(resample) for resample in (1, 4, 16)]
    assert errors[2] < 0.12 * expected and errors[2] < errors[1] / 2 < errors[0] / 3


def test_a_model_completes_by_itself_as_well(exact):
    given = Partial(torch.tensor([[1.5, 9.0]]).expand(250, -1), torch.tensor([[True, False]]).expand(250, -1))
    drawn = complete_examples(exact, given, seed=0).content[:, 1]
    assert drawn.mean() == pytest.approx(1.5 * CORRELATION, rel=0.35) and 0.4 < drawn.std() < 0.9


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_what_is_known_of_a_picture_stays_bit_for_bit(sampler, tiny_diffusion, tiny_data):
    model = tiny_diffusion().eval()
    model.sampler = sampler
    stored = tiny_data.split("test").content[:6]
    partial = model.spec.content.masked(stored, None, [0.5, 0, 1, 1])
    drawn, again, other = (complete_examples(model, partial, seed=seed).content for seed in (0, 0, 1))
    assert torch.equal(drawn[..., :2], stored[..., :2])
    assert not torch.equal(drawn[..., 2:], stored[..., 2:])
    assert torch.equal(drawn, again) and not torch.equal(drawn, other)


def test_grey_that_a_model_sees_as_black_or_white_stays_grey(tiny_diffusion):
    content = ImageContent(1, 4, 4, binary=True)
    model = tiny_diffusion(spec=Spec("binary", content)).eval()
    model.sampler = Euler(steps=2)
    stored = torch.full((2, 1, 4, 4), 100, dtype=torch.uint8)
    drawn = complete_examples(model, content.masked(stored, None, [0, 0, 1, 0.5]), seed=0).content
    assert drawn[:, :, 2:].eq(100).all() and not drawn[:, :, :2].eq(100).any()


def test_what_is_known_is_told_from_its_noise_exactly():
    content, noise, said = torch.randn(3, 5, 2)
    known = torch.tensor([True, False])
    level = RectifiedFlow().level(torch.tensor([0.3])).like(content)
    noised = level.noised(content, noise)
    found = Holding(content, known.expand(5, 2)).corrected(Denoised(said, said + 1), noised, level)
    torch.testing.assert_close(found.clean[:, 0], content[:, 0])
    torch.testing.assert_close(found.noise[:, 0], noise[:, 0])
    assert torch.equal(found.clean[:, 1], said[:, 1]) and torch.equal(found.noise[:, 1], said[:, 1] + 1)


@pytest.mark.parametrize("sampler", SAMPLERS[:4], ids=lambda sampler: type(sampler).__name__)
def test_the_less_the_strength_the_more_is_left(sampler, exact):
    exact.sampler = sampler
    stored = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    nothing = Partial(stored, torch.zeros_like(stored, dtype=torch.bool))
    moved = [
        float((complete_examples(exact, nothing, seed=0, strength=strength).content - stored).square().mean())
        for strength in (0.2, 0.5, 1.0)
    ]
    assert moved[0] < 0.3 < moved[2] and moved[0] < moved[1] < moved[2]


def test_with_a_strength_of_one_nothing_is_left_and_the_samples_are_those_of_the_sampler(tiny_diffusion):
    model = tiny_diffusion().eval()
    sampler = Heun(steps=3)
    content = torch.rand(4, 1, 4, 4)
    edited = sampler.edit(model, content, torch.zeros_like(content).bool(), rng=randomness.generator(0)).content
    assert torch.equal(edited, sampler.draw(model, 4, rng=randomness.generator(0)).content)


def test_what_is_asked_for_is_told_while_a_part_is_drawn(tiny_diffusion):
    spec = Spec("told", ImageContent(1, 4, 4), {"label": LabelContent(("a", "b"))})
    model = tiny_diffusion(spec=spec, network=partial(DenseDenoiser, width=8, blocks=1)).eval()
    for parameter in model.denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    partial_ = spec.content.masked(torch.zeros(4, 1, 4, 4, dtype=torch.uint8), None, [0, 0, 1, 0.5])
    model.sampler = Euler(steps=3)
    drawn, other = (complete_examples(model, partial_, seed=0, asked={"label": [name]}) for name in "ab")
    assert drawn.given["label"].tolist() == [0] * 4
    assert not torch.equal(drawn.content, other.content)


def test_who_cannot_is_refused_with_both_sides(tiny_diffusion, tiny_vae, tiny_gan):
    stored = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    known = Partial(stored, torch.ones_like(stored, dtype=torch.bool))
    nothing = Partial(stored, torch.zeros_like(stored, dtype=torch.bool))
    with pytest.raises(
        CapabilityError, match=r"what is known of an example needs Complete; this model offers .*Sample"
    ):
        complete_examples(tiny_gan(), known, seed=0)
    with pytest.raises(
        CapabilityError, match=r"strength: 0.5 needs a sampler that begins .*, and Plain begins at none; choose"
    ):
        model = tiny_diffusion()
        model.sampler = Plain()
        complete_examples(model, nothing, seed=0, strength=0.5)
    model.sampler = Truncated()
    with pytest.raises(CapabilityError, match=r"sampler: Truncated draws whole examples"):
        complete_examples(model, known, seed=0)
    # of latents no part is known, but they can be begun at
    latent = tiny_diffusion(first_stage=tiny_vae())
    latent.latents.std.fill_(1.0)
    assert not offers(latent, Completes) and offers(latent, Denoises) and offers(tiny_diffusion(), Completes)
    latent.sampler = Heun(steps=4)
    with pytest.raises(CapabilityError, match=r"what is known of an example needs Complete; this model offers Denoise"):
        complete_examples(latent, known, seed=0)
    assert complete_examples(latent, nothing, seed=0, strength=0.5).content.shape == stored.shape


def test_a_mask_says_what_is_drawn(tmp_path):
    from genloom.contents.shown import Picture

    content = ImageContent(3, 4, 6)
    stored = torch.zeros(2, 3, 4, 6, dtype=torch.uint8)
    mask = torch.zeros(1, 4, 6, dtype=torch.uint8)
    mask[:, 1, 2] = 255
    Picture(mask).save_png(tmp_path / "mask.png")
    assert torch.equal(content.masked(stored, tmp_path / "mask.png", None).known, (mask == 0).expand(2, 3, 4, 6))
    known = content.masked(stored, None, [0.5, 0.25, 1, 1]).known
    assert not known[:, :, 1:, 3:].any() and known[:, :, 0].all() and known[..., :3].all()
    Picture(0 * mask).save_png(tmp_path / "black.png")
    for arguments, message in (
        ((tmp_path / "black.png", None), r"mask: .*black.png leaves nothing to draw; what is white in it is drawn"),
        ((None, [0, 0, 0.01, 1]), r"box: \[0, 0, 0.01, 1\] leaves nothing to draw; widen it"),
        ((None, [0.5, 0, 0.2, 1]), r"box: \[0.5, 0, 0.2, 1\] is not \[left,top,right,bottom\]"),
        ((None, [0, 0, 1]), r"box: \[0, 0, 1\] is not"),
    ):
        with pytest.raises(ConfigError, match=message):
            content.masked(stored, *arguments)
    with pytest.raises(ConfigError, match=r"box: points have no places to choose; leave it out"):
        VectorContent(2).masked(torch.zeros(1, 2), None, [0, 0, 1, 1])
