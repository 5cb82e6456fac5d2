"""Convolutional encoders and decoders of autoencoders: one block per halving and doubling, plain or residual."""

from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.limits import Count
from genloom.networks.base import Decoder, Encoder, OfImages, Pyramid
from genloom.spec import Spec

Block = Callable[[int, int], nn.Module]  # called with the channels before and after


class StridedHalving(nn.Sequential):
    """A strided convolution, BatchNorm and ReLU."""

    def __init__(self, width_in: Count, width_out: int) -> None:
        convolution = nn.Conv2d(width_in, width_out, 3, stride=2, padding=1, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(width_out), nn.ReLU(inplace=True))


class StridedDoubling(nn.Sequential):
    """A transposed convolution, BatchNorm and ReLU."""

    def __init__(self, width_in: Count, width_out: int) -> None:
        convolution = nn.ConvTranspose2d(width_in, width_out, 4, stride=2, padding=1, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(width_out), nn.ReLU(inplace=True))


class ResidualDoubling(nn.Module):
    """Two convolutions after doubling the map, beside a 1x1 convolution; the sum keeps the variance.

    The first convolution comes before the doubling, which is four times cheaper than after it.
    """

    def __init__(self, width_in: Count, width_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.second = nn.Conv2d(width_out, width_out, 3, padding=1)
        self.skip = nn.Conv2d(width_in, width_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of twice the height and width."""
        h = F.interpolate(F.leaky_relu(self.first(x), 0.2), scale_factor=2)
        h = F.leaky_relu(self.second(h), 0.2)
        return (h + F.interpolate(self.skip(x), scale_factor=2)) / sqrt(2)


class ConvolutionalEncoder(OfImages, Encoder):
    """A convolution, blocks that halve the map down to the pyramid's base, a hidden layer with ReLU.

    Args:
        spec: the data's; images of any size.
        block: called as ``block(width_in, width_out)``: :class:`StridedHalving` or
            :class:`~genloom.networks.autoencoder.residual.Halving`.
        width: channels of the first map, doubled at each halving.
        max_width: the limit of that doubling.
        hidden: units of the hidden layer.
        full_resolution: have a map of the image's size; else the first convolution makes the first halving, which
            leaves out most of the work.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        block: Block = StridedHalving,
        width: Count = 32,
        max_width: Count = 256,
        hidden: Count = 256,
        full_resolution: bool = True,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = self.image_shape(spec, "model.encoder")
        pyramid = Pyramid(height, width_pixels)
        widths = pyramid.widths(width, max_width)
        self.stem = nn.Conv2d(channels, widths[0], 3, stride=1 if full_resolution else 2, padding=1)
        maps = [widths[0], *widths] if full_resolution else widths
        self.blocks = nn.Sequential(*(block(a, b) for a, b in pairwise(maps)))
        for _ in range(len(widths)):
            height, width_pixels = -(-height // 2), -(-width_pixels // 2)
        self.hidden = nn.Linear(widths[-1] * height * width_pixels, hidden)
        self.num_features = hidden

    def forward(self, content: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the hidden layer."""
        h = self.blocks(F.leaky_relu(self.stem(content), 0.2))
        return F.relu(self.hidden(h.permute(0, 2, 3, 1).flatten(1)))  # channels last, as they lie in memory


class ConvolutionalDecoder(OfImages, Decoder):
    """A hidden layer, a small map, blocks that double it, a convolution.

    Args:
        spec: the data's; images of any size.
        latent_dim: length of the input.
        outputs: numbers per value of content.
        block: called as ``block(width_in, width_out)``: :class:`StridedDoubling` or :class:`ResidualDoubling`.
        width: channels of the last map, doubled at each coarser resolution.
        max_width: the limit of that doubling.
        hidden: units of the hidden layer.
        full_resolution: have a map of the image's size; else the last convolution makes the last doubling, which
            leaves out most of the work.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        outputs: int,
        *,
        block: Block = StridedDoubling,
        width: Count = 32,
        max_width: Count = 256,
        hidden: Count = 256,
        full_resolution: bool = True,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = self.image_shape(spec, "model.decoder")
        self.pyramid = Pyramid(height, width_pixels)
        self.shape = (outputs, channels)
        widths = self.pyramid.widths(width, max_width)[::-1]
        base_height, base_width = self.pyramid.base
        self.map_shape = (widths[0], base_height, base_width)
        self.hidden = nn.Linear(latent_dim, hidden)
        self.project = nn.Linear(hidden, widths[0] * base_height * base_width)
        maps = [*widths, widths[-1]] if full_resolution else widths
        self.blocks = nn.Sequential(*(block(a, b) for a, b in pairwise(maps)))
        if full_resolution:
            self.last = nn.Conv2d(widths[-1], outputs * channels, 3, padding=1)
        else:
            self.last = nn.ConvTranspose2d(widths[-1], outputs * channels, 4, stride=2, padding=1)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch outputs channels height width"]:
        """Return the parameters of the likelihood."""
        h = F.relu(self.project(F.relu(self.hidden(z)))).unflatten(1, self.map_shape)
        return self.pyramid.crop(self.last(self.blocks(h))).unflatten(1, self.shape)
