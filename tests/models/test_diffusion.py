"""Diffusion models: what they learn, how they are drawn from, what is refused."""

from functools import partial
from itertools import product

import pytest
import torch

from genloom import randomness
from genloom.batch import Batch, Given
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.contents.vector import VectorContent
from genloom.diffusion.noise_levels import LogNormal, LogUniform, Uniform
from genloom.diffusion.prediction import Clean, Edm, Noise, V, Velocity
from genloom.diffusion.process import Cosine, Level, Linear, RectifiedFlow, VarianceExploding
from genloom.diffusion.weighting import EdmWeighting, Likelihood, MinSnr, Sigmoid, Unit
from genloom.errors import CapabilityError, ConfigError
from genloom.models.diffusion import Diffusion
from genloom.models.generation import draw, draw_examples
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.networks.denoiser.dit import DiT, _angles
from genloom.networks.denoiser.unet import UNet
from genloom.networks.rotary import rotate, rotation
from genloom.objectives.denoising import Denoising
from genloom.samplers import times
from genloom.samplers.ddim import Ddim
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.euler import Euler
from genloom.samplers.heun import Heun
from genloom.spec import Spec

PROCESSES = (Linear(), Cosine(offset=0.008), RectifiedFlow(), VarianceExploding())
PREDICTIONS = (Clean(), Noise(), Velocity(), V(), Edm())
LABELLED = Spec("points", VectorContent(2), {"label": LabelContent(("a", "b"))})


def name(part) -> str:
    return type(part).__name__


def optimizer(parameters, lr=5e-3):
    return torch.optim.Adam(parameters, lr=lr)


def trained(model, content, label=None, steps=400):
    """Train without a trainer, on the whole content at each step."""
    optimizer = torch.optim.Adam(model.denoiser.parameters(), lr=5e-3)
    given = Given({} if label is None else {"label": label})
    for model.iteration in range(steps):
        batch = model.taken_from(Batch(content, torch.arange(len(content)), given))
        loss = model._loss(batch, 0).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def two_places():
    """A model of points around (1, 0) if they are told to be a, and around (−1, 0) if b; also without being told."""
    torch.manual_seed(0)
    label = torch.arange(256) % 2
    content = 0.1 * torch.randn(256, 2)
    content[:, 0] += 1 - 2 * label
    model = _model(LABELLED, drop_given={"label": 0.3})
    return trained(model, content, label)


def _model(spec, **changes):
    arguments = {
        "network": partial(DenseDenoiser, width=64, blocks=2),
        "process": RectifiedFlow(),
        "prediction": Velocity(),
        "objective": Denoising(noise_levels=LogNormal(mean=0.0, std=1.0)),
        "optimizer": {"denoiser": optimizer},
        **changes,
    }
    return Diffusion(spec, **arguments)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_every_prediction_of_every_process_trains_and_is_drawn_from_by_every_sampler(process, prediction):
    torch.manual_seed(0)
    if prediction.needs_content and float(process.level(torch.ones(())).alpha) == 0:
        with pytest.raises(ConfigError, match=r"model.prediction: Noise says nothing where model.process has noise"):
            _model(Spec("points", VectorContent(2)), process=process, prediction=prediction)
        return
    model = _model(Spec("points", VectorContent(2)), process=process, prediction=prediction)
    before = [parameter.clone() for parameter in model.parameters()]
    trained(model, torch.randn(16, 2), steps=2)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    for sampler in (Euler(steps=3), Heun(steps=3, churn=1.0), Ddim(steps=3, eta=0.5), DpmSolver(steps=3)):
        for choice in (times.Rho(), times.LogSnr(), times.Uniform(), times.Trailing()):
            drawn = type(sampler)(**{**vars(sampler), "times": choice}).draw(model, 4, rng=torch.Generator()).content
            assert drawn.shape == (4, 2) and drawn.isfinite().all()


