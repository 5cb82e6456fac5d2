"""Adaptive discriminator augmentation: the probability of an augmentation follows the discriminator's overfitting."""

from math import pi, sqrt

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genloom import devices
from genloom.limits import Count, NonNegative, Share
from genloom.networks.gan.augmentation import Augmentation, resample, translation
from genloom.precision import exact, exactly
from genloom.spec import Spec


class AdaptiveAugment(Augmentation):
    """Transforms images at random, each transformation with probability p, and steers p.

        r_t = E[sign(D(x))] over the real examples,    p ← p + sign(r_t − target) · examples / adjustment_examples

    A discriminator that is sure of all real examples, r_t near 1, knows them by heart: p rises. Karras et al., Training
    Generative Adversarial Networks with Limited Data, 2020. The strengths are the paper's; its image-space filtering
    and corruption, which it switches off as well, are left out, and so are its wavelet filters around the resampling.

    Geometry is composed into one affine map and resampled once, bilinearly, reflecting at the border; colour into one
    matrix and one offset. A strength of zero switches a transformation off. Flips and quarter turns are off, because
    they make other symbols of letters and digits; switch them on for photographs, and mind that ``rotate`` turns
    all the way round (0.1 by 18 degrees at most, twice). Of the colours, grey images have brightness and contrast.

    The sign is that of a logit. A score without a natural zero, a Wasserstein critic's for one, tells nothing about
    overfitting by its sign: fix p there, by ``initial_probability`` and ``adjustment_examples=None``.

    Args:
        spec: the data's; images.
        target: of r_t.
        adjustment_examples: real examples in which p travels from 0 to 1 at the fastest; None keeps p.
        interval: discriminator updates between two changes of p.
        initial_probability: p at the start.
        max_probability: the limit of p. The paper finds that above 0.8 the augmentations leak into what is generated.
        flip: mirror left and right, evenly.
        rotate_90: turn by 0, 90, 180 or 270 degrees, evenly.
        shift: the largest translation by whole pixels, as a share of height and width, uniform.
        scale: standard deviation of the binary logarithm of a scaling.
        rotate: the largest angle, as a share of half a turn, uniform; drawn before and after stretching.
        stretch: standard deviation of the binary logarithm of a scaling of the width, the height by its inverse.
        translate: standard deviation of a translation by fractions of pixels, as a share of height and width.
        brightness: standard deviation of what is added to all values.
        contrast: standard deviation of the binary logarithm of a scaling of all values, around mid-grey.
        luma_flip: invert the luma and keep the hue, evenly.
        hue: the largest turn of the hue, as a share of half a turn, uniform.
        saturation: standard deviation of the binary logarithm of a scaling of the distance from grey.
    """

    cross: Tensor
    p: Tensor
    sign_sum: Tensor
    examples: Tensor
    updates: Tensor

    def __init__(
        self,
        spec: Spec,
        *,
        target: Share = 0.6,
        adjustment_examples: Count | None = 500_000,
        interval: Count = 4,
        initial_probability: Share = 0.0,
        max_probability: Share = 0.8,
        flip: bool = False,
        rotate_90: bool = False,
        shift: NonNegative = 0.125,
        scale: NonNegative = 0.2,
        rotate: NonNegative = 1.0,
        stretch: NonNegative = 0.2,
        translate: NonNegative = 0.125,
        brightness: NonNegative = 0.2,
        contrast: NonNegative = 0.5,
        luma_flip: bool = True,
        hue: NonNegative = 1.0,
        saturation: NonNegative = 1.0,
    ) -> None:
        super().__init__(spec)
        self.limit("target", target, -1, 1)
        self.limit("adjustment_examples", 1 if adjustment_examples is None else adjustment_examples, 1)
        self.limit("interval", interval, 1)
        self.limit("max_probability", max_probability, 0, 1)
        self.limit("initial_probability", initial_probability, 0, max_probability)
        for name, value in (("shift", shift), ("rotate", rotate), ("hue", hue)):
            self.limit(name, value, 0, 1)
        deviations = {"scale": scale, "stretch": stretch, "translate": translate}
        deviations |= {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, value in deviations.items():
            self.limit(name, value, 0, 4)
        self.moves = any((flip, rotate_90, shift, scale, rotate, stretch, translate))
        self.target = target
        self.adjustment_examples = adjustment_examples
        self.interval = interval
        self.max_probability = max_probability
        self.flip = flip
        self.rotate_90 = rotate_90
        self.shift = shift
        self.scale = scale
        self.rotate = rotate
        self.stretch = stretch
        self.translate = translate
        self.brightness = brightness
        self.contrast = contrast
        self.luma_flip = luma_flip
        self.hue = hue
        self.saturation = saturation
        self.register_buffer("cross", torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]), persistent=False)
        self.register_buffer("p", torch.tensor(float(initial_probability)))
        self.register_buffer("sign_sum", torch.tensor(0.0))  # this and the next two: since p changed last
        self.register_buffer("examples", torch.tensor(0))
        self.register_buffer("updates", torch.tensor(0))

    @torch.no_grad()
    def observe(self, mean_sign: float | Tensor, examples: int) -> dict[str, Tensor]:
        """Steer p; return it and r_t, the mean sign since p changed last.

        Args:
            mean_sign: E[sign(D(x))] of the real examples of this update as the discriminator saw them, augmented; over
                all ranks, so that they agree on p.
            examples: how many those are, over all ranks.
        """
        self.sign_sum += mean_sign * examples
        self.examples += examples
        self.updates += 1
        r_t = self.sign_sum / self.examples
        due = self.updates >= self.interval
        if self.adjustment_examples is not None:
            change = (r_t - self.target).sign() * self.examples / self.adjustment_examples
            self.p.copy_(torch.where(due, (self.p + change).clamp(0.0, self.max_probability), self.p))
        for since in (self.sign_sum, self.examples, self.updates):
            since.masked_fill_(due, 0)
        return {"augmentation_probability": self.p.clone(), "r_t": r_t}

    def forward(
        self, content: Float[Tensor, "batch channels height width"], rng: torch.Generator
    ) -> Float[Tensor, "batch channels height width"]:
        """Return transformed images; where no transformation is due, the image bit for bit."""
        p = self.p
        if not devices.works_behind(p.device):  # elsewhere it would have to be waited for
            p = p.item()
            if p == 0:
                return content
        x = exact(content)
        draws = _Draws(p, x, rng)
        if self.moves:
            x = self._move(x, draws)
        return self._recolour(x, draws).to(content.dtype)

    def _move(self, x: Tensor, draws: "_Draws") -> Tensor:
        source = self._source(draws, *x.shape[2:])
        moved = (source != torch.eye(3, device=x.device)).flatten(1).any(1)
        return torch.where(moved[:, None, None, None], resample(x, source), x)

    def _source(self, draws: "_Draws", height: int, width: int) -> Float[Tensor, "batch 3 3"]:
        """Return where each image's pixels come from: the inverse of its transformations, in the paper's order."""
        source = _scaling(draws.constant(1.0), draws.constant(1.0))
        p_rotate = 1 - (1 - draws.p) ** 0.5  # so that either of two rotations happens with probability p
        if self.flip:
            source = _product(source, _scaling(1 - 2 * draws.choice(2), draws.constant(1.0)))
        if self.rotate_90:
            source = _product(source, _rotation(pi / 2 * draws.choice(4)))
        if self.shift:
            due = draws.due()
            x, y = (draws.uniform(self.shift, due=due).mul(size).round() for size in (width, height))
            source = _product(source, translation(-x, -y))
        if self.scale:
            factor = draws.normal(self.scale).neg().exp2()
            source = _product(source, _scaling(factor, factor))
        if self.rotate:
            source = _product(source, _rotation(draws.uniform(pi * self.rotate, due=draws.due(p_rotate))))
        if self.stretch:
            exponent = draws.normal(self.stretch)
            source = _product(source, _scaling((-exponent).exp2(), exponent.exp2()))
        if self.rotate:
            source = _product(source, _rotation(draws.uniform(pi * self.rotate, due=draws.due(p_rotate))))
        if self.translate:
            due = draws.due()
            x, y = (draws.normal(self.translate * size, due=due) for size in (width, height))
            source = _product(source, translation(-x, -y))
        return source

    def _recolour(self, x: Tensor, draws: "_Draws") -> Tensor:
        """Return c · (f P + s R_θ (1 − P)) (x + b), with P the projection on grey and R_θ the rotation around it.

        b brightness, c contrast, f = ±1 the luma's sign, s saturation, θ the hue. The paper's product of matrices comes
        to this, because each of them scales grey and the plane of pure colours by itself.
        """
        none, one = draws.constant(0.0), draws.constant(1.0)
        b = draws.normal(self.brightness) if self.brightness else none
        c = draws.normal(self.contrast).exp2() if self.contrast else one
        if x.shape[1] == 1:
            return (x + b[:, None, None, None]) * c[:, None, None, None]
        f = 1 - 2 * draws.choice(2) if self.luma_flip else one
        theta = draws.uniform(pi * self.hue) if self.hue else none
        s = draws.normal(self.saturation).exp2() if self.saturation else one
        changed = (b != 0) | (c != 1) | (f != 1) | (theta != 0) | (s != 1)
        grey = torch.full((3, 3), 1 / 3, device=x.device, dtype=x.dtype)
        pure = torch.eye(3, device=x.device, dtype=x.dtype) - grey
        cross = self.cross.to(x) / sqrt(3)
        b, c, f, theta, s = (each[:, None, None] for each in (b, c, f, theta, s))
        matrix = c * (f * grey + s * (theta.cos() * pure + theta.sin() * cross))
        with exactly(x):
            recoloured = torch.baddbmm((c * f * b).expand(-1, 3, 1), matrix, x.flatten(2)).view(x.shape)
        return torch.where(changed[:, None, None, None], recoloured, x)


