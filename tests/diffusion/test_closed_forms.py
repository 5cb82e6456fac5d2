"""Diffusion held against what is known exactly: of Gaussian content every denoiser, path and sample is."""

from itertools import pairwise

import pytest
import torch

from genloom.diffusion.noise_levels import LogNormal, LogUniform, Uniform
from genloom.diffusion.prediction import Clean, Edm, Noise, V, Velocity
from genloom.diffusion.process import Cosine, Denoised, Level, Linear, RectifiedFlow, VarianceExploding
from genloom.diffusion.weighting import EdmWeighting, Likelihood, MinSnr, Sigmoid, Unit
from genloom.samplers import times
from genloom.samplers.ddim import Ddim
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.euler import Euler
from genloom.samplers.heun import Heun

PROCESSES = [Linear(), Cosine(offset=0.008), Cosine(), RectifiedFlow(), RectifiedFlow(shift=3.0), VarianceExploding()]
PREDICTIONS = [Clean(), Noise(), Velocity(), V(), Edm(sigma_data=0.5)]
MEAN = torch.tensor([0.3, -0.7], dtype=torch.float64)
FACTOR = torch.tensor([[0.5, 0.0], [0.3, 0.2]], dtype=torch.float64)  # of the covariance
COVARIANCE = FACTOR @ FACTOR.T


def exact(noised: torch.Tensor, level: Level, until: Level | None = None) -> Denoised:
    """Return the exact sides of noised content, of which the clean one is normal."""
    alpha, sigma = level.alpha.flatten()[0], level.sigma.flatten()[0]
    total = alpha**2 * COVARIANCE + sigma**2 * torch.eye(2, dtype=torch.float64)
    left = torch.linalg.solve(total, (noised - alpha * MEAN).T).T
    return Denoised(MEAN + alpha * left @ COVARIANCE, sigma * left)


def name(part) -> str:
    return f"{type(part).__name__}{'-'.join(str(value) for value in vars(part).values() if value)}"[:40]


def drawn(sampler, process, denoise, num=20_000):
    rng = torch.Generator().manual_seed(0)
    levels = sampler.times.levels(process, sampler.steps)
    first = levels.at(0).like(torch.zeros(1, 1, dtype=torch.float64))
    noise = torch.randn(num // 2, 2, generator=rng, dtype=torch.float64)
    noise = torch.cat([noise, -noise])  # mean 0
    left, right = torch.linalg.eigh(noise.T @ noise / num)
    noise = noise @ right @ torch.diag(left.rsqrt()) @ right.T  # and a covariance of 1
    return sampler.follow(denoise, first.sigma * noise, levels, process, rng)


@pytest.mark.parametrize("process", PROCESSES, ids=name)
@pytest.mark.parametrize("prediction", PREDICTIONS, ids=name)
def test_a_prediction_is_the_same_model_in_other_words(process, prediction):
    level = process.level(torch.linspace(0.01, 0.97, 9, dtype=torch.float64)[:, None])
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 9, 3, generator=rng, dtype=torch.float64)
    said = prediction.target(clean, noise, level, process)
    denoised = prediction.denoised(level.noised(clean, noise), said, level, process)
    torch.testing.assert_close(denoised.clean, clean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(denoised.noise, noise, rtol=1e-9, atol=1e-9)
    # the error of what is said, and that of the clean content, differ by the weight
    other = prediction.denoised(level.noised(clean, noise), said + 0.1, level, process)
    weight = prediction.weight(level, process)
    torch.testing.assert_close(weight * (other.clean - clean).square(), torch.full_like(clean, 0.01))


@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_a_path_is_smooth_and_its_levels_are_those_of_their_ratio(process):
    time = torch.linspace(0.02, 0.98, 49, dtype=torch.float64, requires_grad=True)
    level = process.level(time)
    torch.testing.assert_close(process.level_of(level.ratio).sigma, level.sigma)
    assert (level.ratio.diff() > 0).all()
    place = process.coordinate(level)
    for side, slope in zip((level.alpha, level.sigma), process.slope(level), strict=True):
        by_time = torch.autograd.grad((side + 0 * time).sum(), time, retain_graph=True)[0]
        place_by_time = torch.autograd.grad(place.sum(), time, retain_graph=True)[0]
        torch.testing.assert_close(by_time, slope * place_by_time)
    torch.testing.assert_close(
        level.alpha * process.slope(level)[1] - level.sigma * process.slope(level)[0], torch.ones_like(time)
    )


def test_schedules_are_the_published_ones():
    one_thousand = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)  # the betas of Ho et al., 2020
    alpha = (1 - one_thousand).cumprod(0).sqrt()
    ours = Linear().level(torch.arange(1, 1001, dtype=torch.float64) / 1000).alpha
    torch.testing.assert_close(ours, alpha, atol=2e-3, rtol=0)
    steps = torch.arange(0, 1001, dtype=torch.float64) / 1000  # of Nichol and Dhariwal, 2021, equation 17
    f = ((steps + 0.008) / 1.008 * torch.pi / 2).cos().square()
    torch.testing.assert_close(
        Cosine(offset=0.008).level(steps).alpha[:-1], (f / f[0]).sqrt()[:-1], atol=1e-9, rtol=1e-9
    )
    edm = times.Rho(sigma_min=0.002, sigma_max=80.0, rho=7.0).levels(VarianceExploding(), 18).sigma
    theirs = torch.tensor([80.0, 57.586, 0.002, 0.0], dtype=torch.float64)
    torch.testing.assert_close(edm[[0, 1, 17, 18]], theirs, rtol=1e-4, atol=0)
    shifted = RectifiedFlow(shift=3.0).level(torch.tensor([0.25, 0.5])).sigma  # 3t/(1 + 2t), Esser et al., 2024
    torch.testing.assert_close(shifted, torch.tensor([0.5, 0.75]))
    # where there is nothing but noise, there is nothing but noise
    for process in (Cosine(), RectifiedFlow()):
        assert process.level(torch.ones(())) == Level(torch.zeros(()), torch.ones(()))


