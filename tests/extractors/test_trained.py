"""The file of an extractor of one's own, and judging by it."""

import copy
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from genloom.contents.image import ImageContent
from genloom.contents.vector import VectorContent
from genloom.data.images.base import ImageData, Images
from genloom.data.images.digits import Digits
from genloom.errors import CheckpointError, ConfigError
from genloom.extractors import damage, trained
from genloom.extractors.card import Card
from genloom.extractors.cnn import StridedCNN
from genloom.extractors.digits import DigitsExtractor
from genloom.extractors.features import Pixels
from genloom.extractors.trained import TrainedExtractor, network, save
from genloom.judging.judge import Candidate, Judge
from genloom.judging.verdict import Verdict
from genloom.metrics.classes import ClassBalance
from genloom.metrics.frechet import FrechetDistance
from genloom.metrics.memorisation import Memorisation

CARD = Card(
    name="mine",
    classes=tuple("0123456789"),
    channels=1,
    size=8,
    widths=(4, 6),
    num_features=5,
    data={"name": "digits", "fingerprint": "unlike any", "images": {"train": 3, "val": 2, "test": 2}},
    training={"epochs": 1},
    accuracy={"train": 0.9, "val": 0.8, "test": 0.7, "chance": 0.1},
    floor={"fd": 0.5, "kd": -0.1, "n_reference": 3, "n_heldout": 2},
    ladder={"real": {"fd": 0.5, "kd": -0.1, "kd_half_width": 0.2, "num": 2}},
    warnings=(),
    genloom="0",
)


