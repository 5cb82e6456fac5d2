"""Batches that are made on a GPU, the CPU or the device meta being in its place: the same, and made there alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import tables
from genloom.batch import Batch
from genloom.contents.caption import CaptionCondition
from genloom.contents.image import Images
from genloom.contents.vector import VectorContent
from genloom.contents.vocabulary import Characters
from genloom.data.base import InMemoryData, Split
from genloom.data.images.base import ImageData
from genloom.data.images.digits import Digits
from genloom.data.images.folder import ImageFolder
from genloom.data.images.stacked import Stacked
from genloom.data.loading import Batched, CopiedAhead, Gathered, encoded
from genloom.data.order import EpochOrder, KeyedBatches
from genloom.data.ring import Ring
from genloom.data.series.series import Series
from genloom.data.texts.text import FromCharacters, Text
from genloom.data.turned import Turned
from genloom.errors import ConfigError
from genloom.examples import Windows

META = torch.device("meta")


class Captioned(ImageData):
    """Pictures with captions, in tokens of 8 bits."""

    classes = None

    def conditions(self) -> dict[str, Any]:
        return {"caption": CaptionCondition(5, Characters("abc"))}

    def read(self, split: Split) -> Images:
        rng = torch.Generator().manual_seed(0)
        tokens = torch.randint(0, 4, (30, 5), generator=rng, dtype=torch.uint8)
        return Images(torch.randint(0, 256, (30, 3, 4, 4), generator=rng, dtype=torch.uint8), {"caption": tokens})


def in_a_file(folder: Path) -> ImageFolder:
    rng = np.random.default_rng(0)
    for number in range(40):
        place = folder / "photos" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place)
    return ImageFolder(root=folder / "photos", storage="disk", cache_dir=folder / "cache", val_fraction=0.2)


def with_covariates(folder: Path) -> Series:
    lines = ["time,shop,size,sales,price,weather"]
    for shop, size in (("a", 3), ("b", 7)):
        for day in range(40):
            sales = "" if day in (5, 6, 20) else day % 7
            lines.append(f"2024-{1 + day // 28:02d}-{1 + day % 28:02d},{shop},{size},{sales},{day % 3},{day % 5}")
    (folder / "shops.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Series(
        path=folder / "shops.csv", series_id="shop", targets=["sales"], past_covariates=["weather"], gaps="fill",
        future_covariates=["price"], static_covariates=["size"], calendar=["weekday"], look_back=6, horizon=2,
    )  # fmt: skip


DATA: dict[str, Callable[[Path], InMemoryData]] = {
    "labelled pictures": lambda folder: Digits(name="digits", size=8),
    "pictures, once black and white": lambda folder: Digits(name="digits", size=8, binarize="static"),
    "pictures, black and white each time": lambda folder: Digits(name="digits", size=8, binarize="dynamic"),
    "pictures in colour": lambda folder: Stacked(name="stacked", source=Digits(name="digits", size=8), num=50),
    "pictures with captions": lambda folder: Captioned(name="captioned"),
    "pictures in a file": in_a_file,
    "points": lambda folder: Ring(name="ring", num=50),
    "rows": lambda folder: tables.mixed(folder, 60),
    "rows that are given a label and a number": lambda folder: tables.mixed(folder, 60, given=["city", "age"]),
    "series": lambda folder: Series(num_series=2, length=60, look_back=6, horizon=3),
    "series with covariates and gaps": with_covariates,
    "text": lambda folder: Text(vocabulary=FromCharacters(), path=written(folder), length=16, context=4),
    "labels of given pictures": lambda folder: Turned(
        name="turned", source=Digits(name="digits", size=8), models="label"
    ),
}


def written(folder: Path) -> Path:
    (folder / "text.txt").write_text("To be, or not to be: that is the question.\n" * 9, encoding="utf-8")
    return folder / "text.txt"


def build(kind: str, folder: Path = Path()) -> InMemoryData:
    made = DATA[kind](folder)
    made.batch_size = 16
    return made


@pytest.fixture(params=DATA)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> InMemoryData:
    return build(request.param, tmp_path)


def training(place: str = "cpu", rank: int = 0, world_size: int = 1) -> Any:
    strategy = SimpleNamespace(root_device=torch.device(place))
    return SimpleNamespace(strategy=strategy, global_rank=rank, world_size=world_size, global_step=3)


def free(monkeypatch: pytest.MonkeyPatch, num_bytes: int | None) -> None:
    """Let every device be a GPU with so much free memory."""
    monkeypatch.setattr("genloom.data.loading.free_memory", lambda place: num_bytes)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.name == "genloom.data.loading"]


def tensors(batch: Batch) -> list[Tensor]:
    found: list[Tensor] = []
    batch.map(lambda tensor: found.append(tensor) or tensor)
    return found


def epochs(data: InMemoryData, first: int, num: int) -> list[list[Tensor]]:
    loader = data.train_dataloader()
    found = []
    for epoch in range(first, first + num):
        if epoch > first:
            loader.batch_sampler.sampler.set_epoch(epoch)  # pyright: ignore  # as Lightning does
        found += [tensors(data.on_after_batch_transfer(batch, 0)) for batch in loader]
    return found


def alike(ours: list[list[Tensor]], theirs: list[list[Tensor]]) -> bool:
    return all(
        a.dtype == b.dtype and torch.equal(a, b)
        for one, other in zip(ours, theirs, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_batches_that_are_made_on_a_gpu_are_those_of_main_memory(data, monkeypatch):
    data.trainer = training()
    expected = epochs(data, 0, 2)
    free(monkeypatch, 10**9)
    assert alike(epochs(data, 0, 2), expected)
    per_epoch = len(expected) // 2
    data.prepare_training(batches_per_iteration=1, continues_at=(0, per_epoch + 1))  # within an epoch
    assert alike(epochs(data, 1, 1), expected[per_epoch + 1 :])


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_out_the_batches_that_are_made_on_gpus(world_size, monkeypatch):
    data = build("labelled pictures")
    data.trainer = training()
    whole = epochs(data, 0, 1)
    free(monkeypatch, 10**9)
    parts = []
    for rank in range(world_size):
        data.trainer = training(rank=rank, world_size=world_size)
        parts.append(epochs(data, 0, 1))
    for batch, *shared in zip(whole, *parts, strict=True):
        for place, values in enumerate(batch):
            for rank in range(world_size):
                assert torch.equal(shared[rank][place], values[rank::world_size])


class There(TorchDispatchMode):
    """Refuses what would have the CPU wait for a device, or copy to one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        name, found = func.overloadpacket.__name__, [each for each in (*args, made) if isinstance(each, Tensor)]
        if name in ("_local_scalar_dense", "nonzero", "masked_select", "item", "equal", "is_pinned"):
            raise AssertionError(f"{name}: the CPU would wait")
        if any(each.device != META for each in found):
            raise AssertionError(f"{name} of {[each.device for each in found]}: made on the CPU, or copied")
        return made


