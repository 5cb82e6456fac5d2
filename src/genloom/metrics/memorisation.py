"""Whether the candidates are copies of training images.

- train_distance: median distance from a candidate to its nearest training image, divided by the same for unseen real
  images: 1 for new pictures, 0 for copies.
- authenticity: share of candidates that are further from their nearest training image than that image is from the
  training image nearest to it. Alaa et al., How Faithful is your Synthetic Data?, 2022,
  https://arxiv.org/abs/2102.08921, equation 7. Unseen real images have some value below 1 too: compare with the floor.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from genloom.errors import ConfigError
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.limits import Count
from genloom.metrics.distances import Nearest, nearest


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
        among = train.derived(
            "nearest_others", lambda: vars(nearest(train.features.vectors, train.features.vectors, others=True))
        )
        authentic = found.distance > among["distance"][found.index]
        twins = zip(candidate.images[: len(found.index)].parts(500), train.images[found.index].parts(500), strict=True)
        same = torch.cat([_equal(ours, theirs) for ours, theirs in twins])
        details = {"identical_to_a_training_image": int(same.sum()), "unauthentic": int((~authentic).sum())}
        unseen_median = unseen.distance.quantile(0.5).item()
        ratio = found.distance.quantile(0.5).item() / unseen_median if unseen_median > 0 else float("nan")
        return {
            "train_distance": Score(ratio, details=details),
            "authenticity": Score(authentic.to(torch.float64).mean().item(), details=details),
        }

    def _nearest_train(self, view: View, train: View) -> Nearest:
        def compute() -> dict[str, Tensor]:
            return vars(nearest(view.features.vectors[: self.num_candidates], train.features.vectors))

        bank = train.images.fingerprint
        return Nearest(**view.derived("nearest_train", compute, train=bank, num=self.num_candidates))


def _equal(ours: Shaped[Tensor, "num ..."], theirs: Shaped[Tensor, "num ..."]) -> Bool[Tensor, " num"]:
    """Return which examples are equal in every value, missing ones (NaN) included."""
    both_missing = (ours != ours) & (theirs != theirs)
    return ((ours == theirs) | both_missing).flatten(1).all(dim=1)
