"""How far each column is from that of real rows, by itself."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from genloom.contents.columns.base import Column
from genloom.contents.table import TableContent
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score


@dataclass(frozen=True)
class Marginals(Comparison):
    """The mean distance of a column's distribution from that of the real one's, from 0 to 1.

    Of numbers and dates it is the Kolmogorov-Smirnov statistic, the largest difference of the two distribution
    functions, of categories the total variation, half the sum of the differences of their shares. A missing cell
    counts as a number above all others, and as a category. Few rows of one distribution are some way apart: the floor
    says how far.
    """

    kind = TableContent
    quantities: ClassVar = {"marginals": Direction.LOWER}

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return the mean; the distance of each column is among the details."""
        columns = TableContent.of(evidence.content).columns
        distances = {
            column.name: distance(column, reference.images.content[:, place], candidate.images.content[:, place])
            for place, column in enumerate(columns)
        }
        return {"marginals": Score(sum(distances.values()) / len(distances), details={"by_column": distances})}


def distance(column: Column, ours: Float64[Tensor, " rows"], others: Float64[Tensor, " others"]) -> float:
    """Return the Kolmogorov-Smirnov statistic of stored cells, or their total variation."""
    ours, others = (cells.nan_to_num(torch.inf) for cells in (ours, others))
    places, index = torch.cat([ours, others]).unique(return_inverse=True)
    first, second = (
        np.bincount(part.numpy(), minlength=len(places)) / len(part) for part in index.split([len(ours), len(others)])
    )
    if column.is_measured:
        return float(np.abs(first.cumsum() - second.cumsum()).max())
    return float(np.abs(first - second).sum() / 2)