def test_a_batch_on_a_gpu_is_made_without_the_cpu(data, monkeypatch):
    free(monkeypatch, 10**9)
    data.trainer = training("meta")
    batches = iter(data.train_dataloader())
    next(batches)  # before it, the order of the epoch is copied
    with There():
        batch = next(batches)
    assert {each.device for each in tensors(batch)} == {META}


def test_what_would_wait_for_a_gpu_is_noticed(monkeypatch):
    data = build("points")
    free(monkeypatch, 10**9)
    data.trainer = training("meta")
    monkeypatch.setattr(VectorContent, "encode", lambda content, stored: stored * stored.new_tensor([1.0, 2.0]))
    batches = iter(data.train_dataloader())
    with pytest.raises(AssertionError, match="made on the CPU, or copied"), There():
        list(batches)


def test_a_training_on_a_gpu_is_that_of_main_memory(tiny_gan, tiny_labelled, fit, monkeypatch, caplog):
    def weights() -> Tensor:
        model = tiny_gan()
        fit(model, tiny_labelled, max_steps=15)
        return torch.nn.utils.parameters_to_vector(model.parameters())

    expected = weights()
    assert not said(caplog)
    free(monkeypatch, 10**9)
    assert torch.equal(weights(), expected)
    assert said(caplog) == ["tiny: the 100 training examples are on cpu (2,400 bytes)"]


