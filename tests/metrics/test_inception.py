"""Inception's plumbing, with random weights: the values mean nothing, the names and the protocol do."""

import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as fidelity
from torchmetrics.image.fid import NoTrainInceptionV3

from genloom.data.base import ImageData
from genloom.errors import CheckpointError
from genloom.metrics.classes import ClassifierScore
from genloom.metrics.features import FeatureExtractor, Pixels
from genloom.metrics.frechet import FrechetDistance
from genloom.metrics.inception import Inception
from genloom.metrics.judge import Candidate, Judge
from genloom.metrics.kernel import KernelDistance
from genloom.metrics.memorisation import Memorisation
from genloom.metrics.support import Support


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights as torch-fidelity reads it."""
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:  # the network cannot be built without loading something
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(nn.Module, "load_state_dict", lambda *_: None)
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"])
    torch.save(network.state_dict(), path)
    return path


def test_one_pass_gives_the_features_and_the_logits(weights: Path) -> None:
    images = torch.randint(0, 256, (3, 1, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Inception(weights)(images)
    assert found.vectors.shape == (3, 2048) and found.logits.shape == (3, 1008)
    alone = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))  # as torchmetrics' FID has it
    torch.testing.assert_close(found.vectors, alone(images.repeat(1, 3, 1, 1)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.logits, found.vectors @ alone.fc.weight.T, rtol=1e-4, atol=1e-4)


def test_other_weights_than_the_official_ones_are_told_apart(weights: Path) -> None:
    extractor = Inception(weights)
    assert "not the official ones" in str(extractor.caution)
    assert extractor.protocol["caution"] == extractor.caution
    extractor.weights_sha256 = Inception.official_prefix + "0" * 56
    assert extractor.caution is None


class Light(Inception):
    """Inception without its network, for the names that it gives."""

    weights_sha256 = "0" * 64
    path = Path("light.pth")

    def extract(self, images: torch.Tensor) -> Any:
        small = Pixels().extract(images)
        return type(small)(small.vectors[:, :40], small.vectors[:, :11])


def test_numbers_have_the_names_of_the_field(colours: ImageData, tmp_path: Path) -> None:
    extractors: dict[str, FeatureExtractor] = {"pixels": Pixels(16), "inception": Light()}
    metrics = {
        "fd": FrechetDistance(),
        "kd": KernelDistance(),
        "pr": Support(),
        "is": ClassifierScore(splits=10),
        "memorisation": Memorisation(),
    }
    verdict = Judge(extractors, metrics, cache_dir=tmp_path).judge(
        colours, {"s": Candidate(lambda n: colours.split("val"))}
    )
    assert [row.metric for row in verdict.rows] == [
        "fid", "kid", "precision_inception", "recall_inception", "density_inception", "coverage_inception",
        "inception_score", "train_distance_pixels", "authenticity_pixels",
    ]  # fmt: skip
    assert any("not the official ones" in warning for warning in verdict.warnings)
    assert "repeated" in str(verdict.protocol["extractors"]["inception"]["preprocessing"]["channels"])


def test_a_failed_download_says_where_weights_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(CheckpointError, match=r"could not be downloaded.*inception\.weights_path"):
        _ = Inception().weights_sha256


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('the file was executed')",)


@pytest.mark.parametrize("content", [pickle.dumps(Hostile()), b"", b"no weights at all"])
def test_a_file_that_is_no_weights_is_refused_and_never_executed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="does not hold torch-fidelity's Inception weights"):
        Inception(path)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(CheckpointError, match="cannot be read"):
        _ = Inception(tmp_path / "absent.pth").weights_sha256


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match="does not hold"):
        Inception(tmp_path / "weights.pth")(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
