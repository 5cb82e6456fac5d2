"""What several tests build."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from genloom import cli, devices
from genloom.bottlenecks.gaussian import Gaussian
from genloom.contents.image import ImageBatch, ImageContent
from genloom.data.base import InMemoryData, Split
from genloom.data.images.base import ImageData, Images
from genloom.data.images.digits import Digits
from genloom.diffusion.prediction import Velocity
from genloom.diffusion.process import RectifiedFlow
from genloom.distributions.latents import StandardNormal
from genloom.distributions.likelihoods.gaussian import LearnedGaussian
from genloom.extractors.digits import DigitsExtractor
from genloom.extractors.features import Features, Pixels
from genloom.judging.evidence import Evidence, View
from genloom.models.diffusion import Diffusion
from genloom.models.gan import GAN
from genloom.models.training.capture import Capture
from genloom.models.training.family import Family
from genloom.models.vae import VAE
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.networks.dense import DenseDecoder, DenseDiscriminator, DenseEncoder, DenseGenerator
from genloom.objectives.denoising import Denoising
from genloom.objectives.gan import NonSaturating
from genloom.objectives.vae import Elbo
from genloom.spec import Spec
from graphs import RecordedGraph

torch.set_num_threads(1)

Command = Callable[..., tuple[int, str, str]]


class TinyImages(ImageData):
    """A hundred random images of 4x4."""

    classes = None

    def read(self, split: Split) -> Images:
        rng = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
        return Images(torch.randint(0, 256, (100, 1, 4, 4), generator=rng, dtype=torch.uint8))


@pytest.fixture
def tiny_data() -> TinyImages:
    return TinyImages(name="tiny", batch_size=10)


class TinyLabelled(TinyImages):
    """The same, with two classes."""

    classes = ("0", "1")

    def read(self, split: Split) -> Images:
        images = super().read(split)
        return Images(images.content, {"label": torch.arange(len(images)) % 2})


@pytest.fixture
def tiny_labelled() -> TinyImages:
    return TinyLabelled(name="tiny", batch_size=10)


@pytest.fixture
def tiny_spec() -> Spec:
    return Spec("tiny", ImageContent(1, 4, 4), num_examples=100)


adam = partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999))


@pytest.fixture
def tiny_gan(tiny_spec: Spec) -> Callable[..., GAN]:
    """Builds a fully connected GAN without batch statistics, so that nothing couples the examples of a batch."""

    def build(**changes: Any) -> GAN:
        torch.manual_seed(0)
        arguments: dict[str, Any] = {
            "generator": partial(DenseGenerator, widths=[8]),
            "discriminator": partial(DenseDiscriminator, widths=[8]),
            "latent": StandardNormal(3),
            "objective": {"non_saturating": NonSaturating()},
            "optimizer": {"generator": adam, "discriminator": adam},
            **changes,
        }
        return GAN(arguments.pop("spec", None) or tiny_spec, **arguments)

    return build


@pytest.fixture
def tiny_vae(tiny_spec: Spec) -> Callable[..., VAE]:
    """Builds a fully connected VAE."""

    def build(**changes: Any) -> VAE:
        torch.manual_seed(0)
        arguments: dict[str, Any] = {
            "encoder": partial(DenseEncoder, widths=[8]),
            "decoder": partial(DenseDecoder, widths=[8]),
            "bottleneck": partial(Gaussian, dim=3),
            "likelihood": LearnedGaussian,
            "objective": Elbo(),
            "optimizer": {"autoencoder": adam},
            **changes,
        }
        return VAE(arguments.pop("spec", None) or tiny_spec, **arguments)

    return build


@pytest.fixture
def tiny_diffusion(tiny_spec: Spec) -> Callable[..., Diffusion]:
    """Builds a fully connected rectified flow."""

    def build(**changes: Any) -> Diffusion:
        torch.manual_seed(0)
        arguments: dict[str, Any] = {
            "network": partial(DenseDenoiser, width=16, blocks=1),
            "process": RectifiedFlow(),
            "prediction": Velocity(),
            "objective": Denoising(),
            "optimizer": {"denoiser": adam},
            **changes,
        }
        return Diffusion(arguments.pop("spec", None) or tiny_spec, **arguments)

    return build


@pytest.fixture
def fit(tmp_path: Any) -> Callable[..., pl.Trainer]:
    """Trains on the CPU, silently."""

    def train(model: Family, data: ImageData, **arguments: Any) -> pl.Trainer:
        if isinstance(data, InMemoryData):  # and no plain loader
            data.prepare_training(batches_per_iteration=model.batches_per_iteration)
        chosen: dict[str, Any] = {
            "accelerator": "cpu",
            "max_epochs": -1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "use_distributed_sampler": False,
            "log_every_n_steps": 1,
            "default_root_dir": str(tmp_path),
            **arguments,
        }
        trainer = pl.Trainer(**chosen)
        trainer.fit(model, data)
        return trainer

    return train


@pytest.fixture
def tiny_batch(tiny_data: TinyImages) -> ImageBatch:
    return next(iter(tiny_data.train_dataloader()))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process, in an empty folder; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENLOOM_CACHE", str(tmp_path / "cache"))

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["genloom", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, output.out, output.err

    return command


class Colours(ImageData):
    """Smooth random colour pictures of 20x20: 60 for training, 30 for validation, 40 for test."""

    classes = None

    def read(self, split: Split) -> Images:
        num = {"train": 60, "val": 30, "test": 40}[split]
        rng = torch.Generator().manual_seed(num)
        coarse = torch.rand(num, 3, 4, 4, generator=rng)
        return Images((torch.nn.functional.interpolate(coarse, size=(20, 20), mode="bilinear") * 255).byte())


@pytest.fixture
def colours() -> Colours:
    return Colours(name="colours")


@pytest.fixture(scope="session")
def digits() -> Digits:
    return Digits(name="digits", size=32, domain="handwritten_digits")


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    root = os.environ.get("GENLOOM_DATA")
    if not root or not (Path(root) / "MNIST").is_dir():
        pytest.skip("GENLOOM_DATA names no folder that holds MNIST")
    return Path(root)


@pytest.fixture
def view() -> Callable[..., View]:
    """Builds a view whose features are given."""

    def build(vectors: Tensor, logits: Tensor | None = None) -> View:
        images = Images(torch.arange(len(vectors) * 4, dtype=torch.int64).to(torch.uint8).view(-1, 1, 2, 2))
        extractor = Pixels() if logits is None else DigitsExtractor()
        built = View(images, extractor)
        empty = torch.empty(len(vectors), 0)
        built.features = Features(vectors.float(), empty if logits is None else logits.float())
        return built

    return build


@pytest.fixture
def nothing() -> Evidence:
    """What metrics get that look at no further set."""
    return Evidence(ImageContent(1, 4, 4), {}, {})


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> list[Capture]:
    """Have models captured on the CPU, and return the captures."""
    made: list[Capture] = []

    def capture(*parts: Any) -> Capture:
        made.append(Capture(*parts))
        return made[-1]

    def one_hot(labels: Tensor, num_classes: int) -> Tensor:
        """As a GPU makes it, without looking whether a label is too large."""
        return (labels.unsqueeze(-1) == torch.arange(num_classes)).long()

    monkeypatch.setattr(torch.nn.functional, "one_hot", one_hot)
    monkeypatch.setattr(devices, "works_behind", lambda place: True)
    monkeypatch.setattr(devices, "captures", lambda place: True)
    monkeypatch.setattr("genloom.models.training.family.Capture", capture)
    monkeypatch.setattr("genloom.models.training.family.cuda_graphs", lambda: RecordedGraph)
    return made
