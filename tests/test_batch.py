import pytest
import torch

from genloom.batch import Batch, Given
from genloom.contents.image import ImageBatch


def build(num: int) -> ImageBatch:
    return ImageBatch(
        content=torch.arange(num, dtype=torch.float32)[:, None, None, None].expand(num, 1, 4, 4),
        index=torch.arange(num) + 100,
        given=Given(label=torch.arange(num) % 3),
        mask=torch.arange(num) % 2 == 0,
    )


def test_length_is_the_number_of_examples() -> None:
    assert len(build(7)) == 7


@pytest.mark.parametrize(("num", "parts"), [(12, 1), (12, 4), (10, 4), (7, 3), (3, 3), (65, 32), (1001, 17)])
def test_chunks_are_even_and_keep_everything_in_order(num: int, parts: int) -> None:
    batch = build(num)
    chunks = batch.chunks(parts)
    assert len(chunks) == parts
    sizes = [len(chunk) for chunk in chunks]
    assert max(sizes) - min(sizes) <= 1
    assert all(type(chunk) is ImageBatch for chunk in chunks)
    assert torch.equal(torch.cat([chunk.content for chunk in chunks]), batch.content)
    assert torch.equal(torch.cat([chunk.index for chunk in chunks]), batch.index)
    assert torch.equal(torch.cat([chunk.given["label"] for chunk in chunks]), batch.given["label"])
    assert torch.equal(torch.cat([chunk.mask for chunk in chunks]), batch.mask)


def test_to_moves_every_tensor_and_leaves_the_original() -> None:
    batch = build(3)
    moved = batch.to("meta")
    assert type(moved) is ImageBatch
    assert {moved.content.device.type, moved.index.device.type, moved.mask.device.type} == {"meta"}
    assert moved.given["label"].device.type == "meta"
    assert batch.content.device.type == batch.given["label"].device.type == "cpu"


def test_what_is_absent_stays_absent() -> None:
    batch = Batch(torch.zeros(4, 2), torch.arange(4))
    moved, (first, _) = batch.to("cpu"), batch.chunks(2)
    assert not moved.given and not first.given and moved.mask is first.mask is None


def test_a_batch_can_be_changed_by_a_precision_plugin() -> None:
    # Lightning's 64-true and bf16-true precision assign to the fields of a dataclass that it finds in a batch.
    from lightning_utilities.core.apply_func import apply_to_collection

    converted = apply_to_collection(build(2), torch.Tensor, lambda tensor: tensor.double())
    assert converted.content.dtype == torch.float64
