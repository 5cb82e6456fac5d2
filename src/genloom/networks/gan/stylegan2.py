"""StyleGAN2's generator and discriminator, for images of any size, in any width.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020, configuration F without its largest maps;
the conditional mapping is of Karras et al., Training Generative Adversarial Networks with Limited Data, 2020.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom import randomness
from genloom.batch import NOTHING, Given, Latent
from genloom.errors import ConfigError
from genloom.limits import Count, Positive, Share, Whole
from genloom.networks.base import Discriminator, Head, LatentProjection, OfImages, Pyramid, Truncating
from genloom.networks.embedders import Told
from genloom.networks.gan.stylegan2_layers import (
    ACTIVATION_GAIN,
    Blur,
    Downsample,
    EqualConv2d,
    EqualLinear,
    MinibatchDeviation,
    ModulatedConv2d,
    Upsample,
    activate,
    normalise,
)
from genloom.networks.heads import Score
from genloom.precision import exactly
from genloom.spec import Spec


class _StyledLayer(nn.Module):
    """A modulated convolution, noise with a learned strength, a bias, the leaky ReLU."""

    def __init__(self, width_in: Count, width_out: int, w_dim: Count, *, up: bool = False) -> None:
        super().__init__()
        self.style = EqualLinear(w_dim, width_in, bias=1.0)
        self.conv = ModulatedConv2d(width_in, width_out, up=up)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(width_out))

    def forward(
        self,
        x: Float[Tensor, "batch in h w"],
        w: Float[Tensor, "batch w_dim"],
        noise: Float[Tensor, "batch 1 height width"],
    ) -> Float[Tensor, "batch out height width"]:
        with exactly(w):
            style = self.style(w)
        x = self.conv.convolve(x, style)
        factor = (ACTIVATION_GAIN * self.conv.demodulation(style)).to(x.dtype)[:, :, None, None]
        noise = (ACTIVATION_GAIN * self.noise_strength * noise).to(x.dtype)
        bias = (ACTIVATION_GAIN * self.bias).to(x.dtype)[:, None, None]
        return activate(torch.addcmul(noise, x, factor).add_(bias))


class _ToImage(nn.Module):
    """A modulated 1x1 convolution without demodulation: a matrix per example."""

    def __init__(self, width: Count, channels: Count, w_dim: Count) -> None:
        super().__init__()
        self.style = EqualLinear(w_dim, width, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, width))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.gain = 1 / sqrt(width)

    def forward(
        self, x: Float[Tensor, "batch width height width_pixels"], w: Float[Tensor, "batch w_dim"]
    ) -> Float[Tensor, "batch channels height width_pixels"]:
        with exactly(w):
            matrix = self.style(w)[:, None] * (self.weight * self.gain)
        pixels = torch.matmul(x.flatten(2).mT, matrix.to(x.dtype).mT)  # channels last, as x is
        return pixels.mT.unflatten(2, x.shape[2:]).to(w.dtype) + self.bias[:, None, None]


class _Resolution(nn.Module):
    """The layers of one map size, the first of which doubles it, and what they add to the image."""

    def __init__(self, width_in: Count, width_out: int, channels: Count, w_dim: Count, *, first: bool) -> None:
        super().__init__()
        layers = [] if first else [_StyledLayer(width_in, width_out, w_dim, up=True)]
        self.layers = nn.ModuleList([*layers, _StyledLayer(width_out, width_out, w_dim)])
        self.to_image = _ToImage(width_out, channels, w_dim)
        self.upsample = None if first else Upsample(channels)

    def forward(
        self,
        x: Float[Tensor, "batch in h w"],
        image: Float[Tensor, "batch channels h w"] | None,
        w: Float[Tensor, "batch styles w_dim"],
        noise: Float[Tensor, "batch layers height width"],
    ) -> tuple[Float[Tensor, "batch out height width"], Float[Tensor, "batch channels height width"]]:
        for number, layer in enumerate(self.layers):
            x = layer(x, w[:, number], noise[:, number : number + 1])
        added = self.to_image(x, w[:, len(self.layers)])
        if self.upsample is not None and image is not None:
            added = added + self.upsample(image)
        return x, added


class StyleGAN2Generator(OfImages, Truncating):
    """Maps z to styles w, which modulate the convolutions that grow a learned constant into an image.

    At each map size the layers add to the image, which is upsampled from size to size (the "skip" generator); it is not
    clamped. An embedded latent holds ``w``, a style per layer, with shape (batch, num_styles, w_dim), and the noise of
    the layers of each map size, ``noise_HxW``, with shape (batch, layers, H, W). Beside them stays what was drawn.

    Notation: d doublings from the smallest map. There are 2d + 1 convolutions and 2d + 2 styles; the layer that adds to
    the image shares its style with the convolution that follows.

    Args:
        spec: the data's; images of any size.
        latent_dim: length of z.
        width: channels at the finest map, doubled at each coarser one.
        max_width: the limit of that doubling.
        w_dim: length of w.
        mapping_layers: from z to w.
        mapping_lr_multiplier: of these layers, relative to the optimizer's rate.
        mixing_probability: of an example in training to take the styles of its finer layers from a second z, from a
            random layer on. Karras et al., A Style-Based Generator Architecture for GANs, 2019, section 3.1.
        w_mean_half_life_examples: after so many examples an old w counts half in the mean that truncation leads to.
        conditional: tell the mapping the class, by a learned vector beside z.
    """

    w_mean: Tensor
    w_examples: Tensor

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        *,
        width: Count = 16,
        max_width: Count = 512,
        w_dim: Count = 128,
        mapping_layers: Whole = 2,
        mapping_lr_multiplier: Positive = 0.01,
        mixing_probability: Share = 0.9,
        w_mean_half_life_examples: Positive = 10_000,
        conditional: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (
            ("width", width),
            ("max_width", max_width),
            ("w_dim", w_dim),
            ("mapping_layers", mapping_layers),
            ("w_mean_half_life_examples", w_mean_half_life_examples),
        ):
            _limit(f"model.generator.{name}", value, 1)
        if not 0 <= mixing_probability <= 1:
            raise ConfigError(f"model.generator.mixing_probability: {mixing_probability} is not within 0 and 1")
        if mapping_lr_multiplier <= 0:
            raise ConfigError(
                f"model.generator.mapping_lr_multiplier: {mapping_lr_multiplier} is not above 0; "
                "1 leaves the rate as it is"
            )
        channels, height, width_pixels = self.image_shape(spec, "model.generator")
        self.pyramid = Pyramid(height, width_pixels)
        sizes, widths = _maps(self.pyramid, width, max_width)
        self.mixing_probability = mixing_probability
        self.w_mean_half_life_examples = w_mean_half_life_examples
        self.num_styles = 2 * len(sizes)
        self.told = Told(spec, "conditional: true", dim=w_dim) if conditional else None
        self.conditions = self.told.names if self.told is not None else ()
        inputs = [latent_dim + w_dim * len(self.conditions)] + [w_dim] * (mapping_layers - 1)
        self.mapping = nn.ModuleList(
            EqualLinear(num, w_dim, gain=ACTIVATION_GAIN, lr_multiplier=mapping_lr_multiplier) for num in inputs
        )
        self.constant = nn.Parameter(torch.randn(1, widths[0], *sizes[0]))
        self.resolutions = nn.ModuleList(
            _Resolution(a, b, channels, w_dim, first=not number)
            for number, (a, b) in enumerate(pairwise([widths[0], *widths]))
        )
        self.noise_names = [f"noise_{height}x{width_pixels}" for height, width_pixels in sizes]
        for number, (name, size) in enumerate(zip(self.noise_names, sizes, strict=True)):
            rng = randomness.generator("StyleGAN2Generator", name)
            self.register_buffer(name, torch.randn(1, 2 if number else 1, *size, generator=rng))
        self.latent_names = frozenset({"w", *self.noise_names})
        self.register_buffer("w_mean", torch.zeros(w_dim))
        self.register_buffer("w_examples", torch.zeros((), dtype=torch.int64))  # that w_mean has seen

    # From z to what the synthesis sees

    def embed(self, latent: Latent, given: Given, rng: torch.Generator | None) -> Latent:
        """Map z to styles, mixed if there is ``rng``; add what noise is missing, always the same without ``rng``."""
        embedded = dict(latent)
        if "w" not in latent:
            embedded["w"] = self._styles(latent["z"].to(self.w_mean.dtype), given, rng)
        for name in self.noise_names:
            if name not in embedded:
                embedded[name] = self._noise(name, len(embedded["w"]), rng)
        return embedded

    def _styles(
        self, z: Float[Tensor, "batch latent_dim"], given: Given, rng: torch.Generator | None
    ) -> Float[Tensor, "batch styles w_dim"]:
        w = self._map(z, given)
        if self.training and rng is not None:
            self._update_mean(w.detach())
        styles = w.unsqueeze(1).repeat(1, self.num_styles, 1)
        if rng is None or self.mixing_probability == 0:
            return styles
        second = torch.randn(z.shape, generator=rng, device=rng.device, dtype=z.dtype).to(z.device)
        crossover = torch.randint(1, self.num_styles, (len(z), 1), generator=rng, device=rng.device)
        mixed = torch.rand(len(z), 1, generator=rng, device=rng.device) < self.mixing_probability
        other = (mixed & (torch.arange(self.num_styles, device=rng.device) >= crossover)).to(z.device)
        return torch.where(other.unsqueeze(2), self._map(second, given).unsqueeze(1), styles)

    def _map(self, z: Float[Tensor, "batch latent_dim"], given: Given) -> Float[Tensor, "batch w_dim"]:
        with exactly(z):
            x = normalise(z)
            if self.told is not None:
                x = torch.cat([x, *(normalise(vector) for vector in self.told.vectors(given))], dim=1)
            for layer in self.mapping:
                x = activate(layer(x))
        return x

    @torch.no_grad()
    def _update_mean(self, w: Float[Tensor, "batch w_dim"]) -> None:
        """Average all examples as long as they are few, then with the half-life."""
        self.w_examples += len(w)
        weight = (len(w) / self.w_examples).clamp_min(1 - 0.5 ** (len(w) / self.w_mean_half_life_examples))
        self.w_mean.lerp_(w.mean(0), weight.to(w.dtype))

    def _noise(self, name: str, batch: int, rng: torch.Generator | None) -> Float[Tensor, "batch layers height width"]:
        fixed = self.get_buffer(name)
        if rng is None:
            return fixed.expand(batch, -1, -1, -1)
        shape = batch, *fixed.shape[1:]
        return torch.randn(shape, generator=rng, device=rng.device, dtype=fixed.dtype).to(fixed.device)

    # Use

    def truncate(self, latent: Latent, psi: float) -> Latent:
        """Return w̄ + ψ (w − w̄) for w, of every layer; Karras et al., A Style-Based Generator, 2019, appendix B."""
        w = latent["w"]
        return {**latent, "w": torch.lerp(self.w_mean.expand_as(w), w, psi)}

    def latent_projection(self) -> LatentProjection:
        """The maps from w to the scales of all layers, one below the other; Shen and Zhou, SeFa, 2021, section 3."""
        styles = [module for name, module in self.named_modules() if name.endswith(".style")]
        matrices = [style.matrix.detach() for style in styles if isinstance(style, EqualLinear)]
        return LatentProjection("w", torch.cat(matrices))

    def forward(self, latent: Latent, given: Given = NOTHING) -> Float[Tensor, "batch channels height width"]:
        """Return images, unbounded but meant for [-1, 1], for an embedded latent; the class is in ``w`` already."""
        w = latent["w"]
        x, image = self.constant.expand(len(w), -1, -1, -1), None
        start = 0
        for name, resolution in zip(self.noise_names, self.resolutions, strict=True):
            x, image = resolution(x, image, w[:, start:], latent[name])
            start += latent[name].shape[1]
        assert image is not None
        return self.pyramid.crop(image)


class _Halving(nn.Module):
    """Two convolutions, the second of which halves the map, beside a halved map; the sum keeps the variance."""

    def __init__(self, width_in: Count, width_out: int) -> None:
        super().__init__()
        self.first = EqualConv2d(width_in, width_in, padding=1, gain=ACTIVATION_GAIN)
        self.blur = Blur(width_in, padding=2)
        self.second = EqualConv2d(width_in, width_out, stride=2)  # of gain √2, and the sum divided by √2
        self.downsample = Downsample(width_in)
        self.skip = EqualConv2d(width_in, width_out, 1, bias=False, gain=1 / sqrt(2))

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out h w"]:
        h = self.second(self.blur(activate(self.first(x))))
        return activate(h) + self.skip(self.downsample(x))


class StyleGAN2Discriminator(OfImages, Discriminator):
    """Residual blocks that halve the image to the pyramid's base, the minibatch's deviation, a dense layer, the head.

    Images that are no base times a power of two get a border of mid-grey. The head's own learning rate is the
    optimizer's, not equalised.

    Args:
        spec: the data's; images of any size.
        width: channels at the finest map, doubled at each coarser one.
        max_width: the limit of that doubling.
        mbstd_group: examples whose deviation is shown to the last layers, see
            :class:`~genloom.networks.gan.stylegan2_layers.MinibatchDeviation`; 1 leaves it out, and a score then
            depends on its own example only.
        head: called as ``head(spec, num_features)``.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        width: Count = 16,
        max_width: Count = 512,
        mbstd_group: Count = 4,
        head: Callable[..., Head] = Score,
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("max_width", max_width), ("mbstd_group", mbstd_group)):
            _limit(f"model.discriminator.{name}", value, 1)
        channels, height, width_pixels = self.image_shape(spec, "model.discriminator")
        sizes, widths = _maps(Pyramid(height, width_pixels), width, max_width)
        (height, width_pixels), last = sizes[0], widths[0]
        self.full_size = sizes[-1]
        self.from_image = EqualLinear(channels, widths[-1], gain=ACTIVATION_GAIN)  # of each pixel
        self.blocks = nn.Sequential(*(_Halving(a, b) for a, b in pairwise(widths[::-1])))
        self.conv = EqualConv2d(last, last, padding=1, gain=ACTIVATION_GAIN)
        self.deviation = None
        if mbstd_group > 1:  # one more channel of the last convolution; apart, because an odd number of them is slow
            gain = ACTIVATION_GAIN / sqrt(last)
            conv = EqualConv2d(1, last, padding=1, bias=False, gain=gain)
            self.deviation = nn.Sequential(MinibatchDeviation(mbstd_group), conv)
        self.dense = EqualLinear(last * height * width_pixels, last, gain=ACTIVATION_GAIN)
        self.head = head(spec, last)

    def layers_from_input(self) -> Sequence[nn.Module]:
        """The layer that takes the image, each block, the last convolution, the dense layer."""
        last = self.conv if self.deviation is None else nn.ModuleList([self.conv, self.deviation])
        return [self.from_image, *self.blocks, last, self.dense]

    def features(self, content: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the dense layer."""
        rows, columns = (full - side for full, side in zip(self.full_size, content.shape[-2:], strict=True))
        if rows or columns:
            content = F.pad(content, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        pixels = content.movedim(1, 3)
        h = self.blocks(activate(self.from_image(pixels)).movedim(3, 1))
        last = self.conv(h)
        if self.deviation is not None:
            last = last + self.deviation(h)
        return activate(self.dense(activate(last).flatten(1)))


def _maps(pyramid: Pyramid, width: int, max_width: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Return sizes and widths of the maps, the coarsest first."""
    levels = range(pyramid.doublings + 1)
    sizes = [(pyramid.base[0] * 2**level, pyramid.base[1] * 2**level) for level in levels]
    return sizes, [min(width * 2**level, max_width) for level in reversed(levels)]


def _limit(key: str, value: float, low: float) -> None:
    if value < low:
        raise ConfigError(f"{key}: {value} is below the limit of {low}")
