"""Residual generator and discriminator of the spectral-normalisation GAN, with self-attention as an option.

Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018, table 4; with attention: Zhang et al.,
Self-Attention Generative Adversarial Networks, 2019. The papers normalise spectrally: set model.spectral_norm.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given, Latent
from genloom.errors import ConfigError
from genloom.limits import Count, Whole
from genloom.networks.base import Discriminator, Generator, Head, LatentProjection, OfImages, Pyramid, Tanh
from genloom.networks.conditioning import ConditionedModule, Conditioning, Layers, Vector
from genloom.networks.gan.attention import SelfAttention
from genloom.networks.heads import Score
from genloom.spec import Spec


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class _Up(ConditionedModule):
    """norm, ReLU, double, 3x3, norm, ReLU, 3x3; beside it double, 1x1."""

    def __init__(self, width_in: Count, width_out: int, conditioning: Conditioning) -> None:
        super().__init__()
        self.main = Layers(
            conditioning.norm(width_in),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width_in, width_out, 3, padding=1),
            conditioning.norm(width_out),
            nn.ReLU(),
            nn.Conv2d(width_out, width_out, 3, padding=1),
        )
        self.skip = nn.Conv2d(width_in, width_out, 1)

    def forward(self, x: Tensor, told: Vector) -> Tensor:
        return self.main(x, told) + F.interpolate(self.skip(x), scale_factor=2.0)


class ResNetGenerator(OfImages, Generator):
    """A projection to a small map, residual blocks that double it, tanh last.

    Args:
        spec: the data's; images of any size.
        latent_dim: length of z.
        width: channels at the finest resolution, doubled at each coarser one.
        max_width: the limit of that doubling; equal to ``width``, the paper's constant width.
        attention_size: pixels of the map that self-attention looks at (its shorter side); None for none.
        conditioning: called as ``conditioning(spec)``; how the generator is told its conditions.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        *,
        width: Count = 64,
        max_width: Count = 64,
        attention_size: Count | None = None,
        conditioning: Callable[[Spec], Conditioning] = Conditioning,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = self.image_shape(spec, "model.generator")
        self.conditioning = conditioning(spec)
        self.conditions = self.conditioning.conditions
        self.latent_dim = latent_dim
        self.pyramid = Pyramid(height, width_pixels)
        widths = [*self.pyramid.widths(width, max_width)[::-1], width]
        base = self.pyramid.base
        self.project = nn.Linear(latent_dim + self.conditioning.extra_dim, widths[0] * base[0] * base[1])
        self.start = (widths[0], *base)
        blocks: list[nn.Module] = []
        size = min(base)
        sizes = [size]
        for width_in, width_out in pairwise(widths):
            blocks.append(_Up(width_in, width_out, self.conditioning))
            size *= 2
            sizes.append(size)
            if size == attention_size:
                blocks.append(SelfAttention(width_out))
        _check_attention("generator", attention_size, sizes[1:])
        self.blocks = Layers(*blocks)
        self.last = Layers(
            self.conditioning.norm(widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], channels, 3, padding=1), Tanh()
        )
        self.apply(_initialise)

    def latent_projection(self) -> LatentProjection:
        """The first linear layer's weight."""
        return LatentProjection("z", self.project.weight.detach()[:, : self.latent_dim])

    def forward(self, latent: Latent, given: Given = NOTHING) -> Float[Tensor, "batch channels height width"]:
        """Return images in [-1, 1]."""
        told = self.conditioning(given)
        h = self.project(self.conditioning.input(latent["z"], told)).unflatten(1, self.start)
        return self.pyramid.crop(self.last(self.blocks(h, told), told))


class _Down(nn.Module):
    """(ReLU,) 3x3, ReLU, 3x3, halve; beside it 1x1, halve. The first block of a network has no ReLU in front."""

    def __init__(self, width_in: Count, width_out: int, *, is_first: bool = False, halve: bool = True) -> None:
        super().__init__()
        self.is_first = is_first
        self.halve = halve
        self.first = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.second = nn.Conv2d(width_out, width_out, 3, padding=1)
        self.skip = nn.Conv2d(width_in, width_out, 1) if halve or width_in != width_out else nn.Identity()

    def _reduce(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2, ceil_mode=True) if self.halve else x

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x if self.is_first else F.relu(x))
        h = self._reduce(self.second(F.relu(h)))
        # pooling and a 1x1 convolution commute: pooling first is four times cheaper
        return h + self.skip(self._reduce(x))


class ResNetDiscriminator(OfImages, Discriminator):
    """Residual blocks that halve the map twice, more without halving, a sum over the map, the head.

    Args:
        spec: the data's; images of any size.
        width: channels throughout.
        halvings: blocks that halve the map.
        further_blocks: blocks after them.
        attention_size: pixels of the map that self-attention looks at (its shorter side); None for none.
        head: called as ``head(spec, num_features)``.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Count = 64,
        halvings: Whole = 3,
        further_blocks: Whole = 1,
        attention_size: Count | None = None,
        head: Callable[..., Head] = Score,
    ) -> None:
        super().__init__()
        channels, height, width_pixels = self.image_shape(spec, "model.discriminator")
        blocks: list[nn.Module] = []
        size = min(height, width_pixels)
        sizes: list[int] = []
        for level in range(halvings):
            blocks.append(_Down(width if level else channels, width, is_first=level == 0))
            size = -(-size // 2)
            sizes.append(size)
            if size == attention_size:
                blocks.append(SelfAttention(width))
        _check_attention("discriminator", attention_size, sizes)
        self.blocks = nn.Sequential(*blocks, *(_Down(width, width, halve=False) for _ in range(further_blocks)))
        self.head = head(spec, width)
        self.apply(_initialise)

    def layers_from_input(self) -> Sequence[nn.Module]:
        """Each block."""
        return list(self.blocks)

    def features(self, content: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the sum over the last map."""
        return F.relu(self.blocks(content)).sum((2, 3))


def _check_attention(player: str, attention_size: int | None, sizes: Sequence[int]) -> None:
    if attention_size is not None and attention_size not in sizes:
        raise ConfigError(
            f"model.{player}.attention_size: {attention_size} is no map of this network; with this data.size they are "
            f"{', '.join(map(str, sizes))} pixels"
        )
