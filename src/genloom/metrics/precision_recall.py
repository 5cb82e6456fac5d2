"""How far the supports of two distributions overlap, each approximated by balls around its members.

A ball reaches from a member to its k-th nearest other member.

- precision: share of candidates inside a ball of the reference; recall: share of the reference inside a ball of the
  candidates. Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing Generative Models, 2019.
- density: mean number of reference balls around a candidate, divided by k; coverage: share of reference balls that hold
  a candidate. Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, 2020. Their balls are open.

Distances are of single precision: one that differs from a radius by rounding alone counts as equal to it, so that a
copy of the neighbour that sets a ball's radius is on its edge, however it was rounded: not inside an open ball.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float32
from torch import Tensor

from genloom.errors import ConfigError
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.limits import Count
from genloom.metrics.distances import squared_distances, squared_radii


@dataclass(frozen=True)
class Overlap:
    """The four shares."""

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(
    reference: Float32[Tensor, "num_reference features"],
    candidate: Float32[Tensor, "num_candidate features"],
    reference_radii: Float32[Tensor, "num_reference k"],
    candidate_radii: Float32[Tensor, "num_candidate k"],
    *,
    k_precision_recall: int,
    k_density_coverage: int,
) -> Overlap:
    """Return the four shares from one pass over all distances between candidates and reference.

    Args:
        reference: real features.
        candidate: features to judge.
        reference_radii: squared distances to the nearest other reference vectors, ascending.
        candidate_radii: the same among the candidates.
        k_precision_recall: neighbours that set the balls of precision and recall.
        k_density_coverage: neighbours that set the balls of density and coverage.
    """
    centre = reference.mean(dim=0)
    ball_precision = _closed(reference - centre, reference_radii[:, k_precision_recall - 1])
    ball_recall = _closed(candidate - centre, candidate_radii[:, k_precision_recall - 1])
    ball_coverage = _open(reference - centre, reference_radii[:, k_density_coverage - 1])
    precise = inside = 0
    recalled = torch.zeros(len(reference), dtype=torch.bool)
    nearest = torch.full((len(reference),), torch.inf, dtype=torch.float32)
    for chunk in squared_distances(candidate, reference):
        squared = chunk.squared
        nearest = torch.minimum(nearest, squared.amin(dim=0))
        inside += int(torch.count_nonzero(squared < ball_coverage))
        recalled |= (squared - ball_recall[chunk.rows, None]).amin(dim=0) <= 0
        precise += int(((squared - ball_precision).amin(dim=1) <= 0).sum())
    return Overlap(
        precision=precise / len(candidate),
        recall=recalled.float().mean().item(),
        density=inside / (k_density_coverage * len(candidate)),
        coverage=(nearest < ball_coverage).float().mean().item(),
    )


def _closed(centred: Float32[Tensor, "num features"], squared: Float32[Tensor, " num"]) -> Float32[Tensor, " num"]:
    """Return squared radii that hold what lies on the edge of each ball, up to rounding."""
    return squared + _rounding(centred, squared)


def _open(centred: Float32[Tensor, "num features"], squared: Float32[Tensor, " num"]) -> Float32[Tensor, " num"]:
    """Return squared radii that leave out what lies on the edge of each ball, up to rounding."""
    return squared - _rounding(centred, squared)


def _rounding(centred: Tensor, squared: Tensor) -> Float32[Tensor, " num"]:
    """Return how far the squared distance from each point to what lies near its edge may be from the truth.

    Of q and p it is computed as ‖q‖² + ‖p‖² − 2 q·p; errors of up to 8 units in the last place of the two norms' sum
    were seen with 2,048 features, and both the distance and the radius have one.
    """
    return 16 * torch.finfo(torch.float32).eps * (2 * centred.square().sum(dim=1) + squared)


@dataclass(frozen=True)
class Support(Comparison):
    """Precision, recall, density and coverage.

    Args:
        k_precision_recall: neighbours that set the balls of precision and recall.
        k_density_coverage: neighbours that set the balls of density and coverage.
    """

    quantities: ClassVar = dict.fromkeys(("precision", "recall", "density", "coverage"), Direction.HIGHER)

    k_precision_recall: Count = 3
    k_density_coverage: Count = 5

    def __post_init__(self) -> None:
        for name, k in vars(self).items():
            if not 1 <= k < self.min_images:
                raise ConfigError(f"metrics.metrics.support.{name}: {k} is not within 1 and {self.min_images - 1}")

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return the four shares."""
        k = max(self.k_precision_recall, self.k_density_coverage)

        def radii(view: View) -> Tensor:
            return view.derived("radii", lambda: {"squared": squared_radii(view.features.vectors, k)}, k=k)["squared"]

        shares = overlap(
            reference.features.vectors,
            candidate.features.vectors,
            radii(reference),
            radii(candidate),
            k_precision_recall=self.k_precision_recall,
            k_density_coverage=self.k_density_coverage,
        )
        return {name: Score(share) for name, share in vars(shares).items()}
