"""How the numbers of a column become what a model sees, and the way back.

A transform is a frozen dataclass: what the configuration chooses, and what :meth:`Transform.fitted` finds in the
training rows. Everything is computed in double precision.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from genloom.limits import Count, Share
from genloom.part import Part


@dataclass(frozen=True)
class Block:
    """Neighbouring encoded values that belong together.

    Args:
        width: how many.
        chosen: exactly one of them is 1, the others are 0; else they are numbers.
        bounded: whether numbers lie within [-1, 1].
    """

    width: int
    chosen: bool = False
    bounded: bool = False


class Transform(Part, ABC):
    """A map of finite numbers to ``width`` values each, and back."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What the encoded values are, in their order."""
        return (Block(1),)

    @abstractmethod
    def fitted(self, values: Float64[np.ndarray, " rows"]) -> "Transform":
        """Return the transform with what it needs to know of the training rows' finite numbers, at least one.

        Raises:
            DataError: it is not made for them.
        """

    @abstractmethod
    def encode(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows width"]:
        """Return what a model sees."""

    @abstractmethod
    def decode(self, encoded: Float64[Tensor, "rows width"]) -> Float64[Tensor, " rows"]:
        """Return numbers; of any encoded values, also of those that no number has."""


@dataclass(frozen=True)
class Standard(Transform):
    """z = (x − μ) / σ.

    Args:
        mean: μ, in the column's units.
        std: σ, in the column's units.
    """

    mean: float = 0.0
    std: float = 1.0

    def fitted(self, values: Float64[np.ndarray, " rows"]) -> "Standard":
        """Return that with the mean and the standard deviation of the values."""
        return Standard(float(values.mean()), float(values.std()) or 1.0)

    def encode(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows 1"]:
        """Return z."""
        return ((values - self.mean) / self.std).unsqueeze(1)

    def decode(self, encoded: Float64[Tensor, "rows 1"]) -> Float64[Tensor, " rows"]:
        """Return μ + σ z."""
        return encoded[:, 0] * self.std + self.mean


@dataclass(frozen=True)
class Log(Transform):
    """The standardised logarithm: z = (log(x − s) − μ) / σ, for numbers with a long tail to the right.

    Args:
        shift: s, below the least number; 0 where all numbers are above 0, else one unit below the least.
        mean: μ.
        std: σ.
    """

    shift: float = 0.0
    mean: float = 0.0
    std: float = 1.0

    def fitted(self, values: Float64[np.ndarray, " rows"]) -> "Log":
        """Return that with the shift, the mean and the standard deviation of the values."""
        low = float(values.min())
        shift = 0.0 if low > 0 else low - 1.0
        logs = np.log(values - shift)
        return Log(shift, float(logs.mean()), float(logs.std()) or 1.0)

    def encode(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows 1"]:
        """Return z; of what is not above the shift, that of the least positive number."""
        smallest = torch.finfo(values.dtype).tiny
        return (((values - self.shift).clamp_min(smallest).log() - self.mean) / self.std).unsqueeze(1)

    def decode(self, encoded: Float64[Tensor, "rows 1"]) -> Float64[Tensor, " rows"]:
        """Return s + exp(μ + σ z), finite."""
        return (encoded[:, 0] * self.std + self.mean).clamp_max(700.0).exp() + self.shift


@dataclass(frozen=True)
class Quantile(Transform):
    """Normal scores: z = Φ⁻¹(F(x)), F the training rows' distribution function. The way back never leaves their range.

    A number that many rows share stands for its whole step of F: decoding gives it for every level within the step,
    encoding the step's middle. Between other numbers F is linear.

    Args:
        knots: numbers that F is kept at, at most.
        values: these numbers, ascending.
        lower: F where each begins, above 0.
        upper: F where each ends, below 1; as ``lower`` where a number is no step.
    """

    knots: Count = 500
    values: tuple[float, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()

    def fitted(self, values: Float64[np.ndarray, " rows"]) -> "Quantile":
        """Return that with F."""
        found, counts = np.unique(values, return_counts=True)
        ends = counts.cumsum() / len(values)
        begins = ends - counts / len(values)
        is_step = (counts > 1) & (counts * self.knots >= len(values))
        if len(found) > self.knots:  # at equal distances of F, beside the steps and both ends
            levels = (np.arange(self.knots) + 0.5) / self.knots
            kept = np.unique(np.concatenate([[0, len(found) - 1], np.searchsorted(ends, levels), *np.nonzero(is_step)]))
        else:
            kept = np.arange(len(found))
        middles = (begins + ends) / 2
        lower, upper = np.where(is_step, begins, middles)[kept], np.where(is_step, ends, middles)[kept]
        least = 0.5 / len(values)  # Φ⁻¹ of 0 and of 1 is infinite
        lower, upper = np.clip(lower, least, 1 - least), np.clip(upper, least, 1 - least)
        return replace(
            self, values=tuple(found[kept].tolist()), lower=tuple(lower.tolist()), upper=tuple(upper.tolist())
        )

    def encode(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows 1"]:
        """Return z."""
        middles = [(a + b) / 2 for a, b in zip(self.lower, self.upper, strict=True)]
        return torch.special.ndtri(_interpolated(values, self.values, middles)).unsqueeze(1)

    def decode(self, encoded: Float64[Tensor, "rows 1"]) -> Float64[Tensor, " rows"]:
        """Return F⁻¹(Φ(z))."""
        levels = [level for pair in zip(self.lower, self.upper, strict=True) for level in pair]
        return _interpolated(torch.special.ndtr(encoded[:, 0]), levels, [v for v in self.values for _ in range(2)])


@dataclass(frozen=True)
class ModeSpecific(Transform):
    """Mode-specific normalisation: which of several Gaussians a number belongs to, and where in it the number lies.

    Xu et al., Modeling Tabular Data using Conditional GAN, 2019, section 4.2, https://arxiv.org/abs/1907.00503. The
    Gaussians are those of a variational mixture; a number belongs to the one by which it is most likely. Its place is
    α = (x − η) / (4 φ), within [−1, 1].

    Args:
        modes: Gaussians, at most.
        least_weight: share of the rows that a Gaussian needs.
        weights: of the Gaussians that have so many.
        means: η of each.
        stds: φ of each.
    """

    modes: Count = 10
    least_weight: Share = 0.005
    weights: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    stds: tuple[float, ...] = ()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """α, then the Gaussian."""
        return Block(1, bounded=True), Block(len(self.means), chosen=True)

    def fitted(self, values: Float64[np.ndarray, " rows"]) -> "ModeSpecific":
        """Return that with the Gaussians."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import BayesianGaussianMixture

        centre, scale = float(values.mean()), float(values.std()) or 1.0
        mixture = BayesianGaussianMixture(
            n_components=min(self.modes, len(values), len(np.unique(values))),
            weight_concentration_prior_type="dirichlet_process",
            weight_concentration_prior=0.001,
            random_state=0,
        )
        some = values if len(values) <= _MOST_FITTED else values[:: len(values) // _MOST_FITTED]
        some = some if len(some) > 1 else some.repeat(2)  # the least that it takes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # any of the mixtures on the way serves
            mixture.fit(((some - centre) / scale).reshape(-1, 1))
        kept = np.flatnonzero(mixture.weights_ > self.least_weight)
        kept = kept if len(kept) else np.array([mixture.weights_.argmax()])
        stds = np.sqrt(mixture.covariances_.reshape(-1))[kept] * scale
        means = mixture.means_.reshape(-1)[kept] * scale + centre
        return replace(
            self,
            weights=tuple(mixture.weights_[kept].tolist()),
            means=tuple(means.tolist()),
            stds=tuple(stds.tolist()),
        )

    def encode(self, values: Float64[Tensor, " rows"]) -> Float64[Tensor, "rows width"]:
        """Return α, and ones and zeros of the Gaussian."""
        weights, means, stds = (values.new_tensor(each) for each in (self.weights, self.means, self.stds))
        alpha = (values.unsqueeze(1) - means) / stds
        mode = (weights.log() - stds.log() - alpha.square() / 2).argmax(1, keepdim=True)
        chosen = torch.zeros_like(alpha).scatter_(1, mode, 1.0)
        return torch.cat([(alpha.gather(1, mode) / 4).clamp(-1.0, 1.0), chosen], dim=1)

    def decode(self, encoded: Float64[Tensor, "rows width"]) -> Float64[Tensor, " rows"]:
        """Return η + 4 φ α of the Gaussian whose value is the largest."""
        mode = encoded[:, 1:].argmax(1)
        means, stds = encoded.new_tensor(self.means)[mode], encoded.new_tensor(self.stds)[mode]
        return encoded[:, 0].clamp(-1.0, 1.0) * (4 * stds) + means


_MOST_FITTED = 20_000  # rows that a mixture is fitted to: more change it little, and take long


def _interpolated(
    x: Float64[Tensor, " rows"], at: Sequence[float], values: Sequence[float]
) -> Float64[Tensor, " rows"]:
    """Return piecewise linear interpolation of ``values`` at ascending places, constant beyond both ends."""
    places, heights = x.new_tensor(at), x.new_tensor(values)
    if len(places) == 1:
        return heights.expand_as(x).clone()
    right = torch.searchsorted(places, x.contiguous()).clamp(1, len(places) - 1)
    a, b = places[right - 1], places[right]
    share = ((x - a) / torch.where(b > a, b - a, 1.0)).clamp(0.0, 1.0)
    return heights[right - 1] + share * (heights[right] - heights[right - 1])
