"""What is computed in single precision where networks compute in less."""

from functools import partial

import pytest
import torch

from genloom.batch import NOTHING
from genloom.diffusion.process import Level
from genloom.networks.denoiser.base import Embedding
from genloom.networks.dense import DenseGenerator
from genloom.networks.gan.dcgan import DCGANGenerator
from genloom.networks.gan.resnet import ResNetGenerator
from genloom.networks.gan.spectral import normalise_spectrally
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


@pytest.mark.parametrize(
    "build",
    [
        partial(DCGANGenerator, width=4),
        partial(ResNetGenerator, width=4, max_width=4),
        partial(DenseGenerator, widths=[8]),
    ],
)
def test_a_pixel_that_is_black_goes_on_learning(tiny_spec, build):
    """In 8 bits tanh(−4) is −1, and 1 − tanh² is 0."""
    generator = build(tiny_spec, 3)
    bias = [parameter for name, parameter in generator.named_parameters() if name.endswith("bias")][-1]
    with torch.no_grad():
        bias.fill_(-4.0)
    with torch.autocast("cpu", torch.bfloat16):
        content = generator({"z": torch.zeros(2, 3)})
    content.sum().backward()
    assert content.dtype == torch.float32 and (content > -1).all()
    assert (bias.grad > 0).all()


@pytest.mark.parametrize("jumps", [False, True])
def test_neighbouring_levels_of_noise_are_told_apart(tiny_spec, jumps):
    embedding = Embedding(tiny_spec, 16, names=[], jumps=jumps)
    level = Level(torch.ones(20), torch.linspace(1.0, 1.01, 20))
    full = embedding(level, NOTHING)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(embedding(level, NOTHING), full)
    assert len(full.unique(dim=0)) == 20


def test_singular_values_are_found_without_autocast(monkeypatch):
    """A GPU's autocast rounds the products of matrix and vector by which they are found; the CPU's does not."""
    network, original, seen = torch.nn.Linear(3, 4), torch.mv, []
    normalise_spectrally(network)
    monkeypatch.setattr(torch, "mv", lambda *given: seen.append(torch.is_autocast_enabled("cpu")) or original(*given))
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.ones(2, 3)).dtype == torch.bfloat16
    assert seen == [False] * 3
