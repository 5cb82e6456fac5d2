"""Whether the candidates are copies of training images.

- train_distance: median distance from a candidate to its nearest training image, divided by the same for unseen real
  images: 1 for new pictures, 0 for copies. Its interval says what other candidates and other unseen images of so many
  would change.
- authenticity: share of candidates that are further from their nearest training image than that image is from the
  training image nearest to it. Alaa et al., How Faithful is your Synthetic Data?, 2022,
  https://arxiv.org/abs/2102.08921, equation 7. Unseen real images have some value below 1 too: compare with the floor.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from genloom import randomness
from genloom.errors import ConfigError
from genloom.intervals import CONFIDENCE
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.limits import Count
from genloom.metrics.distances import Nearest, nearest

_KEPT = 60_000  # training images up to which the distances of all from each other are computed once, and kept


@dataclass(frozen=True)
class Memorisation(Comparison):
    """Distances to the nearest of all training images.

    Args:
        num_candidates: candidates, and unseen images, that are looked up, at most.
    """

    quantities: ClassVar = {"train_distance": Direction.NONE, "authenticity": Direction.NONE}
    also: ClassVar[tuple[str, ...]] = ("train", "heldout")
    serves_pixels: ClassVar[bool] = True

    num_candidates: Count = 5000

    def __post_init__(self) -> None:
        if self.num_candidates < 1:
            raise ConfigError(
                f"metrics.metrics.memorisation.num_candidates: {self.num_candidates} is below the limit of 1"
            )

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``train_distance`` and ``authenticity``; exact copies are counted in the details."""
        train, heldout = (evidence.real(role, candidate.extractor) for role in ("train", "heldout"))
        found, unseen = self._nearest_train(candidate, train), self._nearest_train(heldout, train)
        authentic = found.distance > self._from_others(train, found.index)
        twins = zip(candidate.images[: len(found.index)].parts(500), train.images[found.index].parts(500), strict=True)
        same = torch.cat([_equal(ours, theirs) for ours, theirs in twins])
        details = {"identical_to_a_training_image": int(same.sum()), "unauthentic": int((~authentic).sum())}
        return {
            "train_distance": Score(*_ratio_of_medians(found.distance, unseen.distance), details),
            "authenticity": Score(authentic.to(torch.float64).mean().item(), details=details),
        }

    def _nearest_train(self, view: View, train: View) -> Nearest:
        def compute() -> dict[str, Tensor]:
            return vars(nearest(view.features.vectors[: self.num_candidates], train.features.vectors))

        bank = train.images.fingerprint
        return Nearest(**view.derived("nearest_train", compute, train=bank, num=self.num_candidates))

    def _from_others(self, train: View, index: Int64[Tensor, " chosen"]) -> Float[Tensor, " chosen"]:
        """Return the distances of some training images from the others that are nearest to them."""
        vectors = train.features.vectors
        if len(vectors) > _KEPT:
            chosen, places = index.unique(return_inverse=True)
            return nearest(vectors[chosen], vectors, other_than=chosen).distance[places]
        every = torch.arange(len(vectors))
        return train.derived("nearest_others", lambda: vars(nearest(vectors, vectors, other_than=every)))["distance"][
            index
        ]


def _ratio_of_medians(
    above: Float[Tensor, " num"], below: Float[Tensor, " others"]
) -> tuple[float, tuple[float, float] | None]:
    """Return the ratio, NaN where it has none, and its interval; none where both are of the same numbers.

    The level of a population's quantile function at which the median of n draws lies has the distribution
    Beta((n + 1) / 2, (n + 1) / 2) for odd n; David and Nagaraja, Order Statistics, 2003, section 2.1,
    https://doi.org/10.1002/0471722162. Such levels of the numbers at hand are drawn in place of samples of them.
    """
    tops, bottoms = above.double().numpy(), below.double().numpy()
    median = float(np.median(bottoms))
    if median <= 0:
        return float("nan"), None
    value = float(np.median(tops)) / median
    if np.array_equal(tops, bottoms):
        return value, None
    rng = np.random.default_rng(randomness.key("medians"))
    drawn = [np.quantile(each, rng.beta(*[(len(each) + 1) / 2] * 2, size=_DRAWS)) for each in (tops, bottoms)]
    drawn = drawn[0] / np.where(drawn[1] > 0, drawn[1], np.nan)
    low, high = np.nanquantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return value, (float(low), float(high))


_DRAWS = 2000  # of both medians


def _equal(ours: Shaped[Tensor, "num ..."], theirs: Shaped[Tensor, "num ..."]) -> Bool[Tensor, " num"]:
    """Return which examples are equal in every value, missing ones (NaN) included."""
    both_missing = (ours != ours) & (theirs != theirs)
    return ((ours == theirs) | both_missing).flatten(1).all(dim=1)