class _Draws:
    """Random strengths, one per image: neutral (zero) with probability 1 − p."""

    def __init__(self, p: float | Float[Tensor, ""], x: Tensor, rng: torch.Generator) -> None:
        self.p = p
        self.num = len(x)
        self._rng = rng
        self._like = {"device": x.device, "dtype": x.dtype}

    def constant(self, value: float) -> Float[Tensor, " batch"]:
        return torch.full((self.num,), value, **self._like)

    def due(self, p: float | Float[Tensor, ""] | None = None) -> Bool[Tensor, " batch"]:
        return torch.rand(self.num, generator=self._rng, **self._like) < (self.p if p is None else p)

    def choice(self, options: int) -> Float[Tensor, " batch"]:
        """0, 1, … evenly."""
        return torch.randint(options, (self.num,), generator=self._rng, **self._like) * self.due()

    def uniform(self, most: float, due: Tensor | None = None) -> Float[Tensor, " batch"]:
        number = (torch.rand(self.num, generator=self._rng, **self._like) * 2 - 1) * most
        return number * (self.due() if due is None else due)

    def normal(self, deviation: float, due: Tensor | None = None) -> Float[Tensor, " batch"]:
        number = torch.randn(self.num, generator=self._rng, **self._like) * deviation
        return number * (self.due() if due is None else due)


def _product(first: Float[Tensor, "batch 3 3"], second: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "batch 3 3"]:
    """The matrix product, never rounded to TF32."""
    return (first[:, :, :, None] * second[:, None, :, :]).sum(2)


def _scaling(x: Float[Tensor, " batch"], y: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], dim=1))


def _rotation(angle: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 3"]:
    """From the x axis towards the y axis, which points down: clockwise as seen."""
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).view(-1, 3, 3)
