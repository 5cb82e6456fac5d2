"""A residual discriminator without batch statistics, for objectives with a gradient penalty."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.limits import Count
from genloom.networks.base import Discriminator, Head, OfImages, Pyramid
from genloom.networks.heads import Score
from genloom.spec import Spec


class Halving(nn.Module):
    """Two convolutions that halve the map, beside a 1x1 convolution; the sum keeps the variance.

    Pooling comes before the second convolution, which is four times cheaper than after it.
    """

    def __init__(self, width_in: Count, width_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width_in, width_in, 3, padding=1)
        self.second = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.skip = nn.Conv2d(width_in, width_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of half the height and width, rounded up."""
        h = F.avg_pool2d(F.leaky_relu(self.first(x), 0.2), 2, ceil_mode=True)
        h = F.leaky_relu(self.second(h), 0.2)
        return (h + self.skip(F.avg_pool2d(x, 2, ceil_mode=True))) / sqrt(2)


class ResidualDiscriminator(OfImages, Discriminator):
    """A strided convolution, residual blocks that halve the map down to the pyramid's base, a hidden layer, the head.

    After the discriminator of Karras et al., StyleGAN2, 2020, made small: the first halving is a strided convolution.

    Args:
        spec: the data's; images of any size.
        width: channels of the first map, doubled at each halving.
        max_width: the limit of that doubling.
        hidden: units of the hidden layer.
        head: called as ``head(spec, num_features)``.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Count = 32,
        max_width: Count = 512,
        hidden: Count = 128,
        head: Callable[..., Head] = Score,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = self.image_shape(spec, "model.discriminator")
        pyramid = Pyramid(height, width_pixels)
        widths = pyramid.widths(width, max_width)
        self.stem = nn.Conv2d(channels, widths[0], 4, stride=2, padding=1)
        self.blocks = nn.Sequential(*(Halving(a, b) for a, b in pairwise(widths)))
        height, width_pixels = height // 2, width_pixels // 2  # the stem drops an odd row, the blocks keep it
        for _ in self.blocks:
            height, width_pixels = -(-height // 2), -(-width_pixels // 2)
        self.hidden = nn.Linear(widths[-1] * height * width_pixels, hidden)
        self.head = head(spec, hidden)

    def layers_from_input(self) -> Sequence[nn.Module]:
        """The strided convolution, then each block."""
        return [self.stem, *self.blocks]

    def features(self, content: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the hidden layer."""
        h = self.blocks(F.leaky_relu(self.stem(content), 0.2))
        return F.leaky_relu(self.hidden(h.flatten(1)), 0.2)