def untrained(card: Card = CARD) -> StridedCNN:
    torch.manual_seed(0)
    return network(card).eval().requires_grad_(False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save(tmp_path / "mine.safetensors", untrained(), CARD)
    return tmp_path / "mine.safetensors"


def test_one_file_holds_everything(file: Path) -> None:
    extractor = TrainedExtractor(str(file))
    assert extractor.card == CARD
    assert extractor.name == "mine" and extractor.classes == CARD.classes and extractor.num_logits == 10
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = extractor(images)
    vectors, logits = untrained()(images)
    assert torch.equal(found.vectors, vectors) and torch.equal(found.logits, logits)
    assert extractor(images.repeat_interleave(2, 2).repeat_interleave(2, 3)).vectors.shape == (3, 5)
    assert extractor.protocol["trained_on"] == {"name": "digits", "fingerprint": "unlike any"}
    assert extractor.protocol["weights_sha256"] == extractor.weights_sha256


def test_equal_extractors_are_equal_files(file: Path, tmp_path: Path) -> None:
    save(tmp_path / "again.safetensors", untrained(), CARD)
    save(tmp_path / "other.safetensors", untrained(), replace(CARD, name="other"))
    digests = [TrainedExtractor(file.with_name(f"{name}.safetensors")).weights_sha256 for name in ("mine", "again")]
    assert digests[0] == digests[1] != TrainedExtractor(tmp_path / "other.safetensors").weights_sha256
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.safetensors" for n in ("mine", "again", "other")}


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def changed_weight(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def changed_number(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b'\\"fd\\":0.5') == 2
    path.write_bytes(content.replace(b'\\"fd\\":0.5', b'\\"fd\\":0.1', 1))


def foreign(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path)


def text(path: Path) -> None:
    path.write_text("weights")


def no_card(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path, metadata={"genloom_extractor": "[]"})


def newer(path: Path) -> None:
    save_file({"a": torch.zeros(2)}, path, metadata={"genloom_extractor": '{"format": 2}'})


def absent(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def other_weights(path: Path) -> None:
    save(path, untrained(replace(CARD, widths=(4, 7))), CARD)


def claims_memory(path: Path) -> None:
    save(path, untrained(), replace(CARD, widths=(10**7, 10**7)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "damaged one"),
        (changed_weight, "its digest is not"),
        (changed_number, "its digest is not"),
        (foreign, "did not make this file"),
        (text, "no safetensors file"),
        (no_card, "do not fit"),
        (newer, "its format is 2"),
        (absent, "cannot be read"),
        (folder, "cannot be read"),
        (other_weights, "do not fit"),
        (claims_memory, "do not fit"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(file: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(file)
    with pytest.raises(CheckpointError, match=message) as refused:
        Judge({}, {}, extractor=file)
    assert str(file) in str(refused.value) and "metrics.extractor" in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 2**20},
        {"size": 8.5},
        {"channels": "1"},
        {"name": "../../elsewhere"},
        {"name": "a\x1b[2J"},
        {"name": 3},
        {"classes": tuple(range(10))},
        {"warnings": ({},)},
        {"data": {"name": "digits"}},
        {"data": {"name": ["digits"], "fingerprint": "a"}},
        {"data": []},
        {"widths": (4, -6)},
        {"num_features": None},
    ],
    ids=str,
)
def test_a_card_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    card = copy.copy(CARD)
    for name, value in change.items():
        object.__setattr__(card, name, value)  # as whoever writes a file by hand does
    save(tmp_path / "own.safetensors", untrained(), card)
    with pytest.raises(CheckpointError, match=r"own\.safetensors: card and weights do not fit"):
        TrainedExtractor(tmp_path / "own.safetensors")


def test_the_shipped_weights_are_not_taken_for_one(file: Path) -> None:
    with pytest.raises(CheckpointError, match="did not make this file"):
        TrainedExtractor(DigitsExtractor().path)
    with safe_open(file, framework="pt") as opened:
        assert list(opened.metadata()) == [trained._ENTRY]


def judge(file: Path, cache: Path) -> Judge:
    metrics = [FrechetDistance(), ClassBalance(), Memorisation()]
    extractors = {"digits": DigitsExtractor(), "pixels": Pixels(8)}
    return Judge(extractors, {type(m).__name__: m for m in metrics}, cache_dir=cache, extractor=file)


def judged(file: Path, cache: Path, data: ImageData) -> Verdict:
    pictures = Images(data.split("test").content)
    return judge(file, cache).judge(data, {"samples": Candidate.of_samples(lambda num: pictures[:num])})


def test_it_looks_alone(file: Path, tmp_path: Path, digits: Digits) -> None:
    verdict = judged(file, tmp_path / "cache", digits)
    names = ["fd", "class_share_min", "class_share_max", "train_distance", "authenticity"]
    assert [row.metric for row in verdict.rows] == [f"{name}_mine" for name in names]
    assert all(row.floor is not None for row in verdict.rows)
    assert list(verdict.protocol.extractors) == ["mine"]
    assert verdict.protocol.extractors["mine"]["trained_on"]["name"] == "digits"
    assert any("mine was trained on digits, in other pixels than this digits has" in w for w in verdict.warnings)


def test_it_trusts_its_own_data_and_repeats_its_warnings(tmp_path: Path, digits: Digits) -> None:
    path = tmp_path / "doubtful.safetensors"
    card = replace(CARD, data={**CARD.data, "fingerprint": digits.fingerprint}, warnings=("it is blind",))
    save(path, untrained(), card)
    assert "mine: it is blind" in judged(path, tmp_path / "cache", digits).warnings


class Renamed(Digits):
    classes = tuple("abcdefghij")  # pyright: ignore


def test_it_offers_its_classes_only_where_they_are_the_data_s(file: Path, tmp_path: Path, digits: Digits) -> None:
    judged(file, tmp_path / "cache", digits)
    verdict = judged(file, tmp_path / "cache", Renamed(name="digits", size=32))
    assert [row.metric for row in verdict.rows] == ["fd_mine", "train_distance_mine", "authenticity_mine"]
    assert {item.metric for item in verdict.not_applicable} >= {"class_share_min_mine"}
    assert verdict.protocol.extractors["mine"]["classes"] == []


def test_pictures_of_other_channels_are_refused(file: Path, tmp_path: Path, colours: ImageData) -> None:
    with pytest.raises(
        ConfigError, match=r"metrics\.extractor: .*mine\.safetensors: made for grey .* these are colour"
    ):
        judge(file, tmp_path).prepare(ImageContent(3, 8, 8))
    with pytest.raises(ConfigError, match=r"data\.channels=1"):
        judged(file, tmp_path, colours)
    with pytest.raises(ConfigError, match="made for pictures, and the data holds points"):
        judge(file, tmp_path).prepare(VectorContent(2))
    judge(file, tmp_path).prepare(ImageContent(1, 28, 20, domain="letters"))


def test_a_name_is_given_once(tmp_path: Path) -> None:
    save(tmp_path / "pixels.safetensors", untrained(), replace(CARD, name="pixels"))
    with pytest.raises(ConfigError, match="two are called pixels"):
        judge(tmp_path / "pixels.safetensors", tmp_path)


# The ladder


def test_the_ladder_stands_on_few_small_colour_pictures() -> None:
    rng = torch.Generator().manual_seed(0)

    def some(num: int, size: int) -> Images:
        pixels = torch.randint(0, 256, (num, 3, size, size), dtype=torch.uint8, generator=rng)
        return Images(pixels, {"label": torch.arange(num) % 3})

    rungs = damage.rungs(some(15, 6), some(9, 6))
    assert list(rungs)[3] == "pca_7_reconstruction" and "pca_7_gaussian" in rungs
    assert rungs["class_dropped"].shape == (6, 3, 6, 6)
    assert all(pictures.shape[1:] == (3, 6, 6) for pictures in rungs.values())
    assert "pca_24_gaussian" in damage.rungs(some(200, 4), some(9, 4))  # 48 dimensions
    assert "pca_50_gaussian" in damage.rungs(some(200, 8), some(9, 8))


def test_what_an_extractor_does_not_see() -> None:
    names = [
        "real", "noise_0.05", "class_dropped", "pca_50_reconstruction", "noise_0.2", "blur_3x3", "pca_50_gaussian",
        "uniform_noise",
    ]  # fmt: skip
    rising = {name: float(height) for height, name in enumerate(names)}
    assert damage.unseen(rising) == []
    assert damage.unseen(rising | {"pca_50_reconstruction": 0.0}) == []  # PCA may leave out nothing
    assert damage.unseen(rising | {"noise_0.2": 0.5}) == ["noise_0.2"]
    assert damage.unseen(rising | {"blur_3x3": -1.0, "class_dropped": 0.0}) == ["class_dropped", "blur_3x3"]
    assert damage.unseen(rising | {"pca_50_gaussian": -1.0}) == ["pca_50_gaussian"]
    assert damage.unseen({"real": 1.0, "uniform_noise": 0.5}) == ["uniform_noise"]


def test_a_pipe_is_no_extractor(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(CheckpointError, match="no regular file"):
        TrainedExtractor(tmp_path / "pipe.safetensors")
