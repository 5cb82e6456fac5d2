"""The deep convolutional GAN.

Radford et al., Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks, 2016.
At 32x32 the defaults are the survey's: generator 256-128-64, discriminator 16-32-64.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given, Latent
from genloom.limits import Count
from genloom.networks.base import Discriminator, Generator, Head, LatentProjection, OfImages, Pyramid, Tanh
from genloom.networks.conditioning import Conditioning, Layers
from genloom.networks.heads import Score
from genloom.spec import Spec


def _initialise(module: nn.Module) -> None:
    """The paper's initialisation: N(0, 0.02) for weights, N(1, 0.02) for BatchNorm's scale, zero for biases."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class DCGANGenerator(OfImages, Generator):
    """A projection to a small map, then transposed convolutions that double it, BatchNorm and ReLU between, tanh last.

    Args:
        spec: the data's; images of any size.
        latent_dim: length of z.
        width: channels before the output layer, doubled at each coarser resolution.
        max_width: the limit of that doubling.
        conditioning: called as ``conditioning(spec)``; how the generator is told its conditions.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        *,
        width: Count = 64,
        max_width: Count = 512,
        conditioning: Callable[[Spec], Conditioning] = Conditioning,
    ) -> None:
        super().__init__()
        self.conditioning = conditioning(spec)
        self.conditions = self.conditioning.conditions
        channels, height, width_pixels = self.image_shape(spec, "model.generator")
        self.pyramid = Pyramid(height, width_pixels)
        widths = self.pyramid.widths(width, max_width)[::-1]
        num_inputs = latent_dim + self.conditioning.extra_dim
        layers: list[nn.Module] = [nn.ConvTranspose2d(num_inputs, widths[0], self.pyramid.base, bias=False)]
        for width_in, width_out in pairwise(widths):
            layers += [self.conditioning.norm(width_in), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(width_in, width_out, 4, stride=2, padding=1, bias=False)]
        layers += [self.conditioning.norm(widths[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), Tanh()]
        self.layers = Layers(*layers)
        self.latent_dim = latent_dim
        self.apply(_initialise)

    def latent_projection(self) -> LatentProjection:
        """The first transposed convolution, as a matrix."""
        weight = next(self.layers.parameters())[: self.latent_dim]
        return LatentProjection("z", weight.detach().flatten(1).T)

    def forward(self, latent: Latent, given: Given = NOTHING) -> Float[Tensor, "batch channels height width"]:
        """Return images in [-1, 1]."""
        told = self.conditioning(given)
        inputs = self.conditioning.input(latent["z"], told)
        return self.pyramid.crop(self.layers(inputs[:, :, None, None], told))


class DCGANDiscriminator(OfImages, Discriminator):
    """Strided convolutions that halve the image, LeakyReLU(0.2), BatchNorm except at the first, then the head.

    Args:
        spec: the data's; images of any size.
        width: channels of the first layer, doubled at each halving.
        max_width: the limit of that doubling.
        batch_norm: normalise; switch it off under a gradient penalty, which is defined per example.
        head: called as ``head(spec, num_features)``.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Count = 16,
        max_width: Count = 512,
        batch_norm: bool = True,
        head: Callable[..., Head] = Score,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = self.image_shape(spec, "model.discriminator")
        pyramid = Pyramid(height, width_pixels)
        layers: list[nn.Module] = []
        for level, width_out in enumerate(pyramid.widths(width, max_width)):
            normalise = batch_norm and level > 0
            layers.append(nn.Conv2d(channels, width_out, 4, stride=2, padding=1, bias=not normalise))
            layers += [nn.BatchNorm2d(width_out)] if normalise else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels = width_out
        height, width_pixels = height >> pyramid.doublings, width_pixels >> pyramid.doublings
        self.layers = nn.Sequential(*layers)
        self.head = head(spec, channels * height * width_pixels)
        self.apply(_initialise)

    def layers_from_input(self) -> Sequence[nn.Module]:
        """Each layer that halves the image."""
        return [layer for layer in self.layers if isinstance(layer, nn.Conv2d)]

    def features(self, content: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the last map, flattened with its channels last, as they lie in memory."""
        return self.layers(content).permute(0, 2, 3, 1).flatten(1)
