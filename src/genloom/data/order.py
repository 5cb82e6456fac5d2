"""The order in which examples are visited: a function of (seed, epoch), so that it needs no saved state."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from genloom import randomness
from genloom.limits import Count, Whole


class EpochOrder:
    """A permutation of the data per epoch.

    Args:
        num: examples in the split.
        seed: the run's seed; None keeps the stored order.
    """

    def __init__(self, num: Count, seed: Whole | None) -> None:
        self.num = num
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each one."""
        self.epoch = epoch

    def indices(self) -> np.ndarray:
        """Return the epoch's order with shape ``(num,)``."""
        if self.seed is None:
            return np.arange(self.num)
        return randomness.permutation(self.num, self.seed, "order", self.epoch).numpy()


class KeyedBatches:
    """Batches of an epoch, their sizes differing by at most one: each example is seen exactly once, and no batch is a
    remnant too small for batch statistics.

    Args:
        order: the epoch's order; named ``sampler`` because Lightning sets the epoch on a batch sampler's sampler.
        batch_size: the largest size of a batch, over all ranks.
        rank: this process; it takes every ``world_size``-th example of each batch.
        world_size: number of processes.

    Attributes:
        place: a device, to which the order of an epoch is copied before its first batch; None keeps it in main memory,
            as arrays, which loader processes take.
    """

    def __init__(self, order: EpochOrder, batch_size: Count, *, rank: int = 0, world_size: int = 1) -> None:
        self.sampler = order
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.place: torch.device | None = None
        self.skip = 0  # batches already seen in the epoch that a resumed run continues; used once

    def __len__(self) -> int:
        return -(-self.sampler.num // self.batch_size)

    def __iter__(self) -> Iterator[np.ndarray | Tensor]:
        skip, self.skip = self.skip, 0
        order = self.sampler.indices()
        if self.place is None:
            batches = np.array_split(order, len(self))
        else:
            batches = _on(self.place, order).tensor_split(len(self))
        for batch in batches[skip:]:
            yield batch[self.rank :: self.world_size]


def _on(place: torch.device, order: np.ndarray) -> Tensor:
    indices = torch.from_numpy(order)
    if place.type == "cuda":
        indices = indices.pin_memory()  # so that the program goes on while they are copied
    return indices.to(place, non_blocking=True)
