"""Jumps between levels of noise, held against those of normal content, which are known exactly."""

from functools import partial

import pytest
import torch

from genloom.batch import Batch, Given
from genloom.contents.vector import VectorContent
from genloom.diffusion import noise_levels
from genloom.diffusion.prediction import Clean, Velocity
from genloom.diffusion.process import Cosine, Level, RectifiedFlow
from genloom.errors import ConfigError
from genloom.models.diffusion import Diffusion
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.objectives.denoising import Denoising
from genloom.objectives.shortcut import Shortcut
from genloom.samplers.euler import Euler
from genloom.samplers.times import Uniform
from genloom.spec import Spec

MEAN, STD = 0.7, 0.4


class Exact:
    """The mean velocity of normal content from one level to another: the flow keeps each value's quantile."""

    prediction = Velocity()

    def __init__(self, process) -> None:
        self.process = process

    def said(self, noised, level: Level, given: Given, until: Level):
        here, there = self.process.coordinate(level), self.process.coordinate(until)
        scales = [(STD**2 * each.alpha**2 + each.sigma**2).sqrt() for each in (level, until)]
        arrived = until.alpha * MEAN + scales[1] / scales[0] * (noised - level.alpha * MEAN)
        return (arrived - noised) / torch.where(there == here, 1.0, there - here)


@pytest.mark.parametrize("process", [RectifiedFlow(), Cosine()])
@pytest.mark.parametrize("wrong", [0.0, 0.1])
def test_who_jumps_exactly_loses_nothing(process, wrong):
    objective = Shortcut(share=0.999)
    levels = objective.draw(200, process, torch.Generator().manual_seed(0))
    levels = tuple(Level(*(each.double() for each in level)) for level in levels)
    content, noise = torch.randn(2, 200, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model = Exact(process)
    exact = model.said
    # an error that grows with the jump is not that of its halves
    model.said = lambda noised, level, given, until: (
        exact(noised, level, given, until) + wrong * (process.coordinate(level) - process.coordinate(until))
    )
    loss = objective(model, MEAN + STD * content, levels, noise, Given()).total
    if wrong:
        assert loss > 1e-4
    else:
        assert loss < 1e-20


def test_jumps_of_a_batch_are_of_all_lengths():
    first, second = Shortcut().draw(400, RectifiedFlow(), torch.Generator().manual_seed(0))
    lengths = (first.sigma - second.sigma).abs()
    expected = 1 - (1 - torch.tensor([0.1, 0.5, 0.9])).square()  # of two uniform numbers
    found = torch.stack([(lengths < length).float().mean() for length in (0.1, 0.5, 0.9)])
    torch.testing.assert_close(found, expected, atol=0.07, rtol=0)


def trained(objective, **network) -> Diffusion:
    torch.manual_seed(0)
    model = Diffusion(
        Spec("points", VectorContent(2)),
        network=partial(DenseDenoiser, width=32, blocks=1, **network),
        process=RectifiedFlow(),
        prediction=Velocity(),
        objective=objective,
        optimizer={},
    )
    optimizer = torch.optim.Adam(model.denoiser.parameters(), lr=1e-2)
    rng = torch.Generator().manual_seed(0)
    for model.iteration in range(200):
        content = torch.randn(128, 2, generator=rng)
        loss = model._loss(Batch(content, torch.arange(128)), 0).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def test_two_steps_arrive_where_those_of_a_flow_do_not():
    """Two steps of Euler's method reach half of the standard deviation of normal content, more if learned."""
    std = {}
    for name, model in (
        ("flow", trained(Denoising(noise_levels=noise_levels.Uniform()))),
        ("jumps", trained(Shortcut(), jumps=True)),
    ):
        drawn = Euler(steps=2, times=Uniform()).draw(model, 500, rng=torch.Generator().manual_seed(1)).content
        std[name] = drawn.std().item()
    assert std["flow"] < 0.75
    assert std["jumps"] == pytest.approx(1.0, abs=0.15)


def test_what_it_cannot_train_is_refused(tiny_diffusion):
    with pytest.raises(ConfigError, match=r"model.network: DenseDenoiser is told one level.*model.network.jumps=true"):
        tiny_diffusion(objective=Shortcut())
    network = partial(DenseDenoiser, width=16, blocks=1, jumps=True)
    with pytest.raises(ConfigError, match=r"model.prediction: Clean has no mean over a jump.*velocity"):
        tiny_diffusion(objective=Shortcut(), network=network, prediction=Clean())
    with pytest.raises(ConfigError, match=r"model.objective.share: 1.0 is not inside"):
        Shortcut(share=1.0)
