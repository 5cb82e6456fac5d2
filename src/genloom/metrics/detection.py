"""Whether a classifier can tell candidates from real rows."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64

from genloom.contents.table import TableContent
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.limits import Count
from genloom.metrics.learners import LEARNERS
from genloom.metrics.roc import Weights, area, bootstrapped


@dataclass(frozen=True)
class Detection(Comparison):
    """How well a classifier tells candidates from real rows: 0.5 where it cannot, 1 where it always does.

    Well below 0.5 it takes candidates for real, because they are copies of real rows that it has seen.

    Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017, https://arxiv.org/abs/1610.06545; here by the
    area under the ROC curve, which does not depend on how many there are of either. The rows are divided into folds;
    those of each are told apart by a classifier of the others, and the areas are averaged.

    The interval is a bootstrap's over all rows with these classifiers.

    Args:
        folds: parts of the rows.
    """

    kind = TableContent
    also = ("train",)
    quantities: ClassVar = {f"detection_{learner.name}": Direction.NONE for learner in LEARNERS}

    folds: Count = 5

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return the area of each learner."""
        from sklearn.model_selection import StratifiedKFold

        rows = torch.cat([reference.images.content, candidate.images.content])
        is_candidate = np.arange(len(rows)) >= len(reference)
        content = TableContent.of(evidence.content).neutral(evidence.real("train", candidate.extractor).images.content)
        folds = list(StratifiedKFold(self.folds, shuffle=True, random_state=0).split(rows, is_candidate))
        scores: dict[str, Score] = {}
        for each in LEARNERS:
            found = np.zeros(len(rows))
            for train, test in folds:
                classes = is_candidate[train].astype(np.int64)
                found[test] = each(content).probabilities(rows[train], classes, rows[test], 2)[:, 1]

            def quantity(
                weights: Weights, found: Float64[np.ndarray, " rows"] = found
            ) -> Float64[np.ndarray, " draws"]:
                areas = [area(is_candidate[test], found[test], weights[:, test]) for _, test in folds]
                return np.mean(areas, axis=0)

            details = {"real": len(reference), "candidates": len(candidate), "folds": self.folds}
            scores[f"detection_{each.name}"] = Score(*bootstrapped(quantity, len(rows)), details)
        return scores
