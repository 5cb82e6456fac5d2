import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genloom.extractors.reference_cache import ReferenceCache


class Counted:
    """Counts how often it had to compute."""

    calls = 0

    def __call__(self) -> dict[str, Tensor]:
        self.calls += 1
        return {"a": torch.arange(5.0), "empty": torch.empty(3, 0)}


def test_computes_once_per_key_also_for_the_next_process(tmp_path: Path) -> None:
    compute = Counted()
    for _ in range(3):
        stored = ReferenceCache(tmp_path).tensors({"k": 1}, compute)
        assert stored["a"].tolist() == [0, 1, 2, 3, 4] and stored["empty"].shape == (3, 0)
    assert compute.calls == 1
    ReferenceCache(tmp_path).tensors({"k": 2}, compute)
    assert compute.calls == 2
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"] * 2  # nothing half-written stays


@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_damaged_file_is_computed_again(tmp_path: Path, place: int) -> None:
    compute = Counted()
    ReferenceCache(tmp_path).tensors({"k": 1}, compute)
    (path,) = tmp_path.iterdir()
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 1
    path.write_bytes(damaged)
    assert ReferenceCache(tmp_path).tensors({"k": 1}, compute)["a"].tolist() == [0, 1, 2, 3, 4]
    path.write_bytes(path.read_bytes()[:-3])
    ReferenceCache(tmp_path).tensors({"k": 1}, compute)
    ReferenceCache(tmp_path).tensors({"k": 1}, compute)
    assert compute.calls == 3


def test_plain_data_comes_back_equal(tmp_path: Path) -> None:
    value = {"score": 0.1 + 0.2, "name": "é", "none": None, "list": [1, 2]}
    for _ in range(2):
        assert ReferenceCache(tmp_path).plain({"k": 1}, lambda: value) == value


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    cache, compute = ReferenceCache(tmp_path / "file" / "cache"), Counted()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert len(cache.tensors({"k": 1}, compute)["a"]) == 5
    assert len(caplog.records) == 1 and "cannot be written" in caplog.text


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENLOOM_CACHE", str(tmp_path))
    assert ReferenceCache().folder == tmp_path


class Parts:
    """Yields ten rows, three at a time, and counts how often it was asked for them."""

    calls = 0

    def __call__(self) -> Iterator[dict[str, Tensor]]:
        self.calls += 1
        for rows in torch.arange(20.0).view(10, 2).split(3):
            yield {"a": rows, "empty": rows[:, :0], "count": rows[:, 0].long()}


def test_rows_that_come_in_parts_are_mapped_from_a_file(tmp_path: Path) -> None:
    parts = Parts()
    for _ in range(2):
        stored = ReferenceCache(tmp_path).gathered({"k": 1}, 10, parts)
        assert torch.equal(stored["a"], torch.arange(20.0).view(10, 2))
        assert stored["empty"].shape == (10, 0) and torch.equal(stored["count"], torch.arange(0, 20, 2))
        assert str(tmp_path) in Path("/proc/self/maps").read_text(encoding="utf-8") or sys.platform != "linux"
        del stored
    assert parts.calls == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_rows_that_cannot_be_written_are_gathered_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        stored = ReferenceCache(tmp_path / "file" / "cache").gathered({"k": 1}, 10, Parts())
    assert torch.equal(stored["a"], torch.arange(20.0).view(10, 2)) and stored["empty"].shape == (10, 0)
    assert len(caplog.records) == 1 and "cannot be written" in caplog.text
