from collections.abc import Callable

import pytest
import torch
from scipy.spatial.distance import pdist

from genloom.contents.image import ImageContent
from genloom.data.images.base import Images
from genloom.extractors.features import Pixels
from genloom.judging.evidence import Evidence, View
from genloom.metrics.diversity import FeatureDiversity, StructuralSimilarity, _pairs


def test_feature_diversity_is_the_mean_distance_within_classes(view: Callable[..., View], nothing: Evidence) -> None:
    rng = torch.Generator().manual_seed(0)
    vectors, labels = torch.randn(60, 5, generator=rng), torch.tensor([0] * 20 + [4] * 39 + [7])  # one alone
    seen = view(vectors, 9.0 * torch.eye(10)[labels])
    expected = (20 * pdist(vectors[:20]).mean() + 39 * pdist(vectors[20:59]).mean()) / 59
    assert FeatureDiversity().compare(seen, seen, nothing)["diversity"].value == pytest.approx(expected, rel=1e-5)

    plain = view(vectors)
    whole = FeatureDiversity().compare(plain, plain, nothing)["diversity"].value
    assert whole == pytest.approx(pdist(vectors).mean(), rel=1e-5)


def test_one_picture_repeated_has_no_diversity(view: Callable[..., View], nothing: Evidence) -> None:
    seen = view(torch.ones(50, 3))
    assert FeatureDiversity().compare(seen, seen, nothing)["diversity"].value == 0


def test_pairs_are_two_different_members_of_one_class() -> None:
    groups = torch.tensor([0, 1, 1, 2, 2, 2, 0, 5])
    first, second = _pairs(groups, 500)
    assert (groups[first] == groups[second]).all() and (first != second).all()
    assert set(first.tolist()) == set(second.tolist()) == set(range(7))  # the one without company is left out


def test_structural_similarity_needs_large_pictures(nothing: Evidence) -> None:
    reason = StructuralSimilarity().why_not(Pixels(), nothing)
    assert reason == "five scales need pictures of at least 176 pixels, these have 4; see diversity"

    images = Images(torch.randint(0, 256, (20, 1, 176, 176), dtype=torch.uint8).contiguous())
    evidence = Evidence(ImageContent(1, 176, 176), {"reference": images}, {})
    assert StructuralSimilarity().why_not(Pixels(), evidence) is None

    metric = StructuralSimilarity(num_pairs=25)
    alike = View(Images(images.content[:1].repeat(20, 1, 1, 1)), Pixels())
    assert metric.compare(alike, alike, evidence)["ms_ssim"].value == pytest.approx(1, abs=1e-5)
    noise = View(images, Pixels())
    assert metric.compare(noise, noise, evidence)["ms_ssim"].value < 0.2
