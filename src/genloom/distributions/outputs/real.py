"""The next values of a series: a point, quantiles, or a Gaussian; in the scaled units of the content.

Of a network's numbers the first is a location, the others are logarithms of distances. So a network moves and scales
what it predicts, whatever the output: location · scale + offset, the others + log scale.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.contents.series import SeriesContent
from genloom.distributions.outputs.base import Output, Prediction
from genloom.errors import ConfigError
from genloom.limits import InsideShare
from genloom.precision import exact
from genloom.spec import Spec


class RealOutput(Output):
    """Base of those for series.

    Args:
        spec: of a series.
    """

    kind = SeriesContent
    measure = "density of scaled values"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        spec.check(self, "model.output")


class PointPrediction(Prediction):
    """One value, with no word on how sure it is."""

    def __init__(self, value: Float[Tensor, "*shape"]) -> None:
        self.value = value

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        """The value."""
        return self.value


class Point(RealOutput):
    """One number per value."""

    prediction = PointPrediction

    def __call__(self, numbers: Float[Tensor, "*shape 1"]) -> PointPrediction:
        """Return the values."""
        return PointPrediction(numbers.squeeze(-1))


class GaussianPrediction(Prediction):
    """N(mean, exp(log_std)²), each value by itself given the history."""

    has_density = True
    has_quantiles = True

    def __init__(self, mean: Float[Tensor, "*shape"], log_std: Float[Tensor, "*shape"]) -> None:
        self._mean = mean
        self.log_std = log_std

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        """The mean."""
        return self._mean

    def log_prob(self, content: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Return the log-density, nats."""
        squares = ((content - self._mean) * (-self.log_std).exp()).square()
        return -0.5 * (squares + math.log(2 * math.pi)) - self.log_std

    def quantiles(self, levels: Float[Tensor, " levels"]) -> Float[Tensor, "levels *shape"]:
        """Return μ + σ Φ⁻¹(level)."""
        deviations = torch.special.ndtri(levels.to(self._mean)).view(-1, *[1] * self._mean.ndim)
        return self._mean + self.log_std.exp() * deviations

    def sample(self, num: int, rng: torch.Generator) -> Float[Tensor, "num *shape"]:
        """Return draws."""
        noise = torch.randn((num, *self._mean.shape), generator=rng, device=rng.device).to(self._mean)
        return self._mean + self.log_std.exp() * noise

    def crps(
        self, content: Float[Tensor, "*shape"], *, rng: torch.Generator, num_samples: int = 100
    ) -> Float[Tensor, "*shape"]:
        """Return σ (z (2 Φ(z) − 1) + 2 φ(z) − 1/√π), z = (content − μ) / σ; nothing is drawn.

        Gneiting and Raftery, Strictly Proper Scoring Rules, 2007, equation 21.
        """
        std = self.log_std.exp()
        z = (content - self._mean) / std
        density = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
        return std * (z * (2 * torch.special.ndtr(z) - 1) + 2 * density - 1 / math.sqrt(math.pi))


class Gaussian(RealOutput):
    """A mean and the logarithm of a standard deviation per value.

    Args:
        spec: of a series.
        min_log_std: the logarithm is softly kept above this, so that one exact value does not end training.
    """

    num_outputs = 2
    prediction = GaussianPrediction

    def __init__(self, spec: Spec, *, min_log_std: float = -6.0) -> None:
        super().__init__(spec)
        self.min_log_std = min_log_std

    def __call__(self, numbers: Float[Tensor, "*shape 2"]) -> GaussianPrediction:
        """Return the distributions."""
        mean, log_std = numbers.unbind(-1)
        return GaussianPrediction(mean, self.min_log_std + torch.nn.functional.softplus(log_std - self.min_log_std))


