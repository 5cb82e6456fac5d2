import pytest
import torch

from genloom.networks.base import Critique
from genloom.objectives.gan import R1, GanTerm, NonSaturating
from objectives.games import Linear, first_pixel, game, images


def test_scores_are_shared_by_all_terms():
    calls = []

    def critic(content: torch.Tensor, condition: object) -> Critique:
        calls.append(len(content))
        return first_pixel(content, condition)

    played = game(critic, images(1.0), images(2.0))
    NonSaturating().discriminator(played)
    NonSaturating().discriminator(played)
    assert len(calls) == 2


def test_r1_leaves_the_real_batch_and_the_generator_alone():
    real = torch.randn(5, 1, 4, 4)
    played = game(Linear(), real, torch.randn(5, 1, 4, 4))
    R1().discriminator(played)
    assert not real.requires_grad
    assert R1().generator(played) is None


def test_laziness_below_one_is_refused():
    with pytest.raises(ValueError, match="every_iterations: 0"):
        GanTerm(every_iterations=0)
