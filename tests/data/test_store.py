"""Pictures that are decoded into a file: killed, damaged, full disks, changed folders; read back by anyone."""

import errno
import logging
import multiprocessing
import os
import pickle
import re
import resource
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genloom.contents.image import Images
from genloom.data.images import decoding, mapped, store
from genloom.data.images.folder import Files, ImageFolder
from genloom.data.images.mapped import StoredImages
from genloom.errors import DataError

NUM = 60


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of random pictures of 8x8."""
    rng = np.random.default_rng(0)
    for number in range(NUM):
        place = tmp_path / "photos" / "ab"[number % 2] / f"{number:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place)
    return tmp_path / "photos"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def read(root: Path, **options: Any) -> ImageFolder:
    data = ImageFolder(
        root=root, **{"storage": "disk", "batch_size": 16, "val_fraction": 0.2, "test_fraction": 0.2, **options}
    )
    data.describe()
    return data


def folder_of(cache: Path) -> Path:
    (folder,) = (cache / "decoded").iterdir()
    return folder


def files_of(cache: Path) -> set[str]:
    return {file.name for file in folder_of(cache).iterdir()} - {".lock"}


def not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a picture is decoded."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a picture was decoded again")

    monkeypatch.setattr("genloom.data.images.folder.decode", refuse)


@pytest.fixture
def stored(photos: Path, cache: Path) -> StoredImages:
    images = read(photos).split("train")
    assert isinstance(images, StoredImages)
    return images


def test_it_is_what_is_in_memory(photos: Path, cache: Path) -> None:
    disk, memory = read(photos), read(photos, storage="memory")
    for split in ("train", "val", "test"):
        ours, theirs = disk.split(split), memory.split(split)
        assert isinstance(ours, StoredImages) and not isinstance(theirs, StoredImages)
        assert torch.equal(ours.content, theirs.content)
        assert torch.equal(ours.given["label"], theirs.given["label"])
        assert ours.fingerprint == theirs.fingerprint
    assert disk.fingerprint == memory.fingerprint
    whole, known = disk.whole_training_set(), memory.whole_training_set()
    assert isinstance(whole, StoredImages) and isinstance(whole.rows, range)  # no copy
    assert whole.fingerprint == known.fingerprint
    assert disk.describe() == memory.describe()
    ours, theirs = (next(iter(data.train_dataloader())) for data in (disk, memory))
    assert torch.equal(ours.content, theirs.content)
    assert torch.equal(ours.given["label"], theirs.given["label"])


@pytest.mark.parametrize(
    "index",
    [
        slice(3, 9), slice(None, None, 2), slice(2, 2), slice(-3, None), torch.tensor([5, 1, 1, 0]),
        torch.arange(100) % 3 == 0,
    ],
    ids=["slice", "every second", "none", "last", "places", "mask"],
)  # fmt: skip
def test_a_selection_is_another_view(stored: StoredImages, index: slice | torch.Tensor) -> None:
    if isinstance(index, torch.Tensor) and index.dtype == torch.bool:
        index = index[: len(stored)]
    plain = Images(stored.content.clone(), stored.given)
    for ours, theirs in ((stored[index], plain[index]), (stored[index][slice(1, 3)], plain[index][slice(1, 3)])):
        assert isinstance(ours, StoredImages)
        assert ours.shape == theirs.shape and len(ours) == len(theirs)
        assert torch.equal(ours.content, theirs.content)
        assert ours.fingerprint == theirs.fingerprint
        assert [len(part) for part in ours.parts(2)] == [len(part) for part in theirs.content.split(2)]
        if len(ours):
            last = torch.tensor([len(ours) - 1, 0])
            assert torch.equal(ours.content_at(last), theirs.content_at(last))


def test_a_resumed_run_goes_on_where_it_was_from_either(photos: Path, cache: Path) -> None:
    fetched = []
    for storage, num_workers in (("disk", 0), ("disk", 1), ("memory", 0)):
        data = read(photos, storage=storage, num_workers=num_workers)
        data.prepare_training(batches_per_iteration=1, continues_at=(1, 1))
        fetched.append(list(data.train_dataloader()))
    for ours, theirs in zip(fetched[0], fetched[2], strict=True):
        assert torch.equal(ours.content, theirs.content)
    for ours, theirs in zip(fetched[1], fetched[2], strict=True):
        assert torch.equal(ours.content, theirs.content)
    assert 0 < len(fetched[0]) < len(list(read(photos).train_dataloader()))  # not from the beginning


def test_slices_lie_in_the_map(stored: StoredImages) -> None:
    part = stored[slice(4, 8)].content
    assert part.data_ptr() == stored.content.data_ptr() + 4 * 3 * 8 * 8


def test_examples_are_added(stored: StoredImages) -> None:
    both = stored[slice(0, 3)] + stored[slice(5, 6)]
    assert isinstance(both, StoredImages)  # no copy
    assert torch.equal(both.content, stored.content[[0, 1, 2, 5]])
    assert torch.equal(both.given["label"], stored.given["label"][[0, 1, 2, 5]])


def test_pages_are_given_back(stored: StoredImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_DROPPED", 1000)
    before = stored.content.clone()
    drawn = torch.cat([stored.content_at(torch.tensor([place])) for place in range(len(stored))])
    assert torch.equal(drawn, before)


def test_pages_around_small_pictures_are_given_back_too(stored: StoredImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 192 bytes here and there, each of which maps 64 kB of the file."""
    monkeypatch.setattr(mapped, "_DROPPED", 4 * 2**16)
    stored.file._read = 0
    stored.content_at(torch.tensor([0, 9, 20, 30]))
    assert stored.file._read > 0
    stored.content_at(torch.tensor([7]))
    assert stored.file._read == 0


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_loader_processes_share_the_map(photos: Path, cache: Path, method: str) -> None:
    data = read(photos, num_workers=1)
    assert len(pickle.dumps(data.split("train"))) < 2000  # a path and labels, no pixels
    loader = data.train_dataloader()
    loader.multiprocessing_context = method
    fetched = torch.cat([batch.content for batch in loader])
    known = torch.cat([batch.content for batch in read(photos).train_dataloader()])
    assert torch.equal(fetched, known)