def error(kind, process, steps: int) -> float:
    """Return the larger relative error of mean and covariance."""
    is_random = bool(getattr(kind, "eta", 0) or getattr(kind, "churn", 0))
    sampler = type(kind)(**{**vars(kind), "steps": steps, "times": times.Rho()})
    found = drawn(sampler, process, exact, num=20_000 if is_random else 2_000)
    mean, covariance = found.mean(0) - MEAN, found.T.cov() - COVARIANCE
    return max(float(mean.norm() / FACTOR.norm()), float(covariance.norm() / COVARIANCE.norm()))


@pytest.mark.parametrize("process", [Linear(), RectifiedFlow(), VarianceExploding()], ids=name)
@pytest.mark.parametrize("kind", [Heun(), Heun(churn=20.0, churn_std=1.0), DpmSolver()], ids=name)
def test_samples_of_gaussian_content_have_its_mean_and_covariance(process, kind):
    assert error(kind, process, 256) < 0.01


@pytest.mark.parametrize("process", [Linear(), RectifiedFlow()], ids=name)
@pytest.mark.parametrize(("kind", "most"), [(Euler(), 0.025), (Ddim(), 0.025), (Ddim(eta=1.0), 0.06)])
def test_of_the_first_order_they_come_near_as_fast_as_steps_grow(process, kind, most):
    few, many = error(kind, process, 64), error(kind, process, 256)
    assert many < most
    assert many < few / 2.8 or many < 0.003


STEPWISE = [Euler(steps=8), Heun(steps=8), Ddim(steps=8, eta=1.0), DpmSolver(steps=8)]


@pytest.mark.parametrize("sampler", STEPWISE, ids=name)
@pytest.mark.parametrize("process", PROCESSES, ids=name)
def test_every_prediction_gives_the_same_path(sampler, process):
    def by(prediction):
        def denoise(noised, level, until=None):
            said = prediction.said(exact(noised, level), level, process)
            return prediction.denoised(noised, said, level, process)

        return denoise

    straight = drawn(sampler, process, exact, num=20)
    alone = float(process.level(torch.ones(())).alpha) == 0
    limited = type(sampler)(**{**vars(sampler), "times": times.LogSnr(sigma_max=50.0)}) if alone else sampler
    for prediction in PREDICTIONS:
        at_noise = prediction.needs_content and alone
        reference = drawn(limited, process, exact, num=20) if at_noise else straight
        found = drawn(limited if at_noise else sampler, process, by(prediction), num=20)
        torch.testing.assert_close(found, reference, atol=1e-5, rtol=0)


class Mixture:
    """Two normal distributions, and their exact denoiser."""

    means = torch.tensor([-1.0, 0.6], dtype=torch.float64)
    std = 0.3

    def __call__(self, noised, level, until=None):
        alpha, sigma = level.alpha.flatten()[0], level.sigma.flatten()[0]
        variance = (alpha * self.std) ** 2 + sigma**2
        away = noised[..., None] - alpha * self.means
        share = (-away.square() / (2 * variance)).softmax(-1)
        clean = (share * (self.means + alpha * self.std**2 / variance * away)).sum(-1)
        return Denoised(clean, (noised - alpha * clean) / sigma)