def test_examples_stay_in_main_memory_where_that_is_asked_for_or_a_gpu_has_no_room(monkeypatch, caplog):
    data = build("labelled pictures")
    data.trainer = training()
    needed = data.split("train").num_bytes + 8 * len(data.split("train"))
    assert needed == 1097 * (64 + 8 + 8)
    free(monkeypatch, 4 * needed)
    assert data.train_dataloader().batch_sampler.place is not None  # pyright: ignore
    caplog.clear()
    free(monkeypatch, 4 * needed - 4)
    assert data.train_dataloader().batch_sampler.place is None  # pyright: ignore
    assert said(caplog) == [
        "data.gpu_share: the 1,097 training examples take 87,760 bytes, above the limit of 87,759 bytes of what is "
        "free on cpu; raise it to have them there; batches are made in main memory and copied"
    ]
    data.gpu_share = 1.0
    assert data.train_dataloader().batch_sampler.place is not None  # pyright: ignore
    caplog.clear()
    data.gpu_share = 0.0
    assert data.train_dataloader().batch_sampler.place is None  # pyright: ignore
    assert not said(caplog)


def test_processes_are_not_started_where_they_would_have_nothing_to_do(monkeypatch, caplog):
    data = Digits(name="digits", size=8, num_workers=1)
    data.trainer = training()
    assert data.train_dataloader().num_workers == 1
    free(monkeypatch, 10**9)
    assert data.train_dataloader().num_workers == 0
    assert said(caplog)[1:] == [
        "data.num_workers: 1 would make batches in main memory, and they are made on cpu; leave it out, or set "
        "data.gpu_share=0"
    ]


def test_only_the_first_rank_says_where_examples_are(monkeypatch, caplog):
    data = build("points")
    free(monkeypatch, 10**9)
    data.trainer = training(rank=1, world_size=2)
    data.train_dataloader()
    assert not said(caplog)


def test_what_can_be_encoded_on_the_cpu_only_is_copied(monkeypatch, caplog):
    data = build("points")
    scale = torch.tensor([2.0, 3.0])
    monkeypatch.setattr(VectorContent, "encode", lambda content, stored: stored * scale)
    free(monkeypatch, 10**9)
    data.trainer = training("meta")
    batch = next(iter(data.train_dataloader()))
    assert torch.equal(batch.content, data.split("train").content[batch.index] * scale)
    (line,) = said(caplog)
    assert line.startswith("ring: batches can't be made on meta (") and line.endswith("made in main memory and copied")


@pytest.mark.parametrize("gpu_share", [-0.1, 1.5])
def test_a_share_is_within_0_and_1(gpu_share):
    with pytest.raises(ConfigError, match=rf"data.gpu_share: {gpu_share} is not within 0 and 1"):
        Ring(name="ring", gpu_share=gpu_share)


# Rows of tables are encoded once


def test_rows_are_encoded_before_training(tmp_path, monkeypatch):
    data = build("rows that are given a label and a number", tmp_path)
    examples, spec = data.split("train"), data.describe()
    loader = data.train_dataloader()

    def refuse(*_: object) -> None:
        raise AssertionError("rows are encoded again")

    with monkeypatch.context() as patch:
        patch.setattr(type(spec.content), "encode", refuse)
        batches = list(loader)
    for batch in batches:
        expected = spec.batch(examples, batch.index)
        assert type(batch) is type(expected)
        assert alike([tensors(batch)], [tensors(expected)])


def test_rows_that_would_fill_the_memory_are_encoded_batch_by_batch(tmp_path, monkeypatch):
    data = build("rows that are given a label and a number", tmp_path)
    expected = [tensors(batch) for batch in data.train_dataloader()]
    width, num = data.describe().content.shape[0], len(data.split("train"))
    for memory, stays in ((16 * num * width, False), (16 * num * width - 1, True)):
        monkeypatch.setattr("genloom.data.loading.main_memory", lambda memory=memory: memory)
        loader = data.train_dataloader()
        assert (loader.dataset.examples.content.dtype == torch.float64) is stays  # pyright: ignore
        assert alike([tensors(batch) for batch in loader], expected)


# Batches that are copied ahead


