"""Samples as asked, distances within a class, meaning of codes, modes: on sets whose answers are known."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from genloom.data.images.base import Images
from genloom.extractors.digits import DigitsExtractor
from genloom.extractors.features import Features
from genloom.judging.evidence import Evidence, View
from genloom.metrics.conditional import AskedClass, CodeMeaning, FrechetWithinClass, Modes, mutual_information
from genloom.metrics.frechet import frechet_distance

CERTAIN = 1000 * torch.eye(10)


def view(predicted, vectors=None, **given) -> View:
    num = len(predicted)
    seen = View(Images(torch.zeros(num, 1, 4, 4, dtype=torch.uint8), given), DigitsExtractor())
    seen.features = Features(torch.zeros(num, 2) if vectors is None else vectors, CERTAIN[predicted])
    return seen


def test_share_as_asked_counts_matches_per_class(nothing: Evidence) -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1])
    seen = view(torch.tensor([0, 0, 0, 5, 1, 0]), label=labels)
    score = AskedClass().compare(seen, seen, nothing)["as_asked"]
    assert score.value == pytest.approx(4 / 6)
    assert score.details["by_class"] == {"0": 0.75, "1": 0.5}


def test_distance_within_class_sees_what_the_overall_distance_does_not(nothing: Evidence) -> None:
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    vectors = torch.randn(400, 2, generator=rng) + 10 * labels[:, None]
    real = view(labels, vectors, label=labels)
    exchanged = view(labels, vectors, label=1 - labels)  # the same pictures, asked to be of the other class
    metric = FrechetWithinClass()
    assert frechet_distance(vectors, vectors) == pytest.approx(0, abs=1e-6)
    assert metric.compare(real, real, nothing)["fd_within_class"].value == pytest.approx(0, abs=1e-4)
    found = metric.compare(real, exchanged, nothing)["fd_within_class"]
    assert found.value == pytest.approx(200, rel=0.05)
    assert found.details["left_out"] == list("23456789")


def test_mutual_information_of_independent_and_of_equal_variables() -> None:
    assert mutual_information(torch.full((4, 5), 7)) == pytest.approx(0, abs=1e-12)
    assert mutual_information(torch.eye(6, dtype=torch.int64) * 9) == pytest.approx(math.log(6))
    assert mutual_information(torch.tensor([[3, 1], [1, 3]])) == pytest.approx(
        2 * 0.375 * math.log(0.375 / 0.25) + 2 * 0.125 * math.log(0.125 / 0.25)
    )


def test_codes_that_name_pairs_of_classes(nothing: Evidence) -> None:
    predicted = torch.arange(1000) % 10
    seen = view(predicted, code=predicted // 2)
    score = CodeMeaning().compare(seen, seen, nothing)["code_information"]
    assert score.value == pytest.approx(math.log(5))
    assert sum(map(sum, score.details["counts"])) == 1000


def test_modes_counts_classes_and_their_evenness(nothing: Evidence) -> None:
    real = view(torch.arange(1000) % 10)
    half = view(torch.arange(1000) % 5)
    scores = Modes().compare(real, half, nothing)
    assert scores["modes"].value == 5
    assert scores["mode_kl"].value == pytest.approx(math.log(2))
    assert Modes().compare(real, real, nothing)["mode_kl"].value == pytest.approx(0, abs=1e-12)


def test_they_apply_only_where_something_was_asked() -> None:
    plain = Images(torch.zeros(50, 1, 4, 4, dtype=torch.uint8))
    asked = Images(plain.content, {"label": torch.zeros(50).long(), "code": torch.zeros(50).long()})
    extractor = DigitsExtractor()
    from genloom.contents.image import ImageContent

    content = ImageContent(1, 4, 4, "handwritten_digits")

    def reason(metric, generated: Images, classes=extractor.classes) -> str | None:
        evidence = Evidence(content, {"reference": asked}, {"samples": {"model": generated}}, classes=classes)
        return metric.why_not(extractor, evidence)

    assert "the samples were not asked for a label" in reason(AskedClass(), plain)
    assert "classes are not those of the data" in reason(AskedClass(), asked, ("cat", "dog"))
    assert "the samples were not asked for a code" in reason(CodeMeaning(), plain)
    assert reason(AskedClass(), asked) is None
    assert reason(CodeMeaning(), asked) is None


def test_a_class_counts_where_both_sides_have_enough_of_it(nothing: Evidence) -> None:
    """Point masses: the distance is the squared one of the means, averaged over the classes that are left."""
    labels = torch.tensor([0] * 20 + [1] * 30 + [2] * 19)
    real = view(labels, torch.zeros(69, 2), label=labels)
    ours = view(labels, torch.stack([labels * 3.0 + 1, torch.zeros(69)], 1), label=labels)
    found = FrechetWithinClass().compare(real, ours, nothing)["fd_within_class"]
    assert found.details["by_class"] == pytest.approx({"0": 1.0, "1": 16.0})
    assert found.value == pytest.approx(17 / 2)
    assert found.details["left_out"] == list("23456789")


def test_the_divergence_of_modes_is_from_the_samples_to_the_reference(nothing: Evidence) -> None:
    """A class that the reference lacks has half a count there."""
    real, ours = view(torch.tensor([0] * 30 + [1] * 10)), view(torch.tensor([0] * 10 + [1] * 20 + [2] * 10))
    scores = Modes().compare(real, ours, nothing)
    q = np.array([30, 10, *[0.5] * 8]) / 44
    assert scores["mode_kl"].value == pytest.approx(scipy.stats.entropy([10, 20, 10, *[0] * 7], q))
    assert scores["modes"].value == 3 and scores["modes"].details == {"of": 10}


def test_the_interval_of_the_modes_divergence_is_that_of_the_jackknife_over_twenty_blocks(nothing: Evidence) -> None:
    rng = torch.Generator().manual_seed(0)
    real, ours = torch.randint(0, 10, (211,), generator=rng), torch.randint(0, 7, (97,), generator=rng)
    blocks = [np.array_split(each.numpy(), 20) for each in (real, ours)]

    def divergence(left_out: int | None) -> float:
        q, p = (
            np.bincount(np.concatenate([part for b, part in enumerate(parts) if b != left_out]), minlength=10)
            for parts in blocks
        )
        return scipy.stats.entropy(p, q)

    roots = [math.sqrt(divergence(b)) for b in range(20)]
    half = scipy.stats.t.ppf(0.975, 19) * math.sqrt(19 * np.var(roots))
    root = math.sqrt(divergence(None))
    score = Modes().compare(view(real), view(ours), nothing)["mode_kl"]
    assert score.value == pytest.approx(root**2)
    assert score.interval == pytest.approx((max(root - half, 0) ** 2, (root + half) ** 2))