@pytest.mark.parametrize("process", [Linear(), RectifiedFlow(), VarianceExploding()], ids=name)
@pytest.mark.parametrize(("kind", "order"), [(Euler, 1), (Ddim, 1), (Heun, 2), (DpmSolver, 2)])
def test_errors_fall_with_the_order_of_the_method(process, kind, order):
    start = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]

    # the last step is another one, to clean content: so one more is asked for, and what comes before it is looked at
    def before_the_last(sampler, steps):
        ratios = torch.cat([torch.linspace(2.0, 0.4, steps + 1, dtype=torch.float64), torch.tensor([0.39999])])
        levels = process.level_of(ratios)
        seen = []

        def denoise(noised, level, until=None):
            seen.append((float(level.ratio.flatten()[0]), noised))
            return Mixture()(noised, level)

        noised = start * (levels.alpha[0] ** 2 + levels.sigma[0] ** 2).sqrt()
        sampler(steps=steps + 1).follow(denoise, noised, levels, process, torch.Generator())
        return next(noised for ratio, noised in reversed(seen) if abs(ratio - 0.4) < 1e-9)

    truth = before_the_last(Heun, 1024)
    errors = [float((before_the_last(kind, steps) - truth).abs().max()) for steps in (32, 64, 128)]
    slopes = [torch.tensor(a / b).log2().item() for a, b in pairwise(errors)]
    assert all(abs(slope - order) < 0.2 for slope in slopes), slopes


@pytest.mark.parametrize("process", [RectifiedFlow(), VarianceExploding()], ids=name)
def test_edm_leaves_what_goes_in_and_what_is_asked_for_at_a_variance_of_one(process):
    prediction, rng = Edm(sigma_data=0.5), torch.Generator().manual_seed(0)
    content, noise = 0.5 * torch.randn(200_000, generator=rng), torch.randn(200_000, generator=rng)
    for time in (0.05, 0.4, 0.8):
        level = process.level(torch.tensor(time))
        assert (prediction.input_scale(level) * level.noised(content, noise)).var() == pytest.approx(1, abs=0.01)
        assert prediction.target(content, noise, level, process).var() == pytest.approx(1, abs=0.01)
        # so that EDM's weighting of clean content counts every level the same
        weight = EdmWeighting(sigma_data=0.5).of_said(level, prediction, process)
        assert weight == pytest.approx(1, rel=1e-4)


def test_weightings_are_the_published_ones():
    level = RectifiedFlow().level_of(torch.tensor([0.1, 1.0, 4.0], dtype=torch.float64))
    snr = 1 / level.ratio.square()
    process = Linear()
    torch.testing.assert_close(Noise().weight(process.level_of(level.ratio), process), snr)
    torch.testing.assert_close(MinSnr(limit=5.0)(level), snr.clamp(max=5))
    torch.testing.assert_close(Likelihood().of_said(level, Noise(), process), torch.ones_like(snr))
    torch.testing.assert_close(Sigmoid(bias=2.0)(level), snr * (2 - snr.log()).sigmoid())
    assert (Unit().of_said(level, Velocity(), RectifiedFlow()) == 1).all()


@pytest.mark.parametrize("choice", [Uniform(), LogNormal(mean=-0.3, std=0.8), LogUniform(sigma_min=0.1)])
def test_levels_are_drawn_as_they_are_distributed(choice):
    process = RectifiedFlow(shift=2.0)
    level = choice.draw(4096, process, torch.Generator().manual_seed(0))
    if isinstance(choice, Uniform):  # t of σ = 2t/(1 + t)
        time = level.sigma / (2 - level.sigma)
        assert time.sort().values.sub(torch.linspace(0, 1, 4096)).abs().max() < 1e-3  # stratified
    elif isinstance(choice, LogUniform):
        share = (level.ratio / 0.1).log() / torch.tensor(800.0).log()
        assert share.sort().values.sub(torch.linspace(0, 1, 4096)).abs().max() < 1e-3
    else:
        log_ratio = level.ratio.log() - torch.tensor(2.0).log()
        assert log_ratio.mean() == pytest.approx(-0.3, abs=0.005)
        assert log_ratio.std() == pytest.approx(0.8, abs=0.005)
    first = choice.draw(100, process, torch.Generator().manual_seed(0))
    assert torch.equal(first.sigma, level.sigma[:100])  # whatever the number, so for any number of devices
    loose = type(choice)(**{**vars(choice), "stratified": False}).draw(4096, process, torch.Generator().manual_seed(0))
    assert loose.sigma.mean() == pytest.approx(level.sigma.mean().item(), abs=0.02)
