"""What is computed in single precision where networks compute in less."""

import torch

from genloom.objectives.gan.game import GanTerm
from genloom.objectives.gan.regularisers import R1
from genloom.objectives.loss import Loss


class Brightness(GanTerm):
    """Gives the generator something to learn, and the discriminator nothing."""

    def generator(self, game):
        return Loss(game.fake.content.square().mean())


def test_the_gradient_of_a_penalty_is_not_rounded(tiny_gan, tiny_data, fit):
    """A penalty on real examples does not know of the generator; so low precision leaves its updates bit for bit."""
    weights = {}
    for precision in ("32-true", "bf16-mixed"):
        model = tiny_gan(objective={"r1": R1(every_iterations=1), "brightness": Brightness()})
        fit(model, tiny_data, max_steps=2, precision=precision)
        weights[precision] = {name: value.clone() for name, value in model.discriminator.state_dict().items()}
        start = tiny_gan().discriminator.state_dict()
        assert any(not torch.equal(start[name], value) for name, value in weights[precision].items())
    for name, value in weights["32-true"].items():
        assert torch.equal(value, weights["bf16-mixed"][name]), name