def test_it_learns_the_distribution_and_what_it_is_told(two_places):
    model = two_places
    given = Given(label=torch.arange(400) % 2)
    for sampler in (Heun(steps=16), DpmSolver(steps=20), Ddim(steps=60), None):
        model.sampler = sampler
        drawn = draw(model, 400, rng=randomness.generator(0), given=given)
        side = drawn.content[:, 0] * (1 - 2 * given["label"])
        assert (side - 1).abs().mean() < 0.15 and side.std() < 0.25
    untold = Given({"label": given["label"]}, dropped={"label": torch.ones(400, dtype=torch.bool)})
    drawn = Heun(steps=16).draw(model, 400, rng=randomness.generator(0), given=untold).content[:, 0]
    assert 0.3 < (drawn > 0).float().mean() < 0.7


def test_guidance_of_one_is_none_and_more_goes_beyond_what_is_said(two_places):
    model, given = two_places, Given(label=torch.tensor([0, 0, 1]))
    noised, level = torch.randn(3, 2), RectifiedFlow().level(torch.tensor([0.7])).like(torch.zeros(3, 2))
    told = model.denoise(noised, level, given)
    none = model.denoise(noised, level, Given(given, dropped={"label": torch.ones(3, dtype=torch.bool)}))
    one = Heun(guidance=1.0).denoiser(model, given)(noised, level)
    torch.testing.assert_close(one.clean, told.clean)
    two = Heun(guidance=2.0).denoiser(model, given)(noised, level)
    torch.testing.assert_close(two.clean, 2 * told.clean - none.clean)
    torch.testing.assert_close(two.noise, 2 * told.noise - none.noise)
    outside = Heun(guidance=2.0, guidance_from=1.0).denoiser(model, given)(noised, level)  # σ/α is 2.3 here
    torch.testing.assert_close(outside.clean, told.clean)


def test_guidance_needs_a_model_that_can_do_without(tiny_diffusion):
    with pytest.raises(
        CapabilityError,
        match=r"sampler.guidance: 2.0 needs .*told nothing; set sampler.guide to .*, or sampler.guidance=1",
    ):
        Heun(guidance=2.0).draw(tiny_diffusion(), 2, rng=torch.Generator())
    with pytest.raises(CapabilityError, match=r"train it with model.drop_given.label=0.1"):
        Heun(guidance=2.0).draw(_model(LABELLED), 2, rng=torch.Generator())


SOME = [Euler(steps=5), Heun(steps=5), Ddim(steps=5), DpmSolver(steps=5, times=times.Rho()), Heun(guidance=2.0)]


@pytest.mark.parametrize("sampler", SOME, ids=name)
def test_the_protocol_says_how_often_the_network_is_called(two_places, sampler, monkeypatch):
    seen, original = [], two_places._said

    def said(network, noised, *rest):
        seen.append(len(noised))
        return original(network, noised, *rest)

    monkeypatch.setattr(two_places, "_said", said)
    sampler.draw(two_places, 4, rng=torch.Generator())
    assert sampler.protocol["values"]["calls"] == sum(seen) / 4
    assert sampler.protocol["values"]["times"]["name"] == "Rho"


def test_from_content_to_noise_and_back_the_error_is_of_the_first_order(two_places):
    model, given = two_places, Given(label=torch.zeros(20, dtype=torch.int64))
    content = torch.tensor([1.0, 0.0]) + 0.1 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0))

    def error(steps):
        levels = model.process.level_of(torch.logspace(1, -2, steps + 1, dtype=torch.float64))
        noised = content
        for step in range(steps, 0, -1):
            clean, noise = model.denoise(noised, levels.at(step).like(noised), given)
            noised = levels.at(step - 1).like(noised).noised(clean, noise)
        for step in range(steps):
            clean, noise = model.denoise(noised, levels.at(step).like(noised), given)
            noised = levels.at(step + 1).like(noised).noised(clean, noise)
        return float((noised - content).abs().mean())

    assert error(200) < error(50) / 2.5


def test_noise_is_keyed_and_so_are_samples(tiny_diffusion, tiny_data):
    model = tiny_diffusion()
    batch = Batch(torch.randn(4, 1, 4, 4), torch.arange(4))
    first, again = (model._loss(batch, 0).total for _ in range(2))
    assert first == again
    model.iteration = 1
    assert model._loss(batch, 0).total != first
    model.sampler = Heun(steps=2)
    a, b = (draw_examples(model, 4, seed=1).content for _ in range(2))
    assert torch.equal(a, b)