class Streams:
    """Stand-in for CUDA: notes what is begun on the stream of the copies, and what waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Batch]) -> None:
        self.noted: list[str] = []
        self.copies = 0
        current = SimpleNamespace(wait_event=lambda event: self.noted.append(f"wait {event}"))
        monkeypatch.setattr(torch.cuda, "Stream", lambda place: self)
        monkeypatch.setattr(torch.cuda, "stream", self.entered)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda place: current)
        monkeypatch.setattr(kind, "to", lambda batch, *device, **how: self.copied(batch, *device, **how))
        monkeypatch.setattr(Tensor, "record_stream", lambda tensor, stream: self.noted.append("kept"), raising=False)

    @contextmanager
    def entered(self, stream: object) -> Iterator[None]:
        assert stream is self
        self.noted.append("in")
        yield
        self.noted.append("out")

    def copied(self, batch: Batch, device: torch.device, non_blocking: bool) -> Batch:
        assert non_blocking and device == torch.device("cuda", 0)
        self.copies += 1
        self.noted.append(f"copy {self.copies}")
        return batch

    def record_event(self) -> int:
        return self.copies


def copied_ahead(data: InMemoryData, monkeypatch: pytest.MonkeyPatch) -> CopiedAhead:
    """Return the loader of a training on a GPU that has no room for the examples."""
    monkeypatch.setattr(Gathered, "is_encoded_on", lambda place, examples, spec: True)
    free(monkeypatch, 0)
    data.trainer = training("cuda:0")
    loader = data.train_dataloader()
    assert isinstance(loader, CopiedAhead) and loader.pin_memory and loader.place == torch.device("cuda", 0)
    loader.pin_memory = False
    return loader


def test_the_next_batch_is_copied_while_one_is_trained_on(monkeypatch):
    data = build("points")
    expected = [tensors(batch) for batch in data.train_dataloader()]
    ahead = copied_ahead(data, monkeypatch)
    streams = Streams(monkeypatch, Batch)
    found = []
    for batch in ahead:
        found.append(tensors(batch))
        streams.noted.append(f"train {len(found)}")
    assert alike(found, expected) and len(found) == len(ahead) == 4
    kept = ["kept"] * 3  # content, index and label
    assert streams.noted == [
        *("in", "copy 1", "out", "in", "copy 2", "out", "wait 1", *kept, "train 1"),
        *("in", "copy 3", "out", "wait 2", *kept, "train 2"),
        *("in", "copy 4", "out", "wait 3", *kept, "train 3", "wait 4", *kept, "train 4"),
    ]


def test_what_is_copied_is_pixels_of_8_bits(monkeypatch):
    data = build("pictures with captions")
    expected = list(data.train_dataloader())
    ahead = copied_ahead(data, monkeypatch)
    Streams(monkeypatch, Batch)
    fetched = ahead.dataset[0]
    assert (fetched.content.dtype, fetched.given["caption"].dtype) == (torch.uint8, torch.uint8)
    found = list(ahead)
    assert [type(batch) for batch in found] == [type(batch) for batch in expected]
    assert alike(list(map(tensors, found)), list(map(tensors, expected)))


def test_whether_a_gpu_can_encode_what_is_gathered_is_tried(data, tmp_path):
    examples, spec = encoded(data.split("train"), data.describe())
    is_window = isinstance(examples, Windows)
    assert Gathered.is_encoded_on(META, examples, spec) is not is_window
    if not is_window:
        index = torch.arange(5)
        some, whole = Gathered(examples, spec), Batched(examples, spec)
        assert alike([tensors(some.arrived(some.__getitems__(index)))], [tensors(whole.__getitems__(index))])


def test_what_a_gpu_cannot_encode_is_encoded_before_it_is_copied(monkeypatch):
    data = build("points")
    scale = torch.tensor([2.0, 3.0])
    monkeypatch.setattr(VectorContent, "encode", lambda content, stored: stored * scale)
    assert not Gathered.is_encoded_on(META, data.split("train"), data.describe())


def test_an_order_on_a_gpu_is_copied_from_page_locked_memory_while_the_program_goes_on(monkeypatch):
    noted = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: noted.append("pinned") or tensor)
    real = Tensor.to

    def to(tensor: Tensor, device: torch.device, non_blocking: bool = False) -> Tensor:
        noted.append((device, non_blocking))
        return real(tensor, "cpu")

    monkeypatch.setattr(Tensor, "to", to)
    batches = KeyedBatches(EpochOrder(10, 0), 4)
    expected = [batch.tolist() for batch in batches]
    batches.place = torch.device("cuda", 1)
    assert [batch.tolist() for batch in batches] == expected
    assert noted == ["pinned", (torch.device("cuda", 1), True)]
