"""The deep convolutional GAN.

Radford et al., Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks, 2016.
At 32x32 the defaults are the survey's: generator 256-128-64, discriminator 16-32-64.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Condition, Latent
from genloom.networks.base import Critique, Discriminator, Generator, Pyramid
from genloom.spec import Spec


def _initialise(module: nn.Module) -> None:
    """The paper's initialisation: N(0, 0.02) for weights, N(1, 0.02) for BatchNorm's scale, zero for biases."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class DCGANGenerator(Generator):
    """A projection to a small map, then transposed convolutions that double it, BatchNorm and ReLU between, tanh last.

    Args:
        spec: the data's; images of any size.
        latent_dim: length of z.
        width: channels before the output layer, doubled at each coarser resolution.
        max_width: the limit of that doubling.
    """

    def __init__(self, spec: Spec, latent_dim: int, *, width: int = 64, max_width: int = 512) -> None:
        super().__init__()
        channels, height, width_pixels = spec.content.shape
        self.pyramid = Pyramid(height, width_pixels)
        widths = self.pyramid.widths(width, max_width)[::-1]
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim, widths[0], self.pyramid.base, bias=False)]
        for width_in, width_out in pairwise(widths):
            layers += [nn.BatchNorm2d(width_in), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(width_in, width_out, 4, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(
        self, latent: Latent, condition: Condition | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """Return images in [-1, 1]."""
        return self.pyramid.crop(self.layers(latent["z"][:, :, None, None]))


class DCGANDiscriminator(Discriminator):
    """Strided convolutions that halve the image, LeakyReLU(0.2), BatchNorm except at the first, one score.

    Args:
        spec: the data's; images of any size.
        width: channels of the first layer, doubled at each halving.
        max_width: the limit of that doubling.
        batch_norm: normalise; switch it off under a gradient penalty, which is defined per example.
    """

    def __init__(self, spec: Spec, *, width: int = 16, max_width: int = 512, batch_norm: bool = True) -> None:
        super().__init__()
        channels, height, width_pixels = spec.content.shape
        pyramid = Pyramid(height, width_pixels)
        layers: list[nn.Module] = []
        for level, width_out in enumerate(pyramid.widths(width, max_width)):
            normalise = batch_norm and level > 0
            layers.append(nn.Conv2d(channels, width_out, 4, stride=2, padding=1, bias=not normalise))
            layers += [nn.BatchNorm2d(width_out)] if normalise else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels = width_out
        height, width_pixels = height >> pyramid.doublings, width_pixels >> pyramid.doublings
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, (height, width_pixels)))
        self.apply(_initialise)

    def forward(
        self, content: Float[Tensor, "batch channels height width"], condition: Condition | None = None
    ) -> Critique:
        """Return one logit per image."""
        return Critique(self.layers(content).flatten())
