"""The Fréchet distance between two sets of features.

    d² = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)

Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, 2017. It is called
FID only when the features are Inception's.

The trace of the root is taken from a symmetric form with the same eigenvalues: with Σ₁ = L Lᵀ,
tr (Σ₁ Σ₂)^½ = Σᵢ √λᵢ(Lᵀ Σ₂ L), which agrees with general eigenvalues to 1e-11 and takes a fraction of their time at
2,048 dimensions.

The interval is a jackknife's: both sets are cut into blocks, and d² is taken without one block of each. It is of the
distance at this number of images, bias included. Moments of everything but a block are differences of moments, so no
image is gone through more than twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from genloom.intervals import NUM_BLOCKS, jackknife
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.models.abilities import Reconstructs


@dataclass(frozen=True, eq=False)
class Moments:
    """Of a set of vectors, in double precision.

    Args:
        num: how many they are.
        mean: theirs.
        scatter: the sum of (x - mean) (x - mean)ᵀ.
    """

    num: int
    mean: Float64[Tensor, " features"]
    scatter: Float64[Tensor, "features features"]

    @property
    def covariance(self) -> Float64[Tensor, "features features"]:
        """Without bias."""
        return self.scatter / (self.num - 1)

    def __add__(self, other: "Moments") -> "Moments":
        """Return those of both sets together (Chan et al., Updating Formulae, 1979)."""
        return self._pooled(other, 1)

    def __sub__(self, other: "Moments") -> "Moments":
        """Return those of this set without ``other``, a part of it."""
        return self._pooled(other, -1)

    def _pooled(self, other: "Moments", sign: int) -> "Moments":
        num, apart = self.num + sign * other.num, other.mean - self.mean
        mean = self.mean + sign * other.num / num * apart
        between = sign * self.num * other.num / num * apart.outer(apart)
        return Moments(num, mean, self.scatter + sign * other.scatter + between)


def moments(vectors: Float[Tensor, "num features"]) -> Moments:
    """Return the moments of at least one vector."""
    mean = vectors.double().mean(0)
    centred = vectors - mean
    return Moments(len(vectors), mean, centred.T @ centred)


def _blocks(vectors: Float[Tensor, "num features"], num_blocks: int = NUM_BLOCKS) -> Iterator[Moments]:
    """Yield the moments of the jackknife's blocks, one by one, since a covariance may be larger than its block."""
    return map(moments, vectors.tensor_split(num_blocks))


def distance(first: Moments, second: Moments) -> float:
    """Return d² of sets of at least 2 vectors."""
    factor, singular = torch.linalg.cholesky_ex(first.covariance)
    if singular:  # as of fewer vectors than features
        eigenvalues, vectors = torch.linalg.eigh(first.covariance)
        factor = vectors * eigenvalues.clamp(min=0).sqrt()
    eigenvalues = torch.linalg.eigvalsh(factor.T @ second.covariance @ factor)
    root_trace = eigenvalues.clamp(min=0).sqrt().sum()
    traces = first.covariance.trace() + second.covariance.trace()
    return ((first.mean - second.mean).square().sum() + traces - 2 * root_trace).item()


def frechet_distance(
    reference: Float[Tensor, "num_reference features"], candidate: Float[Tensor, "num_candidate features"]
) -> float:
    """Return the squared Fréchet distance d², which is what the field calls FID, of sets of at least 2 rows."""
    return distance(moments(reference), moments(candidate))


def distances_without_blocks(
    reference: Float[Tensor, "num_reference features"],
    candidate: Float[Tensor, "num_candidate features"],
    first: Moments,
    second: Moments,
    num_blocks: int = NUM_BLOCKS,
) -> list[float]:
    """Return d² without one block of both sets each.

    Args:
        reference: a set of more than ``num_blocks`` vectors, or of as many and at least 3.
        candidate: another.
        first: the moments of ``reference``.
        second: the moments of ``candidate``.
        num_blocks: how many each set is cut into.
    """
    pairs = zip(_blocks(reference, num_blocks), _blocks(candidate, num_blocks), strict=True)
    return [distance(first - left_out, second - other) for left_out, other in pairs]


@dataclass(frozen=True)
class FrechetDistance(Comparison):
    """d² between the features of the reference and of the candidate. Biased upwards for few images: fix N."""

    quantities: ClassVar = {"fd": Direction.LOWER}

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``fd``."""

        def gather() -> dict[str, Tensor]:
            gathered = reduce(Moments.__add__, _blocks(reference.features.vectors))
            return {"mean": gathered.mean, "scatter": gathered.scatter}

        first = Moments(len(reference), **reference.derived("moments", gather))
        vectors = reference.features.vectors, candidate.features.vectors
        second = reduce(Moments.__add__, _blocks(vectors[1]))
        value = distance(first, second)
        without = distances_without_blocks(*vectors, first, second)
        return {"fd": Score(value, jackknife(value, without, is_square=True))}


@dataclass(frozen=True)
class FrechetDistanceOfReconstructions(FrechetDistance):
    """d² between held-out examples and what is left of them after encoding and decoding: "rFID" with Inception.

    Real images have none: they are their own reconstructions.
    """

    requires = Reconstructs
    compares: ClassVar[str] = "reconstructions"
    quantities: ClassVar = {"rfd": Direction.LOWER}
    against: ClassVar[str] = "heldout"

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``rfd``; the reference is the originals."""
        return {"rfd": super().compare(reference, candidate, evidence)["fd"]}


@dataclass(frozen=True)
class FrechetDistanceOfReconstructionsToTrain(FrechetDistance):
    """The same reconstructions against the reference, as samples are: what better samples could reach at most."""

    requires = Reconstructs
    compares: ClassVar[str] = "reconstructions"
    quantities: ClassVar = {"fd_reconstructed": Direction.LOWER}

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``fd_reconstructed``."""
        return {"fd_reconstructed": super().compare(reference, candidate, evidence)["fd"]}
