"""One choice of one value: what an example may be asked to be, of content that has choices among its values."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from genloom.contents.label import LabelContent


@dataclass(frozen=True)
class Levels(LabelContent):
    """The levels of all choices as the classes of one label: of a table, ``sex=F``.

    Args:
        classes: see :class:`~genloom.contents.label.LabelContent`.
        counts: training examples of each level.
        groups: by level, the number of the choice that it is a level of; neighbours are of the same.
        places: by level, its place among the encoded values, of content as one vector: 1 where an example has it.
    """

    groups: tuple[int, ...] = ()
    places: tuple[int, ...] = ()

    def draw(self, num: int, rng: torch.Generator) -> Int[Tensor, " num"]:
        """Return levels: of a choice that is drawn uniformly, one that is as frequent as in the training data."""
        shares = self.shares(torch.tensor(self.counts, dtype=torch.float64))
        return torch.multinomial(shares, num, replacement=True, generator=rng)

    def shares(self, weights: Float64[Tensor, " levels"]) -> Float64[Tensor, " levels"]:
        """Return the weight of each level as a share of its choice's."""
        groups = torch.tensor(self.groups)
        total = torch.zeros(int(groups.max()) + 1, dtype=weights.dtype).index_add(0, groups, weights)
        return weights / total[groups]
