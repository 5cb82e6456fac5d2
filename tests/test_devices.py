"""What is asked of a GPU, by a stand-in for CUDA that answers as the real one does."""

import pytest
import torch

from genloom.devices import device, peak_memory, reset_peak_memory
from genloom.errors import ConfigError

GPU = torch.device("cuda", 0)


class Allocator:
    """CUDA's memory statistics: before CUDA was started, forgetting fails and nothing was used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.started = False
        self.peak = 300
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: self.started)
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda place: self.peak if self.started else 0)

    def reset(self, place: torch.device) -> None:
        if not self.started:
            raise RuntimeError("Invalid device argument 0: did you call init?")
        self.peak = 0


def test_the_memory_of_a_gpu_that_was_not_used_yet_is_forgotten_without_asking_it(monkeypatch):
    gpu = Allocator(monkeypatch)
    reset_peak_memory(GPU)
    assert peak_memory(GPU) == 0
    gpu.started = True
    assert peak_memory(GPU) == 300
    reset_peak_memory(GPU)
    assert peak_memory(GPU) == 0


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device("auto").type == device("cuda").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device("auto").type == "mps"
    with pytest.raises(ConfigError, match=r"'cuda' is not available here; use auto or one of cpu, mps"):
        device("cuda")