class QuantilePrediction(Prediction):
    """Values at some levels; between them the quantile function is linear, beyond them that of a logistic tail.

    The tails are exponential: beyond the outermost level, with the value q there, Q(τ) = q + s (logit τ − logit level).
    The slope s is that between the two outermost levels on this side, so a logistic distribution has its own tails, and
    a Gaussian's levels .05 and .1 give it a tail whose mean is 0.08 standard deviations further out.
    """

    has_quantiles = True
    has_levels = True

    def __init__(self, levels: Float[Tensor, " levels"], values: Float[Tensor, "*shape levels"]) -> None:
        self.levels = levels
        self.values = exact(values)  # levels near 1 need the digits

    @property
    def _slopes(self) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """s of the lower and of the upper tail."""
        logits, values = self.levels.to(self.values).logit(), self.values
        lower = (values[..., 1] - values[..., 0]) / (logits[1] - logits[0])
        upper = (values[..., -1] - values[..., -2]) / (logits[-1] - logits[-2])
        return lower, upper

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        """Mean of the distribution: the integral of the quantile function, each tail's in closed form."""
        levels, values = self.levels.to(self.values), self.values
        lower, upper = self._slopes
        below = levels[0] * values[..., 0] + lower * torch.log1p(-levels[0])
        above = (1 - levels[-1]) * values[..., -1] - upper * levels[-1].log()
        return torch.trapezoid(values, levels, dim=-1) + below + above

    @property
    def median(self) -> Float[Tensor, "*shape"]:
        """The value at 0.5."""
        return self.quantiles(self.levels.new_tensor([0.5]))[0]

    def quantiles(self, levels: Float[Tensor, " wanted"]) -> Float[Tensor, "wanted *shape"]:
        """Return the quantile function."""
        each = levels.to(self.values).view(-1, *[1] * (self.values.ndim - 1))
        return self._at(each.expand(len(levels), *self.values.shape[:-1]))

    def sample(self, num: int, rng: torch.Generator) -> Float[Tensor, "num *shape"]:
        """Return draws by the quantile function."""
        uniform = torch.rand((num, *self.values.shape[:-1]), generator=rng, device=rng.device).to(self.values)
        smallest = torch.finfo(torch.float32).eps / 4  # half a step of the uniform numbers, so that none is infinite
        return self._at(uniform.clamp_min(smallest))

    def _at(self, wanted: Float[Tensor, "num *shape"]) -> Float[Tensor, "num *shape"]:
        """Return the quantile function, each value's at levels of its own."""
        known, values = self.levels.to(self.values), self.values
        inside = wanted.clamp(known[0], known[-1])
        above = torch.searchsorted(known, inside).clamp(1, len(known) - 1)
        spread = values.expand(len(wanted), *values.shape)
        low, high = (spread.gather(-1, place.unsqueeze(-1)).squeeze(-1) for place in (above - 1, above))
        between = low.lerp(high, (inside - known[above - 1]) / (known[above] - known[above - 1]))
        lower, upper = self._slopes
        beyond = wanted.logit() - inside.logit()  # 0 between the levels, whatever the slope
        return between + torch.where(beyond == 0, 0.0, torch.where(beyond < 0, lower, upper) * beyond)


class Quantiles(RealOutput):
    """Values at levels: a middle one, and steps up and down from it, so that they never cross.

    Args:
        spec: of a series.
        levels: within 0 and 1, ascending; at least two.
    """

    prediction = QuantilePrediction

    def __init__(self, spec: Spec, *, levels: Sequence[InsideShare] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)) -> None:
        super().__init__(spec)
        if len(levels) < 2 or list(levels) != sorted(set(levels)) or not 0 < levels[0] < levels[-1] < 1:
            raise ConfigError(f"model.output.levels: {list(levels)} are not at least two, ascending, within 0 and 1")
        self.levels = torch.tensor(list(levels))
        self.gaps = torch.special.ndtri(self.levels.double()).diff().float()
        self.num_outputs = len(levels)

    def __call__(self, numbers: Float[Tensor, "*shape outputs"]) -> QuantilePrediction:
        """Return the quantiles: the middle one is the first number; the others, exponentiated, are the gaps.

        Gaps are in the order of the levels, and in units of what they are for N(0, 1).
        """
        location, log_gaps = numbers.split([1, len(self.gaps)], dim=-1)
        middle = len(self.levels) // 2
        down, up = (log_gaps.exp() * self.gaps.to(numbers)).split([middle, len(self.gaps) - middle], dim=-1)
        values = torch.cat([location - down.flip(-1).cumsum(-1).flip(-1), location, location + up.cumsum(-1)], dim=-1)
        return QuantilePrediction(self.levels.to(values), values)
