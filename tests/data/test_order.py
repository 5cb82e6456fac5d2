"""Each example once an epoch, in an order that is a function of (seed, epoch) alone."""

from collections.abc import Callable
from itertools import chain

import numpy as np
import pytest
import torch

from genloom.contents.image import ImageBatch
from genloom.data.images.base import ImageData
from genloom.data.order import EpochOrder, KeyedBatches
from genloom.errors import ConfigError, DataError

Build = Callable[..., ImageData]


@pytest.fixture
def build(tiny_data: ImageData) -> Build:
    return lambda **arguments: type(tiny_data)(**{"name": "tiny", "batch_size": 32, **arguments})


@pytest.mark.parametrize("seed", [None, 0, 7])
@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize(
    ("num", "batch_size"), [(2, 1), (6, 6), (7, 3), (10, 100), (97, 32), (128, 32), (129, 32), (1000, 999)]
)
def test_each_example_once_in_even_batches(num: int, batch_size: int, world_size: int, seed: int | None) -> None:
    ranks = [
        list(KeyedBatches(EpochOrder(num, seed), batch_size, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    seen = [index for batches in ranks for batch in batches for index in batch]
    assert sorted(seen) == list(range(num))
    sizes = [sum(map(len, parts)) for parts in zip(*ranks, strict=True)]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == len(KeyedBatches(EpochOrder(num, seed), batch_size)) == -(-num // batch_size)


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_ranks_share_out_the_batches_of_one_process(world_size: int) -> None:
    alone = list(KeyedBatches(EpochOrder(103, 0), 20))
    ranks = [list(KeyedBatches(EpochOrder(103, 0), 20, rank=r, world_size=world_size)) for r in range(world_size)]
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert sorted(chain(*parts)) == sorted(whole)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def order(seed: int | None, epoch: int, num: int = 50) -> list[int]:
    epoch_order = EpochOrder(num, seed)
    epoch_order.set_epoch(epoch)
    return epoch_order.indices().tolist()


def test_order_is_a_function_of_seed_and_epoch() -> None:
    keys = [(seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    orders = {tuple(order(*key)) for key in keys}
    assert len(orders) == len(keys)
    torch.manual_seed(123)
    np.random.seed(123)
    assert {tuple(order(*key)) for key in keys} == orders


def test_no_seed_keeps_the_stored_order() -> None:
    assert order(None, 0) == order(None, 5) == list(range(50))


def test_every_position_is_reached_by_every_example() -> None:
    first = {order(0, epoch, num=6)[0] for epoch in range(100)}
    assert first == set(range(6))


@pytest.mark.parametrize("skip", [0, 1, 3, 4])
def test_skip_continues_exactly_and_once(skip: int) -> None:
    whole = [batch.tolist() for batch in KeyedBatches(EpochOrder(50, 0), 13)]
    resumed = KeyedBatches(EpochOrder(50, 0), 13)
    resumed.skip = skip
    assert [batch.tolist() for batch in resumed] == whole[skip:]
    assert [batch.tolist() for batch in resumed] == whole
    assert len(resumed) == len(whole) == 4


def epoch_of(data: ImageData) -> list[ImageBatch]:
    return list(data.train_dataloader())


def same(one: list[ImageBatch], other: list[ImageBatch]) -> bool:
    return all(
        torch.equal(a.index, b.index) and torch.equal(a.content, b.content) for a, b in zip(one, other, strict=True)
    )


def test_workers_do_not_change_batches(build: Build) -> None:
    assert same(epoch_of(build(num_workers=0)), epoch_of(build(num_workers=2)))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_seed_zero_is_a_seed(num_workers: int, build: Build) -> None:
    zero, again, one = (epoch_of(build(seed=seed, num_workers=num_workers)) for seed in (0, 0, 1))
    assert same(zero, again)
    assert not torch.equal(zero[0].index, one[0].index)
    assert not torch.equal(zero[0].index, torch.arange(len(zero[0])))


def test_batches_hold_the_images_at_their_index(build: Build) -> None:
    data = build()
    batches = epoch_of(data)
    assert sorted(torch.cat([batch.index for batch in batches]).tolist()) == list(range(100))
    for batch in batches:
        stored = data.split("train").content[batch.index]
        assert torch.equal(data.describe().content.decode(batch.content), stored)


def test_several_batches_an_iteration(build: Build) -> None:
    data = build(batch_size=10)
    data.prepare_training(batches_per_iteration=3)
    assert [len(batch) for batch in data.train_dataloader()] == [25, 25, 25, 25]


@pytest.mark.parametrize(("epoch", "seen"), [(0, 0), (0, 3), (2, 1), (1, 4)])
def test_a_resumed_loader_goes_on_where_it_stopped(epoch: int, seen: int, build: Build) -> None:
    def epochs(data: ImageData, first: int, last: int) -> list[ImageBatch]:
        loader = data.train_dataloader()
        batches = []
        for number in range(first, last):
            if number > first:
                loader.batch_sampler.sampler.set_epoch(number)  # as Lightning does
            batches += list(loader)
        return batches

    uninterrupted = epochs(build(), 0, 4)
    resumed = build()
    resumed.prepare_training(batches_per_iteration=1, continues_at=(epoch, seen))
    per_epoch = 4
    assert same(epochs(resumed, epoch + seen // per_epoch, 4), uninterrupted[epoch * per_epoch + seen :])


def test_fewer_images_than_a_batch_is_an_error(build: Build) -> None:
    with pytest.raises(DataError, match=r"100 training examples are fewer than one batch; set data.batch_size=100"):
        build(batch_size=101).train_dataloader()


def test_batch_size_below_one_is_an_error(build: Build) -> None:
    with pytest.raises(ConfigError, match=r"data.batch_size: 0 is below the limit of 1"):
        build(batch_size=0)