def test_later_runs_find_it(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    first = read(photos)
    assert "decoding 60 pictures of (3, 8, 8) into" in capfd.readouterr().err
    fingerprint = first.fingerprint
    assert files_of(cache) == {"pixels.u8", "store.json", "known.json"}
    not_decoded(monkeypatch)
    again = read(photos)
    assert again.classes == first.classes
    monkeypatch.setattr(StoredImages, "parts", lambda *_: pytest.fail("all pixels were read again"))
    assert again.fingerprint == fingerprint


def test_other_settings_have_a_file_of_their_own(photos: Path, cache: Path) -> None:
    read(photos), read(photos, size=4), read(photos, channels=1), read(photos, val_fraction=0.3)
    assert len(list((cache / "decoded").iterdir())) == 4
    assert read(photos, cache_dir=cache / "elsewhere").describe() == read(photos).describe()
    assert len(list((cache / "elsewhere" / "decoded").iterdir())) == 1


def test_a_deleted_one_is_decoded_again(photos: Path, cache: Path) -> None:
    fingerprint = read(photos).fingerprint
    for name in ("pixels.u8", "store.json", "known.json"):
        (folder_of(cache) / name).unlink()
    assert read(photos).fingerprint == fingerprint


def shortened(folder: Path) -> None:
    with (folder / "pixels.u8").open("r+b") as file:
        file.truncate(100)


def flipped(folder: Path) -> None:
    time.sleep(0.01)
    pixels = bytearray((folder / "pixels.u8").read_bytes())
    pixels[7] ^= 1
    (folder / "pixels.u8").write_bytes(pixels)


DAMAGES = {
    "no pixels": lambda folder: (folder / "pixels.u8").unlink(),
    "fewer pixels": shortened,
    "another pixel": flipped,
    "no JSON": lambda folder: (folder / "store.json").write_text("{"),
    "another JSON": lambda folder: (folder / "store.json").write_text("[]"),
    "of another version": lambda folder: (folder / "store.json").write_text('{"shape": null, "bad": [], "x": 1}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_named_and_decoded_again(
    damage: str, photos: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fingerprint = read(photos).fingerprint
    DAMAGES[damage](folder_of(cache))
    with caplog.at_level(logging.WARNING):
        assert read(photos).fingerprint == fingerprint
    (message,) = [record.getMessage() for record in caplog.records]
    assert str(folder_of(cache)) in message and "damaged" in message and str(photos) in message
    assert files_of(cache) == {"pixels.u8", "store.json", "known.json"}


def test_a_copy_is_as_good(photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint = read(photos).fingerprint
    os.utime(folder_of(cache) / "pixels.u8", (1, 1))
    not_decoded(monkeypatch)
    assert read(photos).fingerprint == fingerprint


def changed(path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)


@pytest.mark.parametrize("change", ["added", "changed", "removed"])
def test_a_changed_folder_is_noticed(change: str, photos: Path, cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = read(photos)
    old = before.split("train").content.clone()
    file = next(photos.rglob("*.png"))
    file.unlink() if change == "removed" else changed(photos / "a" / "new.png" if change == "added" else file)
    with caplog.at_level(logging.WARNING):
        after = read(photos)
    (message,) = [record.getMessage() for record in caplog.records]
    num = {"added": NUM + 1, "changed": NUM, "removed": NUM - 1}[change]
    assert f"{photos} changed since it was decoded: {num} pictures now, {NUM} then" in message
    memory = read(photos, storage="memory")
    assert all(after.split(name).fingerprint == memory.split(name).fingerprint for name in ("train", "val", "test"))
    assert torch.equal(before.split("train").content, old)  # whoever uses the old one keeps it


def elsewhere(work: Callable[[], object]) -> multiprocessing.Process:
    """Start a process that works and ends: a fork, which has imported everything."""
    process = multiprocessing.get_context("fork").Process(target=work)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
        process.start()
    return process  # pyright: ignore[reportReturnType]


def kill_at(photos: Path, moment: int) -> None:
    """Decode, and be killed after so many entries of the progress, one for each picture."""

    def decode() -> None:
        write, left = store._State.write, [moment]

        def counted(self: Any, path: Path) -> None:
            write(self, path)
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        store._State.write, store._SECONDS = counted, 0
        read(photos)

    process = elsewhere(decode)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("moment", [1, 30, NUM, NUM + 1, NUM + 2])
def test_a_killed_decode_continues(moment: int, photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_at(photos, moment)
    asked: list[int] = []
    decoded = Files.decoded
    monkeypatch.setattr(Files, "decoded", lambda self, first=0: (asked.append(first), decoded(self, first))[1])
    assert read(photos).fingerprint == read(photos, storage="memory").fingerprint
    began = [] if moment == NUM + 2 else [min(moment, NUM)]
    assert asked == [*began, 0]  # the last one in memory
    assert files_of(cache) == {"pixels.u8", "store.json", "known.json"}


def test_a_damaged_beginning_is_begun_again(photos: Path, cache: Path) -> None:
    kill_at(photos, 30)
    partial = folder_of(cache) / "pixels.partial"
    partial.write_bytes(bytes(len(partial.read_bytes())))
    assert read(photos).fingerprint == read(photos, storage="memory").fingerprint


def test_a_full_disk_is_one_line(photos: Path, cache: Path, tmp_path: Path) -> None:
    def decode() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 * 8 * 3 * NUM // 2, resource.RLIM_INFINITY))
        try:
            read(photos)
        except DataError as error:
            (tmp_path / "said").write_text(str(error))

    process = elsewhere(decode)
    process.join(60)
    assert re.fullmatch(
        r".*: the disk is full; make room.*data\.cache_dir.*data\.size", (tmp_path / "said").read_text()
    )
    assert files_of(cache) <= {"pixels.partial", "progress.json"}  # nothing that is called whole
    assert read(photos).fingerprint == read(photos, storage="memory").fingerprint  # there is room again


def test_too_little_room_is_said_before_anything_is_written(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=11_000))
    with pytest.raises(DataError, match=r"need 11,520 bytes, and 11,000 bytes are free there; make room, set data\."):
        read(photos)
    assert all(not file.stat().st_size for file in folder_of(cache).iterdir())


def test_an_unwritable_cache_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/decoded/.*cannot be written \(.*set data\.cache_dir"):
        read(photos, cache_dir=tmp_path / "file")


def test_colour_after_grey_makes_all_of_them_colour(photos: Path, cache: Path) -> None:
    for file in sorted(photos.rglob("*.png"))[:-1]:
        Image.open(file).convert("L").save(file)
    disk, memory = read(photos), read(photos, storage="memory")
    assert disk.split("train").shape[1] == 3
    assert disk.fingerprint == memory.fingerprint


def test_sizes_that_differ_are_named_also_by_whoever_continues(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = max(path.name for path in photos.rglob("*.png"))
    (odd,) = photos.rglob(last)
    Image.open(odd).resize((9, 8)).save(odd)
    monkeypatch.setattr(store, "_SECONDS", 0)
    messages = set()
    for _ in range(2):
        with pytest.raises(
            DataError, match=r"differ in size: a/\d+.png is 8x8, b/059.png is 9x8; set data.size"
        ) as error:
            read(photos)
        messages.add(str(error.value))
    assert len(messages) == 1


def test_two_at_once_decode_once(photos: Path, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    both = [elsewhere(lambda: read(photos)) for _ in range(2)]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert capfd.readouterr().err.count("decoding 60 pictures") == 1


def test_processes_decode_the_same(photos: Path, cache: Path) -> None:
    (photos / "a" / "bad.png").write_text("no picture")
    disk = read(photos, decoders=2, on_bad="skip")
    memory = read(photos, storage="memory", decoders=0, on_bad="skip")
    assert disk.fingerprint == memory.fingerprint
    assert disk.skipped == memory.skipped == [(photos / "a" / "bad.png", "not an image of a known format")]
    assert read(photos, on_bad="skip").skipped == memory.skipped  # found again


def test_a_process_that_is_killed_is_named(photos: Path) -> None:
    with pytest.raises(DataError, match=r"data\.decoders: a process.*data\.decoders=0"):
        list(decoding.decode([1] * 40, 40, os._exit, 1))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("binarize", ["static", "dynamic"])
def test_pixels_are_drawn_into_a_file_as_in_memory(
    binarize: str, photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "REDRAWN", 7)
    disk, memory = (read(photos, binarize=binarize, storage=storage) for storage in ("disk", "memory"))
    for split in ("train", "test"):
        drawn = disk.modelled(split)
        assert isinstance(drawn, StoredImages) and set(drawn.content.unique().tolist()) == {0, 255}
        assert drawn.fingerprint == memory.modelled(split).fingerprint != disk.split(split).fingerprint
    ours, theirs = (next(iter(data.train_dataloader())) for data in (disk, memory))
    assert torch.equal(ours.content, theirs.content)
    made = [name for name in files_of(cache) if name.endswith(mapped.REDRAWN_END)]
    assert len(made) == 2

    def refuse(*_: Any) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr("genloom.data.images.base._uniform_pixels", refuse)
    again = read(photos, binarize=binarize)
    assert again.modelled("test").fingerprint == disk.modelled("test").fingerprint
    for name in made:
        os.utime(folder_of(cache) / name)
    with pytest.raises(AssertionError, match="drawn again"):
        again.modelled("train")


def test_a_full_disk_while_pixels_are_drawn_is_one_line_and_a_changed_folder_leaves_nothing(
    photos: Path, cache: Path
) -> None:
    read(photos).split("train").redrawn("kept", lambda part: part)
    data = read(photos)

    def full(part: torch.Tensor) -> torch.Tensor:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"decoded.*: the disk is full; make room"):
        data.split("train").redrawn("lost", full)
    changed(photos / "a" / "new.png")
    read(photos)
    assert files_of(cache) <= {"pixels.u8", "store.json", "known.json"}
