"""What StyleGAN2's networks are made of: equalised, modulated and filtered layers. All are differentiable twice."""

from math import prod, sqrt
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.limits import Count
from genloom.precision import exact, exactly

#: Gain of the leaky ReLU, which keeps the variance. Layers before it multiply their output by it, at no cost, since a
#: leaky ReLU of a multiple is the multiple of the leaky ReLU.
ACTIVATION_GAIN = sqrt(2)


def activate(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Apply the leaky ReLU, slope 0.2, in place."""
    return F.leaky_relu(x, 0.2, inplace=True)


def normalise(x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Return vectors with a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class EqualLinear(nn.Module):
    """A linear layer with an equalised learning rate: unit weights, scaled by He's constant when they are used.

    Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and Variation, 2018, section 4.1: an
    optimizer that normalises gradients then moves all layers equally fast.

    Args:
        num_inputs: per example.
        num_outputs: per example.
        bias: its initial value.
        gain: factor of the output.
        lr_multiplier: of this layer's weight and bias, relative to the optimizer's rate.
    """

    def __init__(
        self, num_inputs: int, num_outputs: int, *, bias: float = 0.0, gain: float = 1.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_outputs, num_inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((num_outputs,), bias / lr_multiplier))
        self.bias_gain = gain * lr_multiplier
        self.gain = self.bias_gain / sqrt(num_inputs)

    @property
    def matrix(self) -> Float[Tensor, "out in"]:
        """The weight as it is used."""
        return self.weight * self.gain

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """Map the last axis."""
        return F.linear(x, self.matrix, self.bias * self.bias_gain)


class EqualConv2d(nn.Module):
    """A convolution with an equalised learning rate; see :class:`EqualLinear`.

    Args:
        width_in: channels.
        width_out: channels.
        kernel: pixels.
        stride: pixels.
        padding: pixels of zeros.
        bias: whether there is one.
        gain: factor of the output.
    """

    def __init__(
        self,
        width_in: Count,
        width_out: int,
        kernel: Count = 3,
        *,
        stride: Count = 1,
        padding: int = 0,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width_out, width_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(width_out)) if bias else None
        self.stride = stride
        self.padding = padding
        self.bias_gain = gain
        self.gain = gain / sqrt(width_in * kernel**2)

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out h w"]:
        """Convolve."""
        bias = None if self.bias is None else self.bias * self.bias_gain
        return F.conv2d(x, self.weight * self.gain, bias, self.stride, self.padding)


class ModulatedConv2d(nn.Module):
    """A convolution whose weight a style scales per example and input channel, and normalises per output channel.

        w'_oik = s_i · w_oik,    w''_oik = w'_oik / √(Σ_ik w'_oik² + ε)

    Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020, equations 1 and 3. Computed as one
    ordinary convolution with all examples' common weight, its input scaled by s and its output by the root: the same by
    linearity, without a weight per example.

    Args:
        width_in: channels.
        width_out: channels.
        up: double the map, by a transposed convolution and a blur.
    """

    def __init__(self, width_in: Count, width_out: int, *, up: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width_out, width_in, 3, 3))
        self.gain = 1 / sqrt(width_in * 9)
        self.blur = Blur(width_out, padding=1, gain=4) if up else None

    def demodulation(self, style: Float[Tensor, "batch in"]) -> Float[Tensor, "batch out"]:
        """Return the factor of each output channel, 1 / √(Σ w'² + ε)."""
        with exactly(style):
            energy = (self.weight * self.gain).square().sum((2, 3))
            return (F.linear(style.square(), energy) + 1e-8).rsqrt()

    def convolve(
        self, x: Float[Tensor, "batch in height width"], style: Float[Tensor, "batch in"]
    ) -> Float[Tensor, "batch out h w"]:
        """Convolve with w', not yet normalised."""
        x = x * style.to(x.dtype)[:, :, None, None]
        weight = self.weight * self.gain
        if self.blur is None:
            return F.conv2d(x, weight, padding=1)
        return self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))

    def forward(
        self, x: Float[Tensor, "batch in height width"], style: Float[Tensor, "batch in"]
    ) -> Float[Tensor, "batch out h w"]:
        """Convolve with w''."""
        convolved = self.convolve(x, style)
        return convolved * self.demodulation(style).to(convolved.dtype)[:, :, None, None]


class _Filter(torch.autograd.Function):
    """A fixed filter per channel, or its transpose, which is its gradient.

    Written out because the second derivative of a convolution with many groups is slow, and a fixed filter's is just
    the filter again. Karras et al., 2020, do the same in their own kernels.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, stride: int, padding: int, size: tuple[int, int] | None) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.how = stride, padding
        ctx.transposed = size is not None
        ctx.size = tuple(x.shape[-2:])
        kernel = kernel.to(x.dtype)
        with exactly(x):
            if size is None:
                return F.conv2d(x, kernel, None, stride, padding, groups=len(kernel))
            smallest = [(side - 1) * stride - 2 * padding + kernel.shape[-1] for side in ctx.size]
            rest = [side - least for side, least in zip(size, smallest, strict=True)]
            return F.conv_transpose2d(x, kernel, None, stride, padding, rest, groups=len(kernel))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        size = None if ctx.transposed else ctx.size
        return _Filter.apply(gradients[0], *ctx.saved_tensors, *ctx.how, size), None, None, None, None  # pyright: ignore


class Blur(nn.Module):
    """The separable filter [1, 3, 3, 1], which keeps doubling and halving from aliasing.

    Zhang, Making Convolutional Networks Shift-Invariant Again, 2019. Beyond the border there are zeros, as there are
    for the convolution beside it.

    Args:
        channels: filtered one by one.
        padding: zeros on each side; the map grows by ``2 * padding - 3``.
        gain: sum of the filter.
    """

    kernel: Tensor

    def __init__(self, channels: Count, *, padding: int = 0, gain: float = 1.0) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = gain * taps[:, None] * taps
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)
        self.padding = padding

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels h w"]:
        """Blur."""
        return _Filter.apply(x, self.kernel, 1, self.padding, None)  # pyright: ignore[reportReturnType]


class Upsample(Blur):
    """Doubles a map and blurs it: each pixel is 9/16, 3/16, 3/16, 1/16 of its four neighbours; the border is continued.

    Args:
        channels: filtered one by one.
    """

    def __init__(self, channels: Count) -> None:
        super().__init__(channels, padding=3, gain=4)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels h w"]:
        """Double."""
        size = 2 * x.shape[-2], 2 * x.shape[-1]
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return _Filter.apply(x, self.kernel, 2, self.padding, size)  # pyright: ignore[reportReturnType]


class Downsample(Blur):
    """Blurs a map and halves it; the map has even sides.

    Args:
        channels: filtered one by one.
    """

    def __init__(self, channels: Count) -> None:
        super().__init__(channels, padding=1)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels h w"]:
        """Halve."""
        return _Filter.apply(x, self.kernel, 2, self.padding, None)  # pyright: ignore[reportReturnType]


class MinibatchDeviation(nn.Module):
    """A map of one channel: how much the examples of a group differ, their standard deviation averaged over all values.

    Karras et al., Progressive Growing of GANs, 2018, section 3: a generator without variety gives itself away. It
    couples the examples of a group: a score then depends on the neighbours in the batch.

    Groups are of consecutive examples and equally large. If the batch is no multiple of a group, the first examples
    fill up the last group, so that every deviation is one of as many examples; a batch smaller than a group is a group.

    Args:
        group: examples.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1 height width"]:
        """Return the mean deviation of each example's group, everywhere the same."""
        batch = len(x)
        group = min(self.group, batch)
        full = torch.cat([x, x[: -batch % group]])
        grouped = exact(full).reshape(-1, group, prod(x.shape[1:]))
        variance = (grouped - grouped.mean(1, keepdim=True)).square().mean(1)
        deviation = (variance + 1e-8).sqrt().mean(1).repeat_interleave(group)[:batch].to(x.dtype)
        return deviation[:, None, None, None].expand(-1, 1, *x.shape[2:])