NETWORKS = (
    partial(UNet, width=8, multipliers=(1, 2, 2), blocks=1, attention=(2,), patch=2),
    partial(DiT, width=16, layers=2, heads=2, patch=4),
    partial(DiT, width=16, layers=2, heads=2, patch=4, positions="learned"),
    partial(DiT, width=16, layers=2, heads=2, patch=4, positions="rotary"),
    partial(DenseDenoiser, width=16, blocks=1),
)


def called(build):
    return "-".join(
        [build.func.__name__, *(str(build.keywords[key]) for key in ["positions"] if key in build.keywords)]
    )


@pytest.mark.parametrize("build", NETWORKS, ids=called)
def test_a_network_takes_pictures_of_any_size_and_is_told_the_level_and_conditions(build):
    torch.manual_seed(0)
    spec = Spec("pictures", ImageContent(3, 13, 18), {"label": LabelContent(("a", "b", "c"))})
    network = build(spec)
    for parameter in network.parameters():  # the maps that are zero at first, too
        torch.nn.init.normal_(parameter, std=0.3)
    noised, given = torch.randn(5, 3, 13, 18), Given(label=torch.tensor([0, 1, 2, 0, 1]))
    level = Level(torch.tensor([0.5]), torch.tensor([0.5]))
    said = network(noised, level, given)
    assert said.shape == noised.shape
    for other in (Given(label=torch.tensor([1, 1, 2, 0, 1])), Given(given, dropped={"label": torch.arange(5) == 0})):
        changed = (network(noised, level, other) - said).abs().flatten(1).amax(1)
        assert changed[0] > 1e-4 and changed[1:].max() < 1e-5
    assert not torch.allclose(network(noised, Level(torch.tensor([0.4]), torch.tensor([0.6])), given), said)
    moved = (network(noised.roll(4, dims=3), level, given) - said.roll(4, dims=3)).abs().max()
    assert moved > 1e-3  # it knows where it is


def test_rotary_positions_tell_tokens_how_far_apart_they_are_and_nothing_else():
    rows, columns, dim = 5, 7, 8
    tables = rotation(_angles(rows, columns, dim))
    q, k = torch.randn(2, 1, 1, 1, 1, dim)
    everywhere = [
        rotate(each.expand(1, rows * columns, 1, 1, dim), *tables).view(rows, columns, dim) for each in (q, k)
    ]
    scores = torch.einsum("abd,ced->abce", *everywhere)
    torch.testing.assert_close(scores[1, 2, 3, 6], scores[0, 1, 2, 5])
    torch.testing.assert_close(scores[4, 3, 2, 0], scores[3, 6, 1, 3])
    assert not torch.allclose(scores[0, 0, 1, 0], scores[0, 0, 0, 1])  # a row is no column


def test_networks_refuse_what_they_cannot_be():
    spec = Spec("pictures", ImageContent(3, 16, 16))
    with pytest.raises(ConfigError, match=r"model.network.attention: 3 is not within 0 and 2"):
        UNet(spec, attention=(3,))
    with pytest.raises(ConfigError, match=r"model.network.width: 100 is no multiple of 4 and .*heads=3; set it to 108"):
        DiT(spec, width=100, heads=3)
    DiT(spec, width=108, heads=3, layers=1)
    with pytest.raises(ConfigError, match=r"model.network.heads: 2 share model.network.width=12 .*network.width=16$"):
        DiT(spec, width=12, heads=2, layers=1, positions="rotary")
    DiT(spec, width=16, heads=2, layers=1, positions="rotary")
    with pytest.raises(ConfigError, match=r"model.network: UNet is made for pictures"):
        UNet(Spec("points", VectorContent(2)))


@pytest.mark.parametrize("weighting", [Unit(), EdmWeighting(), MinSnr(), Sigmoid(), Likelihood()], ids=name)
@pytest.mark.parametrize("levels", [Uniform(), LogNormal(), LogUniform()], ids=name)
def test_every_weighting_of_every_choice_of_levels_is_finite(weighting, levels):
    for process, prediction in product(PROCESSES, PREDICTIONS):
        level = levels.draw(1000, process, torch.Generator().manual_seed(0))
        weight = weighting.of_said(level, prediction, process)
        assert weight.isfinite().all() and (weight >= 0).all()
