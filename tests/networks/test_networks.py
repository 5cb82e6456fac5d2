from functools import partial

import pytest
import torch
from torch import nn

from genloom.contents.image import ImageContent
from genloom.networks.autoencoder.residual import ResidualDiscriminator
from genloom.networks.base import Pyramid
from genloom.networks.dense import DenseDiscriminator, DenseGenerator
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.spec import Spec

GENERATORS = [partial(DCGANGenerator, width=4), partial(DenseGenerator, widths=(8, 16))]
DISCRIMINATORS = [
    partial(DCGANDiscriminator, width=4),
    partial(DCGANDiscriminator, width=4, batch_norm=False),
    partial(DenseDiscriminator, widths=(8,)),
    partial(ResidualDiscriminator, width=4, hidden=8),
]
SHAPES = [
    (1, 28, 28),
    (1, 32, 32),
    (3, 48, 48),
    (3, 64, 64),
    (1, 96, 96),
    (3, 50, 50),
    (3, 32, 48),
    (1, 8, 8),
    (1, 5, 5),
]


def spec(shape: tuple[int, int, int]) -> Spec:
    return Spec("any", ImageContent(*shape))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("build", GENERATORS)
def test_generator_makes_images_of_the_spec_in_range(build, shape):
    images = build(spec(shape), 7)({"z": torch.randn(3, 7)})
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("build", DISCRIMINATORS)
def test_discriminator_scores_each_image(build, shape):
    assert build(spec(shape))(torch.randn(3, *shape)).score.shape == (3,)


def test_the_survey_dcgan_at_32_pixels():
    generator, discriminator = DCGANGenerator(spec((1, 32, 32)), 100), DCGANDiscriminator(spec((1, 32, 32)))
    up = [layer.out_channels for layer in generator.layers if isinstance(layer, nn.ConvTranspose2d)]
    down = [layer.out_channels for layer in discriminator.layers if isinstance(layer, nn.Conv2d)]
    assert up == [256, 128, 64, 1]
    assert down == [16, 32, 64]
    assert discriminator.head.score.in_features == 64 * 4 * 4


def test_dcgan_initialisation_is_the_papers():
    generator = DCGANGenerator(spec((1, 32, 32)), 100)
    weight = generator.layers[0].weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert abs(weight.mean().item()) < 2e-4
    norm = next(layer for layer in generator.layers if isinstance(layer, nn.BatchNorm2d))
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.01)
    assert norm.bias.abs().max() == 0


@pytest.mark.parametrize("size", range(4, 260))
def test_pyramid_covers_every_size_with_little_waste(size):
    pyramid = Pyramid(size, size)
    covered = pyramid.base[0] * 2**pyramid.doublings
    assert 0 <= covered - size < 2**pyramid.doublings
    assert 2 <= pyramid.base[0] <= 8
