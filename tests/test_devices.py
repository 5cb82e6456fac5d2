"""What is asked of a GPU, by a stand-in for CUDA that answers as the real one does."""

import os
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import Callback

from genloom.devices import device, free_memory, peak_memory, reset_peak_memory
from genloom.errors import ConfigError
from genloom.extractors.features import Pixels
from genloom.models.training.trainer import Trainer
from genloom.precision import tf32

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


def test_what_is_free_of_a_gpu_is_what_nobody_has_and_what_pytorch_keeps_for_what_comes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (1000, 8000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda place: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda place: 30)
    assert free_memory(GPU) == 1040
    assert free_memory(torch.device("cpu")) is None


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device("auto").type == device("cuda").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device("auto").type == "mps"
    with pytest.raises(ConfigError, match=r"'cuda' is not available here; use auto or one of cpu, mps"):
        device("cuda")


def on(place: str) -> SimpleNamespace:
    """A trainer on a device, of which only the device is asked."""
    return SimpleNamespace(world_size=1, global_rank=0, strategy=SimpleNamespace(root_device=torch.device(place)))


def test_batches_are_in_page_locked_memory_where_a_gpu_takes_them(monkeypatch, tiny_data):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("genloom.data.loading.free_memory", lambda place: 0)
    monkeypatch.setattr("genloom.data.loading.Gathered.is_encoded_on", lambda place, examples, spec: True)
    pinned = {}
    for place in ("cpu", "cuda:0"):
        tiny_data.trainer = on(place)
        pinned[place] = tiny_data.train_dataloader().pin_memory
    assert pinned == {"cpu": False, "cuda:0": True}


def test_a_gpu_takes_them_while_the_program_goes_on(monkeypatch, tiny_data, tiny_batch):
    moved = []
    monkeypatch.setattr(type(tiny_batch), "to", lambda batch, device, non_blocking: moved.append(non_blocking) or batch)
    for place in ("cpu", "cuda:0", "mps"):
        tiny_data.transfer_batch_to_device(tiny_batch, torch.device(place), 0)
    assert moved == [False, True, False]


@pytest.mark.parametrize(("place", "told"), [("cpu", "0"), ("cuda:0", "1")])
def test_a_training_on_the_cpu_does_not_look_for_a_gpu_at_each_step(monkeypatch, tiny_gan, place, told):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # as Lightning leaves it
    model = tiny_gan()
    model._device = torch.device(place)
    model.configure_optimizers()
    assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == told


def allowed() -> tuple[bool, bool]:
    """Return whether matrix products and convolutions may be computed by TF32."""
    return torch.get_float32_matmul_precision() != "highest", torch.backends.cudnn.allow_tf32


class Asked(Pixels):
    """Notes how it may compute while it looks."""

    seen = None

    def extract(self, images):
        self.seen = allowed()
        return super().extract(images)


def test_features_are_in_full_precision_whatever_training_allows():
    extractor, before = Asked(), allowed()
    with tf32(True):
        extractor(torch.zeros(2, 1, 4, 4, dtype=torch.uint8))
        assert allowed() == (True, True)
    assert extractor.seen == (False, False)
    assert allowed() == before


@pytest.mark.parametrize("chosen", [True, False])
def test_training_multiplies_by_tf32_only_if_it_may(tiny_gan, tiny_data, chosen):
    class Noting(Callback):
        def on_train_batch_end(self, trainer, *_):
            seen.append(allowed())

    seen, before = [], allowed()
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(tf32=chosen, accelerator="cpu", max_steps=1, max_epochs=-1, callbacks=[Noting()], **quiet)
    trainer.fit(tiny_gan(), tiny_data)
    assert seen == [(chosen, chosen)]
    assert allowed() == before


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("trainer=gpu", "trainer.accelerator: gpu is not available here; choose trainer=auto or trainer=cpu"),
        ("trainer=mps", "trainer.accelerator: mps is not available here; choose"),
        ("trainer.precision=bf16-true", "trainer.precision: bf16-true rounds the weights themselves"),
        ("trainer.tf32=perhaps", "trainer.tf32: 'perhaps' does not fit"),
        ("trainer.min_steps=3", "use trainer.max_steps"),
        ("trainer.precision=16-true", "choose trainer.precision=bf16-mixed or 16-mixed"),
    ],
)
def test_a_trainer_that_is_not_here_or_rounds_weights_is_refused_before_the_data_is_read(
    run, monkeypatch, override, remedy
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    code, _, err = run("train", "data=image_folder", "data.root=nowhere", override)
    assert (code, err.count("\n")) == (2, 1) and remedy in err, err
