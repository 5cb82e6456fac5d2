"""Inception's plumbing, with random weights: the values mean nothing, the names and the protocol do."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torch_fidelity
from hydra import compose, initialize_config_dir
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as fidelity
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torchmetrics.image.fid import NoTrainInceptionV3

from genloom.config.directory import config_directory
from genloom.config.instantiate import instantiate
from genloom.contents.shown import Picture
from genloom.data.base import Split
from genloom.data.images.base import ImageData, Images
from genloom.data.images.folder import ImageFolder
from genloom.errors import CheckpointError
from genloom.extractors.features import FeatureExtractor, Pixels
from genloom.extractors.inception import Inception, PublishedInception
from genloom.judging.evidence import Evidence, View
from genloom.judging.judge import Candidate, Judge
from genloom.metrics.classes import ClassifierScore
from genloom.metrics.frechet import FrechetDistance, frechet_distance
from genloom.metrics.kernel import KernelDistance
from genloom.metrics.memorisation import Memorisation
from genloom.metrics.precision_recall import Support


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights as torch-fidelity reads it."""
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:  # the network cannot be built without loading something
        patch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(nn.Module, "load_state_dict", lambda *_: None)
        network = NoTrainInceptionV3("inception-v3-compat", ["2048"])
    for module in network.modules():  # else each layer shrinks what it is given, to 1e-8 at the end
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return path


