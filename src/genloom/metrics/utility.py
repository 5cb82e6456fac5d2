"""What samples are worth to whoever trains a model on them in place of real rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int64

from genloom.contents.table import TableContent
from genloom.extractors.features import FeatureExtractor
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.metrics.learners import LEARNERS
from genloom.metrics.roc import Weights, area, bootstrapped

Quantity = Callable[[Weights], Float64[np.ndarray, " draws"]]


@dataclass(frozen=True)
class TrainOnSynthetic(Comparison):
    """Train on synthetic, test on real: how well the target is predicted for held-out rows, by a model of samples.

    Esteban et al., Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs, 2017, section 4,
    https://arxiv.org/abs/1706.02633. There are as many samples as rows in the reference, and the floor is what a model
    of the reference itself scores. Of a target of categories it is the area under the ROC curve of each class against
    the rest, averaged over the classes that were held out; of one of numbers or dates R², the share of the held-out
    variance that is explained, below 0 where the mean explains more. Rows whose target is missing are left out.

    The interval is a bootstrap's over the held-out rows: it says what other rows of so many would change, and nothing
    of what other samples would.
    """

    kind = TableContent
    compares = "substitutes"
    against = "heldout"
    also = ("train",)
    stand_in = "reference"
    quantities: ClassVar = {f"tstr_{learner.name}": Direction.HIGHER for learner in LEARNERS}

    def why_not(self, extractor: FeatureExtractor, evidence: Evidence) -> str | None:
        """Only where a column is the target, and others may predict it."""
        if reason := super().why_not(extractor, evidence):
            return reason
        content = TableContent.of(evidence.content)
        if content.target is None:
            return "no column is the target; name the one that others would be used to predict: data.target=COLUMN"
        if len(content.columns) < 2:
            return f"there is no column but the target {content.target!r} to predict it from"
        return None

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return the score of each learner.

        Args:
            reference: held-out rows, to be tested on.
            candidate: rows to be trained on.
            evidence: has the training rows, by which cells are encoded.
        """
        content = TableContent.of(evidence.content)
        assert content.target is not None
        place = content.names.index(content.target)
        others = [column for column in range(len(content.columns)) if column != place]
        column = content.columns[place]
        told = replace(content, columns=tuple(content.columns[each] for each in others), target=None, orders=())
        told = told.neutral(evidence.real("train", candidate.extractor).images.content[:, others])
        train, test = (view.images.content for view in (candidate, reference))
        train, test = (rows[~rows[:, place].isnan()] for rows in (train, test))
        details = {
            "score": "R²" if column.is_measured else "area under the ROC curve, one class against the rest",
            "target": column.name,
            "trained_on": len(train),
            "tested_on": len(test),
        }
        if not len(train) or not len(test):
            return {name: Score(float("nan"), details=details) for name in self.quantities}
        wanted, given = test[:, place].numpy(), train[:, place].numpy()
        train, test = train[:, others], test[:, others]
        scores: dict[str, Score] = {}
        for each in LEARNERS:
            learner = each(told)
            if column.is_measured:
                quantity = explained(wanted, learner.values(train, given, test))
            else:
                found = learner.probabilities(train, given.astype(np.int64), test, column.width)
                quantity = mean_area(wanted.astype(np.int64), found)
            scores[f"tstr_{learner.name}"] = Score(*bootstrapped(quantity, len(test)), details)
        return scores


def explained(wanted: Float64[np.ndarray, " rows"], found: Float64[np.ndarray, " rows"]) -> Quantity:
    """Return R² as a function of the rows' weights; NaN where those that count are constant."""

    def quantity(weights: Weights) -> Float64[np.ndarray, " draws"]:
        mean = weights @ wanted / weights.sum(axis=1)
        around = (weights * (wanted - mean[:, None]) ** 2).sum(axis=1)
        return 1 - weights @ (wanted - found) ** 2 / np.where(around > 0, around, np.nan)

    return quantity


def mean_area(wanted: Int64[np.ndarray, " rows"], found: Float64[np.ndarray, "rows classes"]) -> Quantity:
    """Return the area under the curve, averaged over the classes that occur, as a function of the rows' weights."""
    occurring = np.unique(wanted)

    def quantity(weights: Weights) -> Float64[np.ndarray, " draws"]:
        areas = np.stack([area(wanted == each, found[:, each], weights) for each in occurring])
        return np.asarray(torch.from_numpy(areas).nanmean(dim=0))  # NaN, without a warning, where no class has one

    return quantity
