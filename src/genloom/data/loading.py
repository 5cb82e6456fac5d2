"""From examples to batches: made on the GPU that trains, if the examples fit there; else in main memory, and copied."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from genloom.batch import Batch
from genloom.contents.base import Content
from genloom.contents.condition import Condition
from genloom.data.order import KeyedBatches
from genloom.devices import free_memory, main_memory
from genloom.errors import reason
from genloom.examples import Examples
from genloom.limits import Share, Whole
from genloom.printable import in_bytes
from genloom.spec import Spec

_Kind = TypeVar("_Kind", bound=DataLoader[Batch])
_log = logging.getLogger(__name__)
_ENCODED = 10_000  # examples that are encoded at a time, in double precision
_MOST_ENCODED = 1 / 4  # of main memory, that examples may take once they are encoded


def loader(
    examples: Examples, spec: Spec, batches: KeyedBatches, *, place: torch.device, gpu_share: Share, num_workers: Whole
) -> DataLoader[Batch]:
    """Return what yields the batches of training examples.

    Args:
        examples: as they are stored.
        spec: what they are.
        batches: which of them make a batch.
        place: the device that trains.
        gpu_share: what the examples may take of a GPU's free memory.
        num_workers: processes that make batches in main memory.
    """
    examples, spec = encoded(examples, spec)
    says = _log.warning if batches.rank == 0 else _log.debug
    if gpu_share > 0 and (free := free_memory(place)) is not None:
        moved = _moved(examples, spec, place, int(gpu_share * free))
        if isinstance(moved, Examples):
            says(f"{spec.name}: the {len(moved):,} training examples are on {place} ({in_bytes(moved.num_bytes)})")
            if num_workers:
                says(
                    f"data.num_workers: {num_workers} would make batches in main memory, and they are made on {place}; "
                    "leave it out, or set data.gpu_share=0"
                )
            batches.place = place
            return _loader(DataLoader, Batched(moved, spec), batches)
        says(f"{moved}; batches are made in main memory and copied")
    if place.type != "cuda":
        return _loader(DataLoader, Batched(examples, spec), batches, num_workers=num_workers)
    fetched = Gathered if Gathered.is_encoded_on(place, examples, spec) else Batched
    ahead = _loader(CopiedAhead, fetched(examples, spec), batches, num_workers=num_workers, pin_memory=True)
    ahead.place = place
    return ahead


def _loader(
    kind: type[_Kind], fetched: "Batched", batches: KeyedBatches, *, num_workers: int = 0, pin_memory: bool = False
) -> _Kind:
    return kind(
        fetched,
        batch_sampler=batches,  # pyright: ignore[reportArgumentType]  # indices of a whole batch each
        collate_fn=_whole,  # pyright: ignore[reportArgumentType]  # a batch is fetched whole
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=pin_memory,
    )


def encoded(examples: Examples, spec: Spec) -> tuple[Examples, Spec]:
    """Return examples of which nothing is left to encode that takes long, and what they are then.

    What would take too much of the main memory stays as it is stored.
    """
    kept, given = examples.given, spec.given
    for name, condition in spec.given.items():
        if name in kept and (values := _encoded(condition, kept[name].split(_ENCODED), len(examples))) is not None:
            assert condition.encoded is not None
            kept, given = {**kept, name: values}, {**given, name: condition.encoded}
    content = spec.content.encoded
    values = _encoded(spec.content, examples.parts(_ENCODED), len(examples))
    if content is None or values is None:
        return examples.with_given(kept) if kept is not examples.given else examples, replace(spec, given=given)
    return Examples(values, kept), replace(spec, content=content, given=given)


def _encoded(condition: Condition, stored: Iterable[Tensor], num: int) -> Tensor | None:
    """Return what all examples are once they are encoded; None where that is done batch by batch."""
    if (kind := condition.encoded) is None:
        return None
    if 4 * num * prod(kind.shape) > _MOST_ENCODED * main_memory():
        return None
    return torch.cat([condition.encode(part) for part in stored])


def _moved(examples: Examples, spec: Spec, place: torch.device, limit: int) -> Examples | str:
    """Return the examples in a GPU's memory; or why they can't be there, or batches can't be made of them there."""
    if (needed := examples.num_bytes + 8 * len(examples)) > limit:  # their order is an index of 8 bytes for each
        return (
            f"data.gpu_share: the {len(examples):,} training examples take {in_bytes(needed)}, above the limit of "
            f"{in_bytes(limit)} of what is free on {place}; raise it to have them there"
        )
    try:
        moved = examples.to(place)
        spec.batch(moved, torch.arange(1, device=place))
    except RuntimeError as error:  # an encoding of the user's own, say, with tensors of the CPU
        return f"{spec.name}: batches can't be made on {place} ({reason(error)})"
    return moved


class Batched(Dataset[Batch]):
    """Fetches a whole batch by one indexing operation, where the examples are."""

    def __init__(self, examples: Examples, spec: Spec) -> None:
        self.examples = examples
        self.spec = spec

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__(np.array([index]))

    def __getitems__(self, indices: np.ndarray | Tensor) -> Batch:
        return self.spec.batch(self.examples, torch.as_tensor(indices))

    def arrived(self, fetched: Batch) -> Batch:
        """Return what was fetched, once it is on the device that trains, as a model sees it."""
        return fetched


class Gathered(Batched):
    """Fetches a whole batch as it is stored, to be encoded where it goes: pixels are a quarter as large."""

    @classmethod
    def is_encoded_on(cls, place: torch.device, examples: Examples, spec: Spec) -> bool:
        """Whether these examples can be gathered here and encoded there."""
        if type(spec.content).batch is not Content.batch:  # windows of rows that they share, say
            return False
        some = cls(examples, spec)
        try:
            some.arrived(some[0].to(place))
        except RuntimeError:  # an encoding of the user's own with tensors of the CPU
            return False
        return True

    def __getitems__(self, indices: np.ndarray | Tensor) -> Batch:
        return self.spec.content.gathered(self.examples, torch.as_tensor(indices), self.spec.given)

    def arrived(self, fetched: Batch) -> Batch:
        """Encode it."""
        return self.spec.content.encode_batch(fetched, self.spec.given)


class CopiedAhead(DataLoader[Batch]):
    """Copies each batch to a GPU, by a stream of its own, while the one before is trained on.

    Attributes:
        place: the GPU.
    """

    dataset: Batched  # pyright: ignore[reportIncompatibleVariableOverride]
    place: torch.device

    def __iter__(self) -> Iterator[Batch]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Yield the batches on the GPU, each after the copying of the next has begun."""
        stream = torch.cuda.Stream(self.place)
        ahead: tuple[Batch, Any] | None = None
        for batch in super().__iter__():
            with torch.cuda.stream(stream):
                batch = self.dataset.arrived(batch.to(self.place, non_blocking=True))
                begun = batch, stream.record_event()
            if ahead is not None:
                yield self._arrived(*ahead)
            ahead = begun
        if ahead is not None:
            yield self._arrived(*ahead)

    def _arrived(self, batch: Batch, copied: Any) -> Batch:
        """Return a batch of which nothing is computed before its copy is there; only the GPU waits."""
        current = torch.cuda.current_stream(self.place)
        current.wait_event(copied)

        def used(tensor: Tensor) -> Tensor:
            tensor.record_stream(current)  # else its memory would be given to the copies ahead while it is in use
            return tensor

        return batch.map(used)


def _whole(batch: Batch) -> Batch:
    return batch
