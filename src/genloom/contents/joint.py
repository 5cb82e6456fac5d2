"""Conditions that are drawn together, as they occur together in the training examples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from genloom import randomness
from genloom.contents.condition import Condition
from genloom.part import Part

_MOST = 1000  # combinations that are kept: beyond, those of so many examples


@dataclass(frozen=True)
class Joint(Part):
    """Which classes of several labels occur together, and how often.

    Args:
        names: of the conditions.
        combinations: a class of each.
        counts: training examples of each combination.
    """

    names: tuple[str, ...]
    combinations: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]

    def draw(self, num: int, rng: torch.Generator, known: Mapping[str, Tensor]) -> dict[str, Int64[Tensor, " num"]]:
        """Return classes of all conditions, those that are known among them: the others given these.

        An example whose known classes occur in no combination has any other classes, as frequent as they are in all.

        Args:
            num: how many.
            rng: on the CPU.
            known: classes of some of the conditions, with shape (num,).
        """
        combinations, counts = torch.tensor(self.combinations), torch.tensor(self.counts, dtype=torch.float64)
        places = [place for place, name in enumerate(self.names) if name in known]
        told = torch.stack([known[self.names[place]].cpu() for place in places], 1) if places else torch.zeros(num, 0)
        chosen = torch.empty(num, dtype=torch.long)
        for classes in told.unique(dim=0) if places else told[:1]:
            rows = (told == classes).all(1)
            fits = (combinations[:, places] == classes).all(1)
            weights = counts * fits if fits.any() else counts
            chosen[rows] = torch.multinomial(weights, int(rows.sum()), replacement=True, generator=rng)
        drawn = dict(zip(self.names, combinations[chosen].unbind(1), strict=True))
        return {**drawn, **{self.names[place]: known[self.names[place]] for place in places}}


def joint(conditions: Mapping[str, Condition], given: Mapping[str, Any]) -> Joint | None:
    """Return how the labels among conditions occur together; None of fewer than two.

    Args:
        conditions: by name.
        given: what the training examples are given, stored.
    """
    names = [name for name, each in conditions.items() if each.is_drawn and each.names and name in given]
    if len(names) < 2:
        return None
    rows = torch.stack([given[name].long() for name in names], dim=1)
    found, counts = rows.unique(dim=0, return_counts=True)
    if len(found) > _MOST:
        some = randomness.permutation(len(rows), "joint")[:_MOST]
        found, counts = rows[some].unique(dim=0, return_counts=True)
    return Joint(tuple(names), tuple(map(tuple, found.tolist())), tuple(counts.tolist()))
