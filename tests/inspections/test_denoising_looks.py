"""Looks at models that denoise show what their samplers do."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch

from genloom import figures, randomness
from genloom.contents.label import LabelContent
from genloom.contents.shown import Picture
from genloom.contents.vector import VectorContent
from genloom.diffusion.prediction import Clean, Noise
from genloom.diffusion.process import VarianceExploding
from genloom.errors import CapabilityError
from genloom.extractors.features import Pixels
from genloom.inspections.base import PictureLook
from genloom.inspections.calls import CallsSweep
from genloom.inspections.calls_curve import CallsCurve
from genloom.inspections.denoising_path import DenoisingPath
from genloom.inspections.guidance import GuidanceSweep
from genloom.inspections.noise_levels import ErrorsByNoise
from genloom.judging.candidate import candidates_of
from genloom.judging.judge import Judge
from genloom.metrics.frechet import FrechetDistance
from genloom.metrics.kernel import KernelDistance
from genloom.models.abilities import Denoises
from genloom.models.diffusion import Diffusion
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.heun import Heun
from genloom.samplers.plain import Plain
from genloom.samplers.times import Rho
from genloom.samplers.truncated import Truncated
from genloom.spec import Spec

EMPTY = torch.zeros(1, 1, 1, dtype=torch.uint8)


class Trained(Pixels):
    """Pixels that are taken for what was trained."""

    name, trained = "seen", True


def no_data() -> Any:
    raise AssertionError("this look needs no data")


def columns(picture: Picture, num: int) -> torch.Tensor:
    """Cut columns of grids of 4x4 pictures into (columns, rows, 4, 4)."""
    step = 4 + 2
    parts = [picture.pixels[0, 2:, 20 * place + 2 : 20 * place + 6] for place in range(num)]
    return torch.stack([part.unfold(0, 4, step).transpose(1, 2) for part in parts])


def pixels(model: Diffusion, content: torch.Tensor) -> torch.Tensor:
    return model.spec.content.decode(content).squeeze(1)


def rng(model: Diffusion, look: PictureLook) -> torch.Generator:
    return randomness.generator(model.seed, look.name)


@pytest.fixture
def guided(tiny_diffusion, tiny_spec):
    spec = Spec("tiny", tiny_spec.content, {"label": LabelContent(("a", "b"), (1, 1))})
    model = tiny_diffusion(spec=spec, drop_given={"label": 0.5})
    torch.nn.init.normal_(model.denoiser.blocks[0].second.weight)  # at zero nothing depends on what is told
    return model


def test_a_path_begins_with_noise_and_ends_with_the_samples(tiny_diffusion):
    model, look = tiny_diffusion(), DenoisingPath(num=3, levels=4)
    model.sampler = Heun(steps=4, times=Rho(sigma_max=10.0, sigma_min=0.1))
    picture = look.picture(model, no_data).pixels
    above, below = (columns(Picture(half), 4) for half in (picture[:, :20], picture[:, 32:]))
    assert above.shape[:2] == below.shape[:2] == (4, 3)
    assert torch.equal(below[-1], pixels(model, model.sampler.draw(model, 3, rng=rng(model, look)).content))
    noise = torch.randn(3, 1, 4, 4, generator=rng(model, look))
    level = model.process.level_of(torch.tensor([10.0]))
    first = noise * level.sigma / (level.alpha.square() + level.sigma.square()).sqrt()
    assert torch.equal(above[0], pixels(model, first))
    assert not torch.equal(above[1], above[2])


def test_a_path_of_few_calls_has_as_many_columns(tiny_diffusion):
    model = tiny_diffusion()
    model.sampler = DpmSolver(steps=2)
    assert DenoisingPath(num=1, levels=9).picture(model, no_data).pixels.shape == (1, 8 + 12 + 8, 8 + 12 + 8)


@pytest.mark.parametrize(
    ("sampler", "calls", "steps"),
    [(DpmSolver(), 4, 4), (Heun(), 4, 2), (Heun(), 1, 1), (Heun(guidance=2.0), 8, 2), (DpmSolver(guidance=2.0), 8, 4)],
)
def test_within_so_many_calls_a_sampler_takes_the_steps_that_they_allow(sampler, calls, steps):
    assert sampler.within(calls).steps == steps
    assert sampler.within(calls).guidance == sampler.guidance


@pytest.mark.parametrize("sampler", [None, Plain(), DpmSolver(steps=7)])
def test_columns_of_calls_are_of_the_same_noise(tiny_diffusion, sampler):
    model, look = tiny_diffusion(), CallsSweep(calls=[1, 3], num=2)
    model.sampler = sampler
    found = columns(look.picture(model, no_data), 2)
    for column, steps in zip(found, (1, 3), strict=True):
        drawn = DpmSolver(steps=steps).draw(model, 2, rng=rng(model, look)).content
        assert torch.equal(column, pixels(model, drawn))
    assert not torch.equal(found[0], found[1])


def test_columns_of_guidance_are_of_the_same_noise_and_labels(guided):
    look = GuidanceSweep(guidances=[0, 1, 4], num=2)
    look.check(guided)
    guided.sampler = Heun(steps=3)
    found = columns(look.picture(guided, no_data), 3)
    for column, guidance in zip(found, (0, 1, 4), strict=True):
        drawn = Heun(steps=3, guidance=guidance).draw(guided, 2, rng=rng(guided, look)).content
        assert torch.equal(column, pixels(guided, drawn))
    assert not torch.equal(found[1], found[2])


def test_what_cannot_be_guided_or_does_not_denoise_is_refused(tiny_diffusion, tiny_gan):
    with pytest.raises(CapabilityError, match="was also trained without what it is told"):
        GuidanceSweep().check(tiny_diffusion())
    for look in (DenoisingPath(), CallsSweep(), GuidanceSweep()):
        with pytest.raises(CapabilityError, match="it needs Denoise"):
            look.check(tiny_gan())
    model = tiny_diffusion()
    model.sampler = Truncated()
    with pytest.raises(CapabilityError, match="choose sampler=dpmsolver"):
        CallsSweep().picture(model, no_data)


def test_a_model_that_denoises_what_only_others_draw_is_refused(guided, monkeypatch, tmp_path):
    """As one of series is, which forecasts."""
    monkeypatch.setattr(Diffusion, "abilities", frozenset({Denoises}))
    for look in (DenoisingPath(), CallsSweep(), GuidanceSweep(), CallsCurve(Judge({}, {}, cache_dir=tmp_path))):
        with pytest.raises(CapabilityError, match="it needs Sample; this model offers Denoise"):
            look.check(guided)
    ErrorsByNoise().check(guided)


def test_points_are_scattered_in_a_panel_for_each_way(tiny_diffusion):
    model = tiny_diffusion(spec=Spec("points", VectorContent(2)))
    assert CallsSweep(calls=[1, 2]).picture(model, no_data).pixels.shape == (1, 160, 160 + 12 + 160)
    path = DenoisingPath(levels=3).picture(model, no_data).pixels
    assert path.shape == (1, 160 + 12 + 160, 3 * 160 + 2 * 12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (partial(DenoisingPath, levels=0), "levels: 0"),
        (partial(CallsSweep, calls=[]), "calls: "),
        (partial(CallsSweep, calls=[0, 1]), "calls: "),
        (partial(CallsCurve, Judge({}, {}), calls=[]), "calls: "),
        (partial(CallsCurve, Judge({}, {}), num=1), "num: 1"),
        (partial(ErrorsByNoise, num=0), "num: 0"),
        (partial(GuidanceSweep, guidances=[-1]), "guidances: "),
    ],
)
def test_impossible_arguments_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_errors_by_noise_are_those_of_what_the_model_expects(tiny_diffusion, tiny_data):
    """Of a network that says 0 of everything the error is the mean square of the content, whatever the noise."""
    model, look = tiny_diffusion(prediction=Clean()), ErrorsByNoise(num=7)
    torch.nn.init.zeros_(model.denoiser.last[1].weight)
    torch.nn.init.zeros_(model.denoiser.last[1].bias)
    examples = tiny_data.split("val")[:7]
    square = next(model.spec.batches(examples, 7)).content.square().mean()
    assert look.errors(model, examples) == pytest.approx([square.item()] * 17)
    exact = tiny_diffusion(process=VarianceExploding(), prediction=Noise())  # its x = (x_t − σ ε)/α
    torch.nn.init.zeros_(exact.denoiser.last[1].weight)
    torch.nn.init.zeros_(exact.denoiser.last[1].bias)
    errors = look.errors(exact, examples)  # σ/α squared, times the mean square of the noise
    assert [after / before for before, after in pairwise(errors)] == pytest.approx([10**0.5] * 16, rel=1e-3)
    pictures = [look.picture(each, lambda: tiny_data).pixels for each in (model, model, exact)]
    assert torch.equal(pictures[0], pictures[1]) and not torch.equal(pictures[0], pictures[2])


def test_the_curve_of_calls_is_the_judges_distance_at_each(tiny_diffusion, tiny_data, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(figures, "trends", lambda curves, **rest: drawn.update(curves=curves, **rest) or Picture(EMPTY))
    judge = Judge({"pixels": Trained()}, {"kernel": KernelDistance()}, cache_dir=tmp_path / "cache")
    model = tiny_diffusion()
    model.sampler = Heun(steps=9)
    CallsCurve(judge, calls=[1, 2, 6], num=50).picture(model, lambda: tiny_data)
    own = Judge({"pixels": Trained()}, {"frechet": FrechetDistance()}, cache_dir=tmp_path / "cache")
    expected = []
    for steps in (1, 3):
        model.sampler = Heun(steps=steps)
        candidates = candidates_of(model, ["raw"], seed=model.seed, examples=lambda: tiny_data.split("val"))
        row = own.judge(tiny_data, candidates, num_samples=50).rows[0]
        expected.append((2 * steps - 1, row.scores["raw"].value))
    assert drawn["curves"] == {"Heun": expected}
    assert drawn["floor"] == ("held-out examples", row.floor.value)
    assert [type(metric) for metric in judge.metrics] == [KernelDistance]


def test_a_curve_of_calls_needs_an_extractor(tiny_diffusion, tiny_data, tmp_path):
    judge = Judge({"pixels": Pixels()}, {}, cache_dir=tmp_path / "cache")
    with pytest.raises(CapabilityError, match="genloom extractor makes one"):
        CallsCurve(judge, calls=[1], num=20).picture(tiny_diffusion(), lambda: tiny_data)
