"""What the discriminator sees, changed: random transformations in front of any discriminator of images.

They are applied to real and generated images alike and are differentiable as often as wanted, so that a generator
learns through them and a gradient penalty can be taken through them. All randomness comes from the caller's generator.
"""

from math import inf
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.contents.base import Content
from genloom.contents.image import ImageContent
from genloom.errors import ConfigError
from genloom.limits import NonNegative
from genloom.precision import exact
from genloom.spec import Spec


class Augmentation(nn.Module):
    """Changes what the discriminator sees, real and generated alike, differentiably.

    Args:
        spec: the data's; images.

    Raises:
        ConfigError: they are none.
    """

    kind: ClassVar[type[Content]] = ImageContent
    instead: ClassVar[str] = "set model.augmentation=null"

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        spec.check(self, "model.augmentation")

    def forward(
        self, content: Float[Tensor, "batch channels height width"], rng: torch.Generator
    ) -> Float[Tensor, "batch channels height width"]:
        """Return changed images; ``content`` itself stays as it is.

        Args:
            content: images, mid-grey at zero.
            rng: where every random number comes from; on the device of ``content``.
        """
        raise NotImplementedError

    def observe(self, mean_sign: float | Tensor, examples: int) -> dict[str, Tensor]:
        """Learn of a discriminator update; return what to log. The default does nothing.

        Args:
            mean_sign: E[sign(D(x))] of the real examples of this update, over all ranks.
            examples: how many those are, over all ranks.
        """
        return {}

    @staticmethod
    def limit(name: str, value: float, low: float, high: float = inf) -> None:
        """Refuse an argument outside [low, high]."""
        if value < low:
            raise ConfigError(f"model.augmentation.{name}: {value} is below the limit of {low}")
        if value > high:
            raise ConfigError(f"model.augmentation.{name}: {value} is above the limit of {high}")


class DiffAugment(Augmentation):
    """Differentiable augmentation: every image gets every transformation, each of a strength drawn per image.

    x + U(−b, b); then saturation, the distance from the pixel's grey scaled by 1 + U(−s, s); then contrast, the
    distance from the image's mean scaled by 1 + U(−c, c); then a shift by whole pixels; then a square set to zero.

    Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training, 2020. The defaults are the paper's
    "colour, translation, cutout"; a strength of zero switches a transformation off. Grey images have no saturation.

    Args:
        spec: the data's; images.
        brightness: b, the largest shift of the values.
        saturation: s.
        contrast: c.
        translation: the largest shift, as a share of height and width; what comes in is zero, mid-grey.
        cutout: side of the square, as a share of height and width; its centre is anywhere, so the border may cut it.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        brightness: NonNegative = 0.5,
        saturation: NonNegative = 1.0,
        contrast: NonNegative = 0.5,
        translation: NonNegative = 0.125,
        cutout: NonNegative = 0.5,
    ) -> None:
        super().__init__(spec)
        self.limit("brightness", brightness, 0, 2)
        for name, value in (
            ("saturation", saturation),
            ("contrast", contrast),
            ("translation", translation),
            ("cutout", cutout),
        ):
            self.limit(name, value, 0, 1)
        self.brightness = brightness
        self.saturation = saturation
        self.contrast = contrast
        self.translation = translation
        self.cutout = cutout

    def forward(
        self, content: Float[Tensor, "batch channels height width"], rng: torch.Generator
    ) -> Float[Tensor, "batch channels height width"]:
        """Return images with changed colours, shifted, a square missing."""
        x = self._recolour(exact(content), rng)
        if self.translation:
            x = self._shift(x, rng)
        if self.cutout:
            x = self._cut(x, rng)
        return x.to(content.dtype)

    def _recolour(self, x: Tensor, rng: torch.Generator) -> Tensor:
        def symmetric(strength: float) -> Tensor:
            return (torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device, dtype=x.dtype) * 2 - 1) * strength

        if self.brightness:
            x = x + symmetric(self.brightness)
        if self.saturation and x.shape[1] > 1:
            x = x.mean(1, keepdim=True).lerp(x, 1 + symmetric(self.saturation))
        if self.contrast:
            x = x.mean((1, 2, 3), keepdim=True).lerp(x, 1 + symmetric(self.contrast))
        return x

    def _shift(self, x: Tensor, rng: torch.Generator) -> Tensor:
        by = []
        for size in (x.shape[3], x.shape[2]):
            most = int(self.translation * size + 0.5)
            by.append(torch.randint(-most, most + 1, (len(x),), generator=rng, device=x.device).to(x.dtype))
        return resample(x, translation(-by[0], -by[1]), interpolation=NEAREST, beyond=ZERO)

    def _cut(self, x: Tensor, rng: torch.Generator) -> Tensor:
        inside = []
        for size in (x.shape[2], x.shape[3]):
            side = int(self.cutout * size + 0.5)
            centre = torch.randint(0, size + 1 - side % 2, (len(x), 1), generator=rng, device=x.device)
            offset = torch.arange(size, device=x.device) - (centre - side // 2)
            inside.append((offset >= 0) & (offset < side))
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return x.masked_fill(hole, 0.0)


# Moving pixels. The numbers are those of aten's grid sampler.
BILINEAR, NEAREST = 0, 1
ZERO, REFLECTION = 0, 2


def translation(x: Float[Tensor, " batch"], y: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    """Return the affine map that adds (x, y) to a point."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([one, zero, x, zero, one, y, zero, zero, one], dim=1).view(-1, 3, 3)


