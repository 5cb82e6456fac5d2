"""A denoiser of pictures: the U-Net."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.diffusion.process import Level
from genloom.errors import ConfigError
from genloom.limits import Count, Counts, PartialShare
from genloom.networks.base import OfImages
from genloom.networks.denoiser.base import DenoiserNetwork, Embedding, zeroed
from genloom.networks.embedders import MakeEmbedder
from genloom.spec import Spec


class Residual(nn.Module):
    """norm, SiLU, 3x3 convolution, norm with scale and shift of the embedding, SiLU, 3x3 convolution; beside x.

    Dhariwal and Nichol, Diffusion Models Beat GANs on Image Synthesis (ADM), 2021, https://arxiv.org/abs/2105.05233.
    The last convolution is zero at first.

    Args:
        width_in: channels that come in.
        width: channels that go out.
        embedding: length of its vector.
        dropout: share of values that training leaves out.
    """

    def __init__(self, width_in: Count, width: Count, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = _norm(width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * width)
        self.norm2 = _norm(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zeroed(nn.Conv2d(width, width, 3, padding=1))
        self.skip = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()

    def forward(self, x: Float[Tensor, "batch width_in h w"], embedding: Tensor) -> Float[Tensor, "batch width h w"]:
        """Return the sum."""
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(self.dropout(F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale))))
        return self.skip(x) + h


class Attention(nn.Module):
    """x + attention of every position to all; the last map is zero at first.

    Args:
        width: channels of the map.
        head: channels of a head, at most.
    """

    def __init__(self, width: Count, head: Count = 64) -> None:
        super().__init__()
        self.heads = max(1, width // head)
        self.norm = _norm(width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = zeroed(nn.Conv2d(width, width, 1))

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        """Return the sum."""
        batch, width, height, side = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, 3, self.heads, width // self.heads, height * side)
        q, k, v = qkv.transpose(-1, -2).unbind(1)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2)
        return x + self.out(attended.reshape(batch, width, height, side))


class UNet(OfImages, DenoiserNetwork):
    """Residual blocks down to a small map and up again, with the maps of the way down beside those of the way up.

    Ronneberger et al., U-Net, 2015, https://arxiv.org/abs/1505.04597, in the form of Dhariwal and Nichol, 2021,
    https://arxiv.org/abs/2105.05233. Patches of pixels are the channels of the first map, so that larger pictures cost
    no more where they need no more: Hoogeboom et al., Simple Diffusion, 2023, https://arxiv.org/abs/2301.11093.
    Pictures of any size are padded to whole patches and halvings.

    Args:
        spec: the data's; images of any size.
        width: channels of the first map.
        multipliers: channels at each resolution, finest first, as multiples of ``width``; from one to the next the map
            is halved.
        blocks: residual blocks at each resolution on the way down; one more on the way up.
        attention: resolutions that have it after each block, counted from 0, the finest; the last one is in the middle
            too.
        patch: side of the patches of pixels.
        dropout: share of values that training leaves out.
        conditions: names of those that are told; None is all that the data has.
        embedders: by a condition's name, what makes a vector of it.
        jumps: see :class:`~genloom.networks.denoiser.base.DenoiserNetwork`.

    Raises:
        ConfigError: the data holds no images, or there is no such resolution.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Count = 64,
        multipliers: Counts = (1, 2, 2),
        blocks: Count = 2,
        attention: Sequence[int] = (2,),
        patch: Count = 1,
        dropout: PartialShare = 0.0,
        conditions: Sequence[str] | None = None,
        embedders: Mapping[str, MakeEmbedder] | None = None,
        jumps: bool = False,
    ) -> None:
        super().__init__()
        channels, _, _ = self.image_shape(spec, "model.network")
        if unknown := [level for level in attention if not 0 <= level < len(multipliers)]:
            raise ConfigError(
                f"model.network.attention: {unknown[0]} is not within 0 and {len(multipliers) - 1}, the resolutions of "
                f"model.network.multipliers={list(multipliers)}"
            )
        self.patch = patch
        self.multiple = patch * 2 ** (len(multipliers) - 1)
        self.embedding = Embedding(spec, 4 * width, names=conditions, embedders=embedders, jumps=jumps)
        self.conditions, self.jumps = self.embedding.told.names, jumps

        def residual(width_in: int, width_out: int) -> Residual:
            return Residual(width_in, width_out, 4 * width, dropout)

        def attending(level: int, width: int) -> nn.Module:
            return Attention(width) if level in attention else nn.Identity()

        widths = [width * multiplier for multiplier in multipliers]
        self.first = nn.Conv2d(channels * patch**2, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        beside, now = [width], width
        for level, own in enumerate(widths):
            if level:
                self.down.append(nn.ModuleList([nn.Conv2d(now, own, 3, stride=2, padding=1), nn.Identity()]))
                beside.append(own)
                now = own
            for _ in range(blocks):
                self.down.append(nn.ModuleList([residual(now, own), attending(level, own)]))
                beside.append(own)
                now = own
        last = len(widths) - 1
        self.middle = nn.ModuleList([residual(now, now), attending(last, now), residual(now, now)])
        for level, own in reversed(list(enumerate(widths))):
            for block in range(blocks + 1):
                grows = block == 0 and level < last
                resize = nn.Conv2d(now, own, 3, padding=1) if grows else nn.Identity()
                now = own if grows else now
                self.up.append(nn.ModuleList([resize, residual(now + beside.pop(), own), attending(level, own)]))
                now = own
        self.last = nn.Sequential(_norm(now), nn.SiLU(), nn.Conv2d(now, channels * patch**2, 3, padding=1))

    def forward(
        self,
        noised: Float[Tensor, "batch channels height width"],
        level: Level,
        given: Given = NOTHING,
        until: Level | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """Return what is asked for."""
        embedding = self.embedding(level, given, until)
        height, width = noised.shape[-2:]
        padded = F.pad(noised, (0, -width % self.multiple, 0, -height % self.multiple))
        x = self.first(F.pixel_unshuffle(padded, self.patch) if self.patch > 1 else padded)
        beside = [x]
        for layer, attend in self.down:  # pyright: ignore[reportGeneralTypeIssues]
            x = attend(layer(x, embedding) if isinstance(layer, Residual) else layer(x))
            beside.append(x)
        before, attend, after = self.middle
        x = after(attend(before(x, embedding)), embedding)
        for resize, block, attend in self.up:  # pyright: ignore[reportGeneralTypeIssues]
            if isinstance(resize, nn.Conv2d):
                x = resize(F.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = attend(block(torch.cat([x, beside.pop()], dim=1), embedding))
        said = self.last(x)
        said = F.pixel_shuffle(said, self.patch) if self.patch > 1 else said
        return said[..., :height, :width]


def _norm(width: int) -> nn.GroupNorm:
    """Return a normalisation of groups of at least four channels, at most 32 groups."""
    fitting = [groups for groups in (32, 16, 8, 4, 2) if width % groups == 0 and width // groups >= 4]
    return nn.GroupNorm(max(fitting, default=1), width)
