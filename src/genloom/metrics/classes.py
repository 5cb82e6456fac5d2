"""What a classifier says about the candidates: how sure it is of each, how varied they are, which classes are missing.

The classifier score is exp E_x KL(p(y|x) ‖ p(y)): from 1 (all alike, or unsure of all) to the number of classes.
Salimans et al., Improved Techniques for Training GANs, 2016. It is called inception score only with Inception's logits.
"""

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pstdev
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.errors import ConfigError
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.limits import Count


def classifier_score(logits: Float[Tensor, "num classes"]) -> float:
    """Return exp E_x KL(p(y|x) ‖ p(y)), p(y) being the mean over the given set."""
    log_p = logits.double().log_softmax(dim=1)
    p = log_p.exp()
    marginal_entropy = torch.special.entr(p.mean(dim=0)).sum()
    return (marginal_entropy - torch.special.entr(p).sum(dim=1).mean()).exp().item()


@dataclass(frozen=True)
class ClassifierScore(Comparison):
    """The classifier score, averaged over equal parts of the set.

    Args:
        splits: parts; 10 is the custom with Inception, 1 has the least bias.
    """

    quantities: ClassVar = {"classifier_score": Direction.HIGHER}
    needs_logits: ClassVar[bool] = True

    splits: Count = 1

    def __post_init__(self) -> None:
        if not 1 <= self.splits <= self.min_images:
            raise ConfigError(f"metrics.metrics.score.splits: {self.splits} is not within 1 and {self.min_images}")

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``classifier_score``; the reference plays no part."""
        logits = candidate.features.logits
        ends = [len(logits) * i // self.splits for i in range(self.splits + 1)]  # where torch-fidelity cuts
        parts = [classifier_score(logits[first:last]) for first, last in pairwise(ends)]
        return {"classifier_score": Score(fmean(parts), details={"std_over_splits": pstdev(parts)})}


@dataclass(frozen=True)
class ClassBalance(Comparison):
    """Share of each predicted class, divided by the reference's share of that class: the rarest and the commonest.

    1 and 1 is the reference's balance; a minimum of 0 is a class that never appears.
    """

    quantities: ClassVar = {"class_share_min": Direction.NONE, "class_share_max": Direction.NONE}
    needs_classes: ClassVar[bool] = True

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``class_share_min`` and ``class_share_max``, with the class and all counts as details."""
        names = reference.extractor.classes
        real, counts = (torch.bincount(view.predicted, minlength=len(names)) for view in (reference, candidate))
        present = real.nonzero().flatten()
        ratios = (counts / len(candidate) / (real / len(reference)))[present]
        details = {"counts": dict(zip(names, counts.tolist(), strict=True))}

        def score(position: Tensor) -> Score:
            return Score(ratios[position].item(), details={"class": names[int(present[position])], **details})

        return {"class_share_min": score(ratios.argmin()), "class_share_max": score(ratios.argmax())}