def resample(
    content: Float[Tensor, "batch channels height width"],
    source: Float[Tensor, "batch 3 3"],
    *,
    interpolation: int = BILINEAR,
    beyond: int = REFLECTION,
) -> Float[Tensor, "batch channels height width"]:
    """Return images whose pixel at q is the input's at ``source`` · q; q = (x, y, 1) in pixels from the centre.

    Gradients with respect to ``content`` exist to every order; ``source`` gets none.

    Args:
        content: images, in the type of ``source``.
        source: an affine map per image, from where a value goes to where it comes from.
        interpolation: ``BILINEAR`` or ``NEAREST``.
        beyond: what lies beyond the border: ``ZERO`` or ``REFLECTION``.
    """
    height, width = content.shape[-2:]
    across = torch.arange(width, device=content.device, dtype=source.dtype) - (width - 1) / 2
    down = torch.arange(height, device=content.device, dtype=source.dtype)[:, None] - (height - 1) / 2
    entry = source[..., None, None]  # written out, because a matrix product may round to TF32
    x = entry[:, 0, 0] * across + entry[:, 0, 1] * down + entry[:, 0, 2]
    y = entry[:, 1, 0] * across + entry[:, 1, 1] * down + entry[:, 1, 2]
    grid = torch.stack([x * (2 / width), y * (2 / height)], dim=3)
    return _Resampled.apply(content, grid, interpolation, beyond)  # pyright: ignore[reportReturnType]


class _Resampled(torch.autograd.Function):
    """Sampling at fixed points: a linear map, whose gradient is its transpose.

    PyTorch's own has no second derivative in all versions. Karras et al., Training Generative Adversarial Networks
    with Limited Data, 2020, replace it in the same way.
    """

    @staticmethod
    def forward(ctx: Any, content: Tensor, grid: Tensor, interpolation: int, beyond: int) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.how = interpolation, beyond
        return torch.ops.aten.grid_sampler_2d(content, grid, interpolation, beyond, False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _Transposed.apply(gradients[0], *ctx.saved_tensors, *ctx.how), None, None, None  # pyright: ignore


class _Transposed(torch.autograd.Function):
    """The transpose of :class:`_Resampled`, and the other way round."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, grid: Tensor, interpolation: int, beyond: int) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.how = interpolation, beyond
        if gradient.is_cuda and torch.are_deterministic_algorithms_enabled():  # for which PyTorch has none
            return spread(gradient, grid, interpolation, beyond)
        unused = torch.zeros_like(gradient)  # the content, of which only the grid's gradient depends
        back = torch.ops.aten.grid_sampler_2d_backward
        return back(gradient, unused, grid, interpolation, beyond, False, [True, False])[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return _Resampled.apply(gradients[0], *ctx.saved_tensors, *ctx.how), None, None, None  # pyright: ignore


def spread(
    values: Float[Tensor, "batch channels height width"],
    grid: Float[Tensor, "batch height width 2"],
    interpolation: int,
    beyond: int,
) -> Float[Tensor, "batch channels height width"]:
    """Return the transpose of grid sampling, by scattered sums, which PyTorch can do in the same order each time.

    Args:
        values: to be distributed: each to the pixels that a sample at its point would be made of.
        grid: the points; the edges of the image lie at ±1.
        interpolation: ``BILINEAR`` or ``NEAREST``.
        beyond: what lies beyond the border: ``ZERO`` or ``REFLECTION``.
    """
    height, width = values.shape[-2:]
    axes = []
    for number, size in enumerate((width, height)):
        at = ((grid[..., number] + 1) * size - 1) / 2
        if beyond == REFLECTION:  # at the edges, half a pixel beyond the outermost pixels' centres
            at = (at + 0.5).remainder(2 * size)
            at = (torch.minimum(at, 2 * size - at) - 0.5).clamp(0, size - 1)
        low = at.round() if interpolation == NEAREST else at.floor()
        parts = [(low, torch.ones_like(at))] if interpolation == NEAREST else [(low, 1 - at + low), (low + 1, at - low)]
        axes.append([(place.clamp(0, size - 1), share * ((place >= 0) & (place < size))) for place, share in parts])
    back = torch.zeros_like(values).flatten(2)
    for x, share_x in axes[0]:
        for y, share_y in axes[1]:
            index = (y * width + x).long().flatten(1).unsqueeze(1).expand(-1, values.shape[1], -1)
            back.scatter_add_(2, index, (values * (share_x * share_y).unsqueeze(1)).flatten(2))
    return back.view_as(values)
