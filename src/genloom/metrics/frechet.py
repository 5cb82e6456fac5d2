"""The Fréchet distance between two sets of features.

    d² = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)

Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, 2017. It is called
FID only when the features are Inception's.

torchmetrics gathers the moments. The trace of the root is taken from the symmetric form,
tr (√Σ₁ Σ₂ √Σ₁)^½ = Σᵢ √λᵢ, which agrees with torchmetrics' general eigenvalues to 1e-11 and takes a third of their
time at 2,048 dimensions.
"""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from genloom.capabilities import Capability
from genloom.metrics.evidence import Evidence, View
from genloom.metrics.metric import Comparison, Direction, Score


class _Identity(nn.Module):
    """Hands precomputed features to a torchmetrics class that would run a network on images."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and unbiased covariance, in double precision."""

    mean: Float64[Tensor, " features"]
    covariance: Float64[Tensor, "features features"]


def moments(vectors: Float[Tensor, "num features"]) -> Moments:
    """Return the moments of at least 2 vectors, gathered by torchmetrics."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics announces that FID stores moments
        gathered = FrechetInceptionDistance(feature=_Identity(vectors.shape[1]))
    gathered.update(vectors, real=True)
    num = len(vectors)
    mean = gathered.real_features_sum / num
    return Moments(mean, (gathered.real_features_cov_sum - num * mean.outer(mean)) / (num - 1))


def symmetric_root(matrix: Float64[Tensor, "n n"]) -> Float64[Tensor, "n n"]:
    """Return the square root of a positive semi-definite matrix."""
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return vectors * eigenvalues.clamp(min=0).sqrt() @ vectors.T


def distance(first: Moments, second: Moments, root: Float64[Tensor, "features features"]) -> float:
    """Return d², given the symmetric root of the first covariance."""
    eigenvalues = torch.linalg.eigvalsh(root @ second.covariance @ root)
    root_trace = eigenvalues.clamp(min=0).sqrt().sum()
    traces = first.covariance.trace() + second.covariance.trace()
    return ((first.mean - second.mean).square().sum() + traces - 2 * root_trace).item()


def frechet_distance(
    reference: Float[Tensor, "num_reference features"], candidate: Float[Tensor, "num_candidate features"]
) -> float:
    """Return the squared Fréchet distance d², which is what the field calls FID, of sets of at least 2 rows."""
    first = moments(reference)
    return distance(first, moments(candidate), symmetric_root(first.covariance))


@dataclass(frozen=True)
class FrechetDistance(Comparison):
    """d² between the features of the reference and of the candidate. Biased upwards for few images: fix N."""

    quantities: ClassVar = {"fd": Direction.LOWER}

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``fd``."""

        def gather() -> dict[str, Tensor]:
            gathered = moments(reference.features.vectors)
            return {**vars(gathered), "root": symmetric_root(gathered.covariance)}

        stored = reference.derived("moments", gather)
        first = Moments(stored["mean"], stored["covariance"])
        return {"fd": Score(distance(first, moments(candidate.features.vectors), stored["root"]))}


@dataclass(frozen=True)
class FrechetDistanceOfReconstructions(FrechetDistance):
    """The same of held-out examples after encoding and decoding, for which "rFID" has become the name."""

    requires = Capability.RECONSTRUCT
    quantities: ClassVar = {"rfd": Direction.LOWER}

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``rfd``."""
        return {"rfd": super().compare(reference, candidate, evidence)["fd"]}
