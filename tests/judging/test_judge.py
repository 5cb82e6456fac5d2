"""The protocol: sets and floors, names, what does not apply, the cache, the random state."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from genloom.contents.image import ImageContent
from genloom.data.images.base import ImageData, Images
from genloom.data.images.digits import Digits
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples
from genloom.extractors import damage
from genloom.extractors.digits import DigitsExtractor
from genloom.extractors.features import FeatureExtractor, Features, Pixels
from genloom.intervals import half_width, of_ratio
from genloom.judging.candidate import Candidate, Paired, Unpaired, candidates_of
from genloom.judging.evidence import Evidence, View
from genloom.judging.judge import Judge
from genloom.judging.metric import Direction, Metric, Score
from genloom.judging.protocol import Protocol
from genloom.judging.verdict import Row, Verdict
from genloom.metrics.classes import ClassBalance, ClassifierScore
from genloom.metrics.diversity import FeatureDiversity, StructuralSimilarity
from genloom.metrics.frechet import (
    FrechetDistance,
    FrechetDistanceOfReconstructions,
    FrechetDistanceOfReconstructionsToTrain,
    frechet_distance,
)
from genloom.metrics.kernel import KernelDistance
from genloom.metrics.memorisation import Memorisation
from genloom.metrics.precision_recall import Support
from genloom.models.generation import draw_examples
from genloom.samplers.base import Sampler
from genloom.samplers.plain import Plain

JudgeOf = Callable[..., Judge]
D = "digits_cnn_v1"


class Counting(DigitsExtractor):
    """Counts the pictures that it looked at."""

    seen = 0

    def extract(self, images: torch.Tensor) -> Features:
        self.seen += len(images)
        return super().extract(images)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> JudgeOf:
    shared = tmp_path_factory.mktemp("cache")

    def build(*extractors: FeatureExtractor, metrics: Sequence[Metric] = (), **changes: Any) -> Judge:
        metrics = metrics or [
            FrechetDistance(), KernelDistance(), Support(), ClassifierScore(), ClassBalance(),
            Memorisation(), FeatureDiversity(), StructuralSimilarity(),
        ]  # fmt: skip
        chosen = {e.name: e for e in extractors or (DigitsExtractor(), Pixels(16))}
        return Judge(chosen, {type(m).__name__: m for m in metrics}, **{"cache_dir": shared, **changes})

    return build


def given(pictures: torch.Tensor) -> Candidate:
    return Candidate.of_samples(lambda num: Examples(pictures[:num]))


def printed(verdict: Verdict) -> str:
    console = Console(file=StringIO(), width=100)
    console.print(verdict.table())
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.fixture
def noisy(digits: Digits) -> Mapping[str, Candidate]:
    noise = torch.randint(0, 60, (500, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    test = digits.split("test").content
    return {"raw": given(test.clamp(max=195) + noise), "ema": given(test)}


def test_every_metric_stands_beside_its_floor(judge: JudgeOf, digits: Digits, noisy: Mapping[str, Candidate]) -> None:
    verdict = judge().judge(digits, noisy)
    names = [
        "fd", "kd", "precision", "recall", "density", "coverage", "classifier_score",
        "class_share_min", "class_share_max", "train_distance", "authenticity", "diversity",
    ]  # fmt: skip
    assert [row.metric for row in verdict.rows] == [f"{name}_{D}" for name in names]
    assert verdict.protocol.n_reference == 1097 and verdict.protocol.n_fake == 500
    extractor = verdict.protocol.extractors[D]
    assert extractor["weights_sha256"] == DigitsExtractor.shipped_sha256
    assert verdict.protocol.metrics["Support"] == {"k_precision_recall": 3, "k_density_coverage": 5}

    for row in verdict.rows:  # the candidate "ema" is the held-out set itself, in another order
        assert row.floor is not None
        assert row.scores["ema"].value == pytest.approx(row.floor.value, rel=1e-5, abs=1e-9)
    same, worse = (verdict[f"fd_{D}"].ratio(name) for name in ("ema", "raw"))
    assert same is not None and worse is not None
    assert same.value == pytest.approx(1) and worse.value > 2
    assert same.interval is not None and same.interval[0] < 1 < same.interval[1]
    row = verdict[f"fd_{D}"]
    score, floor = row.scores["raw"], row.floor
    assert floor is not None
    assert worse.interval == of_ratio(score.value, score.interval, floor.value, floor.interval)
    assert verdict[f"precision_{D}"].ratio("raw") is None  # no distance, no ratio

    train, test = (DigitsExtractor()(digits.split(split).content).vectors for split in ("train", "test"))
    assert verdict.scalars("ema")[f"fd_{D}"] == pytest.approx(frechet_distance(train, test), rel=1e-6)

    written = verdict.to_dict()["metrics"][f"fd_{D}"]["candidates"]["raw"]
    assert (written["ratio_to_floor"], tuple(written["ratio_interval"])) == (worse.value, worse.interval)
    text = printed(verdict)
    assert worse.interval is not None
    assert f"{worse.value:.3g} ± {half_width(worse.interval):.2g}" in text
    assert verdict.headline == f"kd_{D}"  # too few images for the Fréchet distance
    assert "1,097 real and 500 judged images, below the 5,000" in " ".join(text.split())
    assert "Not applicable: ms_ssim: five scales" in " ".join(text.split())
    assert "fid" not in text.lower()
    plain = verdict.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_reconstructions_are_held_against_their_originals_and_against_training_images(
    judge: JudgeOf, digits: Digits
) -> None:
    metrics = [FrechetDistance(), FrechetDistanceOfReconstructions(), FrechetDistanceOfReconstructionsToTrain()]
    faithful = Candidate({"reconstructions": Paired(lambda originals: originals)})

    def blur(originals: Examples) -> Examples:
        return Examples(torch.nn.functional.avg_pool2d(originals.content.float(), 3, 1, 1).byte())

    blurred = Candidate({"reconstructions": Paired(blur)})
    verdict = judge(metrics=metrics).judge(digits, {"faithful": faithful, "blurred": blurred})
    originals, training = verdict[f"rfd_{D}"], verdict[f"fd_reconstructed_{D}"]
    assert originals.floor is None and originals.ratio("blurred") is None
    assert originals.scores["faithful"].value == pytest.approx(0, abs=1e-6)
    assert training.floor is not None
    assert training.scores["faithful"].value == pytest.approx(training.floor.value, rel=1e-6)

    given = digits.split("test").content
    test, ours = (DigitsExtractor()(part).vectors for part in (given, blur(Examples(given)).content))
    assert originals.scores["blurred"].value == pytest.approx(frechet_distance(test, ours), rel=1e-6)


def test_distances_climb_the_ladder(judge: JudgeOf, digits: Digits) -> None:
    rungs = damage.rungs(digits.split("train"), digits.split("test"))
    order = ["real", "noise_0.05", "noise_0.2", "uniform_noise"]
    verdict = judge().judge(digits, {name: given(rungs[name]) for name in order})
    for metric in ("fd", "kd"):
        values = [verdict[f"{metric}_{D}"].scores[name].value for name in order]
        assert values == sorted(values), metric


def test_other_pictures_get_no_number_of_the_digits_extractor(judge: JudgeOf, colours: ImageData) -> None:
    verdict = judge().judge(colours, {"samples": given(colours.split("val").content)})
    assert [row.metric for row in verdict.rows] == ["train_distance_pixels", "authenticity_pixels", "diversity_pixels"]
    missing = {item.metric: item.reason for item in verdict.not_applicable}
    assert {f"{name}_{D}" for name in ("fd", "kd", "precision", "class_share_min")} < set(missing)
    assert "metrics=inception" in missing[f"fd_{D}"]
    assert verdict.headline is None and D not in verdict.protocol.extractors
    assert f"fd_{D}" in printed(verdict)

    grey = Digits(name="not handwritten", size=32)
    assert all(D not in row.metric for row in judge().judge(grey, {"s": given(grey.split("val").content)}).rows)


def test_a_quick_check_has_no_floor(judge: JudgeOf, digits: Digits, noisy: Mapping[str, Candidate]) -> None:
    verdict = judge().judge(digits, noisy, reference_split="val", heldout_split=None, num_samples=100)
    assert verdict.protocol.n_reference == verdict.protocol.n_fake == 100
    assert all(row.floor is None and row.ratio("ema") is None for row in verdict.rows)
    assert {"train_distance", "authenticity"} < {item.metric for item in verdict.not_applicable}
    assert f"fd_{D}" in verdict.scalars("raw")
    assert f"fd_{D}" in printed(verdict)


def test_all_is_taken_at_the_number_of_the_smallest_candidate(judge: JudgeOf, digits: Digits) -> None:
    test = digits.split("test").content
    verdict = judge().judge(digits, {"few": given(test[:70]), "many": given(test)})
    assert verdict.protocol.n_fake == 70
    assert any("70 pictures were there to judge; the protocol asks for 500" in text for text in verdict.warnings)

    tiny = judge().judge(digits, {"few": given(test[:5])})
    assert not tiny.rows
    assert all("below the limit of 20" in item.reason for item in tiny.not_applicable if "ms_ssim" not in item.metric)
    assert "below the limit of 20" in " ".join(printed(tiny).split())


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (torch.zeros(30, 3, 32, 32, dtype=torch.uint8), "examples of 3x32x32 cannot be judged against data of 1x32x32"),
        (torch.zeros(30, 1, 32, 32), "are no pictures"),
        (torch.zeros(1, 1, 32, 32, dtype=torch.uint8), "1 examples are below the limit of 2"),
    ],
)
def test_wrong_pictures_are_refused(judge: JudgeOf, digits: Digits, pictures: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        judge().judge(digits, {"samples": given(pictures)})


def test_nothing_to_judge_is_refused(judge: JudgeOf, digits: Digits) -> None:
    with pytest.raises(ConfigError, match="no pictures to judge"):
        judge().judge(digits, {})


def test_the_random_state_is_untouched(judge: JudgeOf, digits: Digits, noisy: Mapping[str, Candidate]) -> None:
    def state() -> tuple[object, ...]:
        return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()

    def draw(num: int) -> Examples:
        random.random(), np.random.rand(), torch.rand(3)
        return samples_of(noisy["raw"], num)

    before = state()
    judge().judge(digits, {"samples": Candidate.of_samples(draw)})
    assert state() == before


def test_equal_evaluations_give_equal_numbers(judge: JudgeOf, digits: Digits, noisy: Mapping[str, Candidate]) -> None:
    first, second = (judge().judge(digits, noisy).to_dict() for _ in range(2))
    assert first == second  # the second one reads what the first one kept


def test_the_second_evaluation_reads_what_is_known_of_the_data(
    judge: JudgeOf, digits: Digits, noisy: Mapping[str, Candidate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"raw": noisy["raw"]}

    def looked_at(data: ImageData, weights_path: Path | None = None) -> int:
        extractor = Counting(weights_path)
        judge(extractor, metrics=[FrechetDistance(), Memorisation()], cache_dir=tmp_path / "cache").judge(data, one)
        return extractor.seen

    everything = 500 + 1097 + 1097 + 500  # candidate, reference, training split, held-out
    assert looked_at(digits) == everything
    assert looked_at(digits) == 500

    changed = Digits(name="digits", size=32, domain="handwritten_digits")
    test = changed.split("test")
    pixels = test.content.clone()
    pixels[3, 0, 5, 5] += 1
    changed._splits["test"] = Images(pixels, test.given)
    assert looked_at(changed) == 500 + 500  # one pixel of one held-out image

    weights = load_file(DigitsExtractor().path)
    name = next(iter(weights))
    weights[name] = weights[name] * 1.001
    save_file(weights, tmp_path / "other.safetensors")
    assert looked_at(digits, tmp_path / "other.safetensors") == everything

    resized = property(lambda self: {"size": 32, "filter": "bilinear"})
    monkeypatch.setattr(DigitsExtractor, "preprocessing", resized)
    assert looked_at(digits) == everything


def test_pixels_are_clamped_and_rounded() -> None:
    content = ImageContent(1, 4, 4)
    pixels = content.decode(torch.tensor([-1.3, -1.0, -0.999, 0.0, 0.999, 1.0, 1.01]).view(-1, 1, 1, 1))
    assert pixels.flatten().tolist() == [0, 0, 0, 128, 255, 255, 255]
    stored = torch.arange(256, dtype=torch.uint8).view(-1, 1, 1, 1)
    assert content.decode(content.encode(stored)).equal(stored)


def test_the_extractor_is_independent_of_precision_settings(digits: Digits) -> None:
    images = digits.split("val").content[:40]
    expected = DigitsExtractor()(images)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = DigitsExtractor()(images)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.vectors.equal(expected.vectors) and found.logits.equal(expected.logits)


@pytest.mark.parametrize("num", [2000])
def test_mnists_floor_is_low(judge: JudgeOf, mnist_root: Path, num: int) -> None:
    from genloom.data.images.torchvision_sets import MNIST

    data = MNIST(name="mnist", size=None, domain="handwritten_digits", root=mnist_root, download=False)
    blurred = torch.nn.functional.avg_pool2d(data.split("test").content.float(), 3, 1, 1).byte()
    verdict = judge(metrics=[FrechetDistance()], num_samples=num).judge(
        data, {"val": given(data.split("val").content), "blurred": given(blurred)}
    )
    row = verdict[f"fd_{D}"]
    near, far = (row.ratio(name) for name in ("val", "blurred"))
    assert near is not None and far is not None and near.value < 2 and far.value > 20


NOTHING_COMPARED = Protocol({}, None, None, 0, 0, None, "cpu", {}, {})


def test_the_ratio_stands_with_its_interval_for_each_candidate():
    row = Row("fd", Direction.LOWER, {"ema": Score(40.0, (38, 42)), "raw": Score(4.0)}, floor=Score(0.4, (0.05, 1.0)))
    text = printed(Verdict([row], NOTHING_COMPARED))
    assert all(part in text for part in ("ema, raw", "100 ± 120", "10 ± 12", "0.4 ± 0.47"))


def test_a_floor_that_may_be_zero_gives_no_ratio():
    row = Row("kd", Direction.LOWER, {"raw": Score(2.0, (1.9, 2.1))}, floor=Score(0.4, (-0.1, 0.9)))
    assert row.ratio("raw") is None
    assert row.to_dict()["candidates"]["raw"]["ratio_interval"] is None


def test_a_column_that_is_empty_is_not_shown():
    without = Row("mse", Direction.LOWER, {"raw": Score(0.5)}, floor=None)
    beside = Row("fd", Direction.LOWER, {"raw": Score(2.0)}, floor=Score(1.0))
    shown = [printed(Verdict(rows, NOTHING_COMPARED)) for rows in ([without], [without, beside])]
    assert ["floor" in text for text in shown] == [False, True]
    assert all("mse" in text and "0.5" in text for text in shown)


def no_examples() -> Any:
    raise AssertionError("nothing is conditioned on")


def test_the_protocol_says_how_models_were_drawn_from(judge: JudgeOf, tiny_gan: Any, tiny_data: ImageData) -> None:
    def protocol(*samplers: Any) -> Any:
        candidates = {}
        for place, sampler in enumerate(samplers):
            model = tiny_gan()
            model.sampler = sampler
            candidates |= {str(place): candidates_of(model, ["raw"], seed=0, examples=no_examples)["raw"]}
        verdict = judge(Pixels(), metrics=[Memorisation()]).judge(tiny_data, candidates)
        return verdict.protocol.sampler

    plain = {"name": "Plain", "values": {}, "plain": True}
    assert protocol(None) == protocol(Plain()) == protocol(None, Plain()) == plain
    assert protocol(Halved(), Halved(0.5)) == {"name": f"{__name__}.Halved", "values": {"by": 0.5}, "plain": False}
    with pytest.raises(ConfigError, match="sampler: the candidates are drawn from in different ways"):
        protocol(Plain(), Halved())
    pictures = judge(Pixels(), metrics=[Memorisation()]).judge(
        tiny_data, {"some": given(tiny_data.split("val").content)}
    )
    assert pictures.protocol.sampler is None  # nobody knows


def samples_of(candidate: Candidate, num: int) -> Examples:
    samples = candidate.sets["samples"]
    assert isinstance(samples, Unpaired)
    return samples.make(num)


def test_a_set_by_any_name_is_compared_by_who_asks_for_it(judge: JudgeOf, digits: Digits) -> None:
    @dataclass(frozen=True)
    class Restored(FrechetDistance):
        """Against the examples that they were made of."""

        compares: ClassVar[str] = "restored"
        against: ClassVar[str] = "heldout"
        quantities: ClassVar = {"restored": Direction.LOWER}

        def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
            return {"restored": super().compare(reference, candidate, evidence)["fd"]}

    dark = Candidate({"restored": Paired(lambda given: Examples(given.content // 2))})
    same = Candidate({"restored": Paired(lambda given: given)})
    verdict = judge(metrics=[FrechetDistance(), Restored()]).judge(digits, {"dark": dark, "same": same})
    row = verdict[f"restored_{D}"]
    assert row.floor is None and abs(row.scores["same"].value) < 1e-6 < row.scores["dark"].value
    assert [each.metric for each in verdict.not_applicable] == ["fd"]  # nobody has samples


def test_what_is_drawn_is_drawn_by_the_sampler(tiny_gan: Any) -> None:
    model = tiny_gan()
    plain = draw_examples(model, 9, seed=0).content
    model.sampler = Halved(0.0)
    candidate = candidates_of(model, ["raw"], seed=0, examples=no_examples)["raw"]
    drawn = samples_of(candidate, 9).content
    assert torch.equal(drawn, model.spec.content.decode(torch.zeros(9, 1, 4, 4))) and not torch.equal(drawn, plain)


def test_the_table_says_how_samples_were_drawn():
    row = Row("fd", Direction.LOWER, {"raw": Score(2.0)}, floor=None)
    for plain in (True, False):
        sampler = {"name": "Truncated", "values": {"psi": 0.7}, "plain": plain}
        text = printed(Verdict([row], replace(NOTHING_COMPARED, sampler=sampler)))
        assert ("drawn by Truncated psi=0.7" in " ".join(text.split())) != plain


@dataclass(frozen=True)
class Halved(Sampler):
    """A share of what the model draws."""

    by: float = 0.5

    def draw(self, model: Any, num: int, *, rng: torch.Generator, given: Any = None) -> Any:
        drawn = model.sample(num, rng=rng, given=given)
        drawn.content = self.by * drawn.content
        return drawn
