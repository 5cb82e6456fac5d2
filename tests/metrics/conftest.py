"""Real pictures, and vectors as an extractor would give them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genloom.data.base import ImageData, Images, Split
from genloom.data.digits import Digits
from genloom.metrics.evidence import Evidence, View
from genloom.metrics.features import DigitsExtractor, Features, Pixels
from genloom.spec import ImageContent


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
