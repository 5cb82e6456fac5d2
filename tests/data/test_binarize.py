import copy

import pytest
import torch

from genloom import randomness
from genloom.data.images.digits import Digits


def digits(**changes) -> Digits:
    return Digits(name="digits", size=8, **changes)


def test_the_fixed_draw_is_black_and_white_with_the_grey_values_as_probabilities():
    data = digits(binarize="static")
    grey, drawn = data.split("train").content, data.modelled("train").content
    assert drawn.unique().tolist() == [0, 255]
    assert data.describe().content.binary
    assert not digits().describe().content.binary
    assert torch.equal(drawn[grey == 0].unique(), torch.tensor([0], dtype=torch.uint8))
    assert torch.equal(drawn[grey == 255].unique(), torch.tensor([255], dtype=torch.uint8))
    between = (grey > 100) & (grey < 160)
    assert drawn[between].float().mean() / 255 == pytest.approx(grey[between].float().mean().item() / 255, abs=0.02)


def test_static_and_dynamic_are_measured_on_the_same_draw_whatever_the_seed():
    draws = [
        digits(binarize=kind, seed=seed).modelled("test").content for kind, seed in (("static", 0), ("dynamic", 5))
    ]
    assert torch.equal(*draws)


def test_grey_data_is_modelled_as_it_is():
    data = digits()
    assert data.modelled("test") is data.split("test")


class Steps:
    """Stands in for a trainer."""

    world_size, global_rank = 1, 0

    def __init__(self, global_step: int) -> None:
        self.global_step = global_step


def test_dynamic_draws_anew_at_every_iteration_and_repeats_when_resumed():
    data = digits(binarize="dynamic")
    batch = next(iter(data.train_dataloader()))
    assert len(batch.content.unique()) > 2
    drawn = {}
    for step in (3, 4):
        data.trainer = Steps(step)
        drawn[step] = data.on_after_batch_transfer(copy.copy(batch), 0).content
    assert drawn[3].unique().tolist() == [-1, 1]
    assert not torch.equal(drawn[3], drawn[4])
    data.trainer = Steps(3)
    with randomness.untouched():
        assert torch.equal(data.on_after_batch_transfer(copy.copy(batch), 0).content, drawn[3])


def test_static_batches_are_of_the_fixed_draw():
    data = digits(binarize="static")
    batch = next(iter(data.train_dataloader()))
    assert torch.equal(batch.content, data.describe().content.encode(data.modelled("train").content[batch.index]))
