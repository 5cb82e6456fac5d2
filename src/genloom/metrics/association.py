"""How strongly columns go together, two by two, and whether they do so as in real rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from genloom.contents.columns.base import Column
from genloom.contents.table import TableContent
from genloom.extractors.features import FeatureExtractor
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score

Cells = Float64[np.ndarray, " rows"]


@dataclass(frozen=True)
class Association(Comparison):
    """The mean absolute difference between the association of two columns in real rows and in the candidate's.

    See :func:`associations` for what that is of which columns.
    """

    kind = TableContent
    quantities: ClassVar = {"association": Direction.LOWER}

    def why_not(self, extractor: FeatureExtractor, evidence: Evidence) -> str | None:
        """A single column has none."""
        if reason := super().why_not(extractor, evidence):
            return reason
        content = TableContent.of(evidence.content)
        return "a single column has no association" if len(content.columns) < 2 else None

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return the mean over all pairs; the pair that differs most is among the details."""
        columns = TableContent.of(evidence.content).columns
        real, ours = (associations(columns, view.images.content) for view in (reference, candidate))
        pairs = np.triu_indices(len(columns), 1)
        differences = np.abs(real - ours)[pairs]
        a, b = (int(side[differences.argmax()]) for side in pairs)
        worst = {
            "columns": [columns[a].name, columns[b].name],
            "real": float(real[a, b]),
            "candidate": float(ours[a, b]),
        }
        return {"association": Score(float(differences.mean()), details={"worst": worst, "pairs": len(differences)})}


def associations(
    columns: Sequence[Column], stored: Float64[Tensor, "rows columns"]
) -> Float64[np.ndarray, "columns columns"]:
    """Return the association of each two columns, over the rows in which both have a cell; 1 on the diagonal.

    Of two of numbers or dates it is Pearson's correlation, from -1 to 1; of two of categories Cramér's V, the root of
    χ² / (n (min(r, c) − 1)) for r and c levels that occur (Cramér, Mathematical Methods of Statistics, 1946), and of
    one of each the correlation ratio η, the root of the share of the number's variance that lies between the
    categories, both from 0 to 1. Where one of them is constant it is 0.
    """
    rows = stored.numpy()
    matrix = np.eye(len(columns))
    for a, b in combinations(range(len(columns)), 2):
        both = ~np.isnan(rows[:, [a, b]]).any(axis=1)
        first, second = rows[both, a], rows[both, b]
        matrix[a, b] = matrix[b, a] = _association(columns[a], first, columns[b], second)
    return matrix


def _association(one: Column, first: Cells, other: Column, second: Cells) -> float:
    if len(first) < 2 or (first == first[0]).all() or (second == second[0]).all():
        return 0.0
    if one.is_measured and other.is_measured:
        return pearson(first, second)
    if not (one.is_measured or other.is_measured):
        return cramers_v(first, second)
    return correlation_ratio(first, second) if other.is_measured else correlation_ratio(second, first)


def pearson(first: Cells, second: Cells) -> float:
    """Return the correlation of two that are not constant."""
    first, second = first - first.mean(), second - second.mean()
    return float(first / np.linalg.norm(first) @ (second / np.linalg.norm(second)))


def cramers_v(first: Cells, second: Cells) -> float:
    """Return Cramér's V of two that are not constant."""
    (rows, a), (columns, b) = (np.unique(cells, return_inverse=True) for cells in (first, second))
    observed = np.bincount(a * len(columns) + b, minlength=len(rows) * len(columns)).reshape(len(rows), len(columns))
    expected = np.outer(observed.sum(1), observed.sum(0)) / len(first)
    chi_squared = ((observed - expected) ** 2 / expected).sum()
    return float(np.sqrt(chi_squared / (len(first) * (min(observed.shape) - 1))))


def correlation_ratio(categories: Cells, values: Cells) -> float:
    """Return η of values that are not constant."""
    _, group = np.unique(categories, return_inverse=True)
    values = values - values.mean()
    sums, counts = np.bincount(group, values), np.bincount(group)
    return float(np.sqrt((sums**2 / counts).sum() / (values @ values)))