def test_one_pass_gives_the_features_and_the_logits(weights: Path) -> None:
    images = torch.randint(0, 256, (3, 1, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Inception(weights)(images)
    assert found.vectors.shape == (3, 2048) and found.logits.shape == (3, 1008) == (3, Inception.num_logits)
    alone = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(weights))  # as torchmetrics' FID has it
    torch.testing.assert_close(found.vectors, alone(images.repeat(1, 3, 1, 1)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.logits, found.vectors @ alone.fc.weight.T, rtol=1e-4, atol=1e-4)


def test_other_weights_than_the_official_ones_are_told_apart(weights: Path) -> None:
    extractor = Inception(weights)
    assert "not the official ones" in str(extractor.caution)
    assert extractor.protocol["caution"] == extractor.caution
    for official, cautioned in ((Inception(weights), True), (PublishedInception(weights), False)):
        official.weights_sha256 = Inception.official_prefix + "0" * 56
        assert "not the official ones" not in str(official.caution)
        assert ("metrics=inception_published follows it" in str(official.caution)) is cautioned
        assert (official.caution is None) is not cautioned


def fidelity_of(folder: Path, weights: Path, **options: Any) -> dict[str, float]:
    """What torch-fidelity itself says of two folders of pictures."""
    return torch_fidelity.calculate_metrics(
        input1=str(folder / "ours"), input2=str(folder / "real"), cuda=False, fid=True, isc=True, verbose=False,
        feature_extractor_weights_path=str(weights), cache=False, save_cpu_ram=True, **options,
    )  # fmt: skip


def pictures(num: int, seed: int) -> torch.Tensor:
    coarse = torch.rand(num, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, size=(20, 20), mode="bilinear") * 255).byte()


class Three(ImageData):
    """Pictures in three splits, of which published numbers know two."""

    classes = None

    def read(self, split: Split) -> Images:
        return Images(pictures({"train": 15, "val": 6, "test": 5}[split], {"train": 0, "val": 1, "test": 2}[split]))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training pictures, validation included, and twenty others, as files."""
    folder = tmp_path_factory.mktemp("pictures")
    data = Three(name="three")
    for name, images in (("real", data.whole_training_set().content), ("ours", pictures(20, 3))):
        (folder / name).mkdir()
        for place, image in enumerate(images):
            Picture(image).save_png(folder / name / f"{place:02d}.png")
    return folder


@pytest.mark.integration  # half a minute of a network on a CPU
def test_the_published_protocol_is_that_of_torch_fidelity_s_command(
    weights: Path, folders: Path, tmp_path: Path
) -> None:
    judge = Judge(
        {"inception": PublishedInception(weights)},
        {"fd": FrechetDistance(), "is": ClassifierScore(splits=1)},
        num_samples=50_000,
        whole_training_set=True,
        cache_dir=tmp_path,
    )
    found = judge.judge(Three(name="three"), {"ours": Candidate.of_samples(lambda num: Images(pictures(20, 3)))})
    expected = fidelity_of(folders, weights, isc_splits=1)
    assert found["fid"].scores["ours"].value == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)
    assert found["inception_score"].scores["ours"].value == pytest.approx(expected["inception_score_mean"], rel=1e-6)


def test_the_published_features_are_torch_fidelity_s(weights: Path) -> None:
    images = pictures(2, 4)
    network = fidelity.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )
    vectors, logits = network(images)
    found, other = PublishedInception(weights)(images), Inception(weights)(images)
    torch.testing.assert_close(found.vectors, vectors, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.logits, logits, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(other.vectors, vectors, rtol=1e-3)  # another resizer


def test_scores_are_torch_fidelity_s_functions_of_the_features(view: Callable[..., View], nothing: Evidence) -> None:
    rng = torch.Generator().manual_seed(0)
    real, ours = torch.randn(90, 12, generator=rng), torch.randn(73, 12, generator=rng) * 1.2 + 0.3
    stated = [fid_features_to_statistics(each) for each in (real, ours)]
    fid = fid_statistics_to_metric(*stated, verbose=False)["frechet_inception_distance"]
    assert FrechetDistance().compare(view(real), view(ours), nothing)["fd"].value == pytest.approx(fid, rel=1e-6)

    logits = 3 * torch.randn(73, 12, generator=rng)
    isc = isc_features_to_metric(logits, splits=10, shuffle=False)
    score = ClassifierScore(splits=10).compare(view(real), view(ours, logits), nothing)["classifier_score"]
    assert score.value == pytest.approx(isc["inception_score_mean"], rel=1e-6)
    assert score.details["std_over_splits"] == pytest.approx(isc["inception_score_std"], rel=1e-6)


def test_the_published_protocol_has_all_training_pictures_on_one_side_and_no_floor(
    colours: ImageData, tmp_path: Path
) -> None:
    with initialize_config_dir(str(config_directory()), version_base="1.3"):
        node = compose("metrics/inception_published").metrics
    node.cache_dir, node.extractors.inception._target_ = str(tmp_path), f"{__name__}.LightPublished"
    judge: Judge = instantiate(node, "metrics")
    asked: list[int] = []

    def draw(num: int) -> Images:
        asked.append(num)
        return colours.split("test")

    verdict = judge.judge(colours, {"s": Candidate.of_samples(draw)})
    assert asked == [50_000]
    assert (verdict.protocol.n_reference, verdict.protocol.heldout) == (90, None)
    assert verdict.protocol.reference["split"] == "whole training"
    assert [(row.metric, row.floor) for row in verdict.rows] == [("fid", None), ("inception_score", None)]
    train, val = (LightPublished()(colours.split(split).content).vectors for split in ("train", "val"))
    ours = LightPublished()(colours.split("test").content).vectors
    expected = frechet_distance(torch.cat([train, val]), ours)
    assert verdict["fid"].scores["s"].value == pytest.approx(expected, rel=1e-6)
    assert any("the protocol asks for 50,000" in warning for warning in verdict.warnings)
    assert not any("published protocol" in warning for warning in verdict.warnings)

    judge.num_samples = 70  # as debug=… has it
    assert judge.judge(colours, {"s": Candidate.of_samples(draw)}).protocol.n_reference == 70

    quick = judge.judge(
        colours, {"s": Candidate.of_samples(draw)}, reference_split="val", heldout_split=None, num_samples=30
    )
    assert (asked[-1], quick.protocol.n_reference) == (30, 30)


def test_a_validation_folder_of_its_own_is_not_part_of_the_training_set(tmp_path: Path) -> None:
    for folder, num in (("train", 20), ("val", 4), ("test", 5)):
        (tmp_path / "all" / folder).mkdir(parents=True)
        for place, image in enumerate(pictures(num, num)):
            Picture(image).save_png(tmp_path / "all" / folder / f"{place:02d}.png")
    shutil.copytree(tmp_path / "all", tmp_path / "two")
    shutil.rmtree(tmp_path / "two" / "val")
    sizes = [
        len(ImageFolder(root=tmp_path / name, splits_by_folder=True, val_fraction=0.3).whole_training_set())
        for name in ("all", "two")
    ]
    assert sizes == [20, 20]


class Light(Inception):
    """Inception without its network, for the names that it gives."""

    weights_sha256 = "0" * 64
    path = Path("light.pth")

    def extract(self, images: torch.Tensor) -> Any:
        small = Pixels().extract(images)
        return type(small)(small.vectors[:, :40], small.vectors[:, :11])


class LightPublished(PublishedInception, Light):
    """The same of the published one."""

    extract = Light.extract


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
        colours, {"s": Candidate.of_samples(lambda n: colours.split("val"))}
    )
    assert [row.metric for row in verdict.rows] == [
        "fid", "kid", "precision_inception", "recall_inception", "density_inception", "coverage_inception",
        "inception_score", "train_distance_pixels", "authenticity_pixels",
    ]  # fmt: skip
    assert any("not the official ones" in warning for warning in verdict.warnings)
    assert "repeated" in str(verdict.protocol.extractors["inception"]["preprocessing"]["channels"])


def test_a_failed_download_says_where_weights_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(CheckpointError, match=r"could not be downloaded.*inception\.weights_path"):
        _ = Inception().weights_sha256


def test_weights_are_fetched_once_into_a_folder_that_may_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def fetch(url: str, to: str, prefix: str, progress: bool) -> None:
        fetched.append((url, prefix))
        Path(to).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.raises(CheckpointError, match="what a file asks for is not fetched; choose the metrics yourself"):
        _ = Inception(download=False).path
    for _ in range(2):
        assert Inception().path == tmp_path / "hub" / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]
    assert fetched == [(URL_INCEPTION_V3, "6726825d")] and Inception(download=False).path.read_bytes() == b"weights"
    Inception().path.unlink()
    assert Inception().path.is_file() and len(fetched) == 2


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
