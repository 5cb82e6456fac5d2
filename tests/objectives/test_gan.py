import math

import pytest
import torch
from torch import Tensor, nn

from genloom.batch import ImageBatch
from genloom.networks.base import Critique
from genloom.objectives.gan import R1, Draw, Game, GanTerm, NonSaturating


def game(critic, real: Tensor, fake: Tensor) -> Game:
    def batch(content: Tensor) -> ImageBatch:
        return ImageBatch(content=content, index=torch.arange(len(content)))

    draw = Draw({"z": torch.zeros(len(fake), 1)}, fake, None, lambda latent: fake)
    return Game(batch(real), draw, critic, 0, torch.Generator())


def first_pixel(content: Tensor, condition: object) -> Critique:
    return Critique(content[:, 0, 0, 0])


def images(*scores: float) -> Tensor:
    content = torch.zeros(len(scores), 1, 4, 4)
    content[:, 0, 0, 0] = torch.tensor(scores)
    return content


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_non_saturating_against_its_formula():
    played = game(first_pixel, images(2.0, -1.0), images(0.5, -3.0))
    of_discriminator = NonSaturating().discriminator(played)
    expected = -(math.log(sigmoid(2)) + math.log(sigmoid(-1))) / 2
    expected += -(math.log(1 - sigmoid(0.5)) + math.log(1 - sigmoid(-3))) / 2
    assert of_discriminator.total.item() == pytest.approx(expected, rel=1e-6)
    assert of_discriminator.terms["D(x)"].item() == pytest.approx((sigmoid(2) + sigmoid(-1)) / 2)
    assert of_discriminator.terms["D(G(z))"].item() == pytest.approx((sigmoid(0.5) + sigmoid(-3)) / 2)
    of_generator = NonSaturating().generator(played)
    assert of_generator.total.item() == pytest.approx(-(math.log(sigmoid(0.5)) + math.log(sigmoid(-3))) / 2, rel=1e-6)


def test_non_saturating_at_equilibrium():
    played = game(first_pixel, images(0.0), images(0.0))
    assert NonSaturating().discriminator(played).total.item() == pytest.approx(2 * math.log(2))
    assert NonSaturating().generator(played).total.item() == pytest.approx(math.log(2))


def test_non_saturating_is_finite_at_extreme_scores():
    played = game(first_pixel, images(-1e4), images(1e4))
    assert torch.isfinite(NonSaturating().discriminator(played).total)


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(16))

    def forward(self, content: Tensor, condition: object = None) -> Critique:
        return Critique(content.flatten(1) @ self.w)


def test_r1_of_a_linear_critic_is_the_squared_norm_of_its_weights():
    critic = Linear()
    loss = R1(gamma=3.0).discriminator(game(critic, torch.randn(5, 1, 4, 4), torch.randn(5, 1, 4, 4)))
    squared_norm = critic.w.detach().square().sum()
    assert loss.terms["r1_squared_gradient_norm"].item() == pytest.approx(squared_norm.item(), rel=1e-5)
    loss.total.backward()
    torch.testing.assert_close(critic.w.grad, 3.0 * critic.w.detach())  # d/dw of γ/2 ‖w‖²


def test_r1_leaves_the_real_batch_and_the_generator_alone():
    real = torch.randn(5, 1, 4, 4)
    played = game(Linear(), real, torch.randn(5, 1, 4, 4))
    R1().discriminator(played)
    assert not real.requires_grad
    assert R1().generator(played) is None


def test_scores_are_shared_by_all_terms():
    calls = []

    def critic(content: Tensor, condition: object) -> Critique:
        calls.append(len(content))
        return first_pixel(content, condition)

    played = game(critic, images(1.0), images(2.0))
    NonSaturating().discriminator(played)
    NonSaturating().discriminator(played)
    assert len(calls) == 2


def test_laziness_below_one_is_refused():
    with pytest.raises(ValueError, match="every_iterations: 0"):
        GanTerm(every_iterations=0)
