"""What a diffusion model minimises."""

import math
from types import SimpleNamespace

import pytest
import torch

from genloom.batch import NOTHING
from genloom.diffusion.noise_levels import LogNormal, Uniform
from genloom.diffusion.prediction import Clean
from genloom.diffusion.process import Cosine, Level, RectifiedFlow
from genloom.objectives.denoising import Denoising

SILENT = SimpleNamespace(
    process=RectifiedFlow(), prediction=Clean(), said=lambda noised, level, given: torch.zeros_like(noised)
)  # says 0 of everything, so that its error is the square of the content


@pytest.mark.parametrize("levels", [LogNormal(), Uniform()])
def test_the_loss_is_told_apart_by_eighths_of_the_noise_levels(levels):
    place = torch.tensor([7, 0, 3, 3, 1, 0])
    level = levels.quantile((place + torch.tensor([0.5, 0.1, 0.2, 0.8, 0.5, 0.9])) / 8, SILENT.process)
    content = torch.tensor([7.0, 1.0, 2.0, 4.0, 3.0, 1.0]).view(-1, 1).expand(-1, 2)
    loss = Denoising(noise_levels=levels)(SILENT, content, (level,), torch.randn(6, 2), NOTHING)
    assert loss.total.item() == pytest.approx(80 / 6)
    found = {name: value.item() for name, value in loss.terms().items()}
    empty = {f"level_{each}" for each in (3, 5, 6, 7)}
    assert {name for name, value in found.items() if math.isnan(value)} == empty
    told = {name: value for name, value in found.items() if name not in empty}
    assert told == {"level_1": 1, "level_2": 9, "level_4": 10, "level_8": 49}


@pytest.mark.parametrize("process", [RectifiedFlow(shift=3.0), Cosine()])
def test_parts_of_the_levels_are_equally_probable(process):
    levels = LogNormal(mean=0.5, std=2.0)
    drawn = levels.draw(800, process, torch.Generator().manual_seed(0))
    counts = levels.parts(drawn, process, 8).bincount(minlength=8)
    assert counts.min() >= 98 and counts.max() <= 102
    pure = Level(torch.zeros(1), torch.ones(1))
    assert levels.parts(pure, process, 8).tolist() == [7]
