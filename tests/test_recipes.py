"""Every recipe trains, in every precision: composed as the command line does it, on a little data of the right kind.

On the CPU, where PyTorch's autocast covers fewer operations than on a GPU; the mixtures of types are the same.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.plugins import MixedPrecision

import nowhere
from genloom import devices
from genloom.config.composition import Composer
from genloom.config.directory import config_directory
from genloom.config.instantiate import instantiate
from genloom.data.base import InMemoryData, Split
from genloom.data.images.base import ImageData, Images
from genloom.models.closed_form import ClosedForm
from genloom.models.training.capture import Capture
from genloom.models.training.family import Family
from genloom.objectives.loss import Loss

EXPERIMENTS = ["default", *Composer("train", config_directory()).options("experiment")]
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
COLOURED = ("cifar10", "stacked_digits")


class StandIn(ImageData):
    """Labelled noise of a picture data set's shape."""

    classes = tuple("0123456789")

    def __init__(self, channels: int, **images: Any) -> None:
        super().__init__(**images)
        self.channels = channels

    def read(self, split: Split) -> Images:
        shape = (64, self.channels, self.size, self.size)
        pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        return Images(pixels, {"label": torch.arange(64) % 10})


@pytest.fixture(scope="module")
def train() -> Composer:
    return Composer("train", config_directory())


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "input.txt"
    path.write_text("To be, or not to be: that is the question.\n" * 200, encoding="utf-8")
    return path


def small(node: DictConfig, size: int, text: Path) -> InMemoryData:
    """Return data of the same shape, little of it, in small batches."""
    if node.name == "ring":
        changes = {"num": 100}
    elif "look_back" in node:
        changes = {"path": None, "num_series": 2, "length": 1800, "splits": [0.5, 0.2, 0.3]}
    elif "split_seed" in node:
        changes = {}  # tables are small
    elif "vocabulary" in node:
        changes = {"path": str(text), "length": 16, "context": 8}
    else:
        kept = {key: node.get(key) for key in ("name", "domain", "binarize")}
        return StandIn(3 if node.name in COLOURED else 1, size=size, batch_size=4, **kept)
    return instantiate(DictConfig({**OmegaConf.to_container(node, resolve=True), "batch_size": 4, **changes}), "data")


def build(train: Composer, experiment: str, text: Path) -> tuple[Family, InMemoryData]:
    config = train.compose(train.parse([] if experiment == "default" else [f"experiment={experiment}"]))
    attends = "attention_size" in config.model.get("generator", {})  # to a map of 16 pixels
    data = small(config.data, 32 if attends else 8, text)
    scheduler = instantiate(config.scheduler, "scheduler") if config.scheduler else None
    optimizer = instantiate(config.optimizer, "optimizer")
    parts = {"optimizer": optimizer, "scheduler": scheduler, "seed": 0}
    if config.model.get("first_stage"):  # a checkpoint's path, where the recipe trained one before
        parts["first_stage"] = build(train, "mnist/autoencoder", text)[0]
    model = instantiate(config.model, "model", spec=data.describe(), **parts)
    data.prepare_training(batches_per_iteration=model.batches_per_iteration)
    return model, data


@pytest.fixture(scope="module", params=EXPERIMENTS)
def built(request, train, text) -> tuple[Family, InMemoryData]:
    return build(train, request.param, text)


@pytest.mark.slow
def test_every_experiment_trains(built, fit, monkeypatch):
    model, data = built
    original, seen, said = model.step, [], []

    def step(player: str, losses: Iterator[Mapping[str, Loss]], **rest: Any) -> Any:
        def noted() -> Iterator[Mapping[str, Loss]]:
            for named in losses:
                seen.extend(loss.total.detach() for loss in named.values())
                yield named

        logged = original(player, noted(), **rest)
        said.extend(logged.values())  # NaN where there is nothing to say, or where half precision overflows
        return logged

    monkeypatch.setattr(model, "step", step)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for precision in PRECISIONS:
        plugins = [] if precision == "32-true" else [MixedPrecision(precision, "cpu")]
        trainer = fit(model, data, max_steps=1, plugins=plugins)
        assert trainer.global_step == 1
        if precision == "32-true":  # a closed form stands still once it has arrived
            assert any(not torch.equal(before[name], value) for name, value in model.named_parameters())
    assert {value.dtype for value in seen + said} == {torch.float32}, "a loss was rounded"
    assert all(math.isfinite(value) for value in seen)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            assert value.dtype == torch.float32 and value.isfinite().all(), name


@pytest.mark.slow
def test_replayed_iterations_are_those_that_are_launched(built, fit, replayed, monkeypatch, capsys):
    model, data = copy.deepcopy(built[0]), built[1]
    other = copy.deepcopy(model)
    monkeypatch.setattr(Capture, "rehearsals", 1)
    trainer = fit(model, data, max_steps=4)
    if isinstance(model, ClosedForm):  # one iteration arrives
        return
    if not replayed:
        assert "RMSprop counts its updates in Python" in capsys.readouterr().out  # on a CPU
        return
    assert replayed[0].why_not is None and replayed[0].num and trainer.global_step == 4
    monkeypatch.setattr(devices, "captures", lambda place: False)
    fit(other, data, max_steps=4)
    expected = other.state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.slow
def test_no_iteration_waits_for_the_device(built, fit, monkeypatch):
    model, data = built
    if isinstance(model, ClosedForm):  # one iteration, made on the CPU; then it is looked at whether it has arrived
        return
    kinds = (
        2 if len(model.players()) > 1 else 1
    )  # of iterations: all that is lazy is due in the first, little afterwards
    nowhere.train(model, data, fit, monkeypatch, steps=kinds)
