"""Golden values 1 of the metrics' design: closed forms, an independent computation, invariances."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from genloom.contents.image import ImageContent
from genloom.data.images.base import Images
from genloom.extractors.features import Pixels
from genloom.intervals import half_width
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Score
from genloom.metrics.frechet import (
    FrechetDistance,
    FrechetDistanceOfReconstructions,
    FrechetDistanceOfReconstructionsToTrain,
    Moments,
    distance,
    frechet_distance,
    moments,
)

ViewOf = Callable[..., View]
NOTHING = Evidence(ImageContent(1, 4, 4), {}, {})


def of(mean: torch.Tensor, covariance: torch.Tensor) -> Moments:
    return Moments(2, mean, covariance)  # of two vectors the covariance is the scatter


def vectors(num: int, features: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=rng)
    return torch.randn(num, features, generator=rng) @ mixing + torch.randn(features, generator=rng)


def test_equal_covariances_leave_the_distance_of_the_means() -> None:
    covariance = torch.from_numpy(np.cov(vectors(50, 6, 0).numpy().T)).double()
    mean = torch.arange(6.0, dtype=torch.float64)
    assert distance(of(mean, covariance), of(mean + 2, covariance)) == pytest.approx(24, rel=1e-9)


def test_commuting_covariances_have_a_closed_form() -> None:
    a, b = torch.rand(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(vectors(5, 5, 1).double()).Q
    zero = torch.zeros(5, dtype=torch.float64)
    expected = 5 * 9 + (a.sqrt() - b.sqrt()).square().sum().item()
    first, second = (rotation @ v.diag() @ rotation.T for v in (a, b))
    assert distance(of(zero, first), of(zero + 3, second)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("num", [30, 500])  # fewer and more than the features
def test_agrees_with_scipy_and_with_torchmetrics(num: int) -> None:
    x, y = vectors(400, 40, 2), vectors(num, 40, 3)
    mean_x, mean_y = x.double().mean(0).numpy(), y.double().mean(0).numpy()
    cov_x, cov_y = np.cov(x.double().numpy().T), np.cov(y.double().numpy().T)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    expected = ((mean_x - mean_y) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(y, x) == pytest.approx(expected, rel=1e-5)
    small = 1e-3  # what is small in every direction counts as it is
    assert frechet_distance(small * y, small * x) == pytest.approx(small**2 * expected, rel=1e-4)

    features = torch.nn.Identity()
    features.num_features = 40  # type: ignore[assignment]
    metric = FrechetInceptionDistance(feature=features)
    for part in x.split(130):  # chunks do not matter
        metric.update(part, real=True)
    metric.update(y, real=False)
    assert frechet_distance(x, y) == pytest.approx(metric.set_dtype(torch.float64).compute().item(), rel=1e-5)


def test_is_symmetric_and_does_not_see_rotations() -> None:
    x, y = vectors(300, 10, 4), vectors(200, 10, 5)
    rotation = torch.linalg.qr(vectors(10, 10, 6)).Q
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(frechet_distance(x, y), rel=1e-5)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_moments_equal_numpys() -> None:
    x = vectors(100, 7, 7)
    gathered = moments(x)
    np.testing.assert_allclose(gathered.mean, x.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(gathered.covariance, np.cov(x.double().numpy().T), rtol=1e-9)


def test_moments_add_and_subtract() -> None:
    x = vectors(50, 4, 8)
    whole, part, rest = moments(x), moments(x[:13]), moments(x[13:])
    for found, expected in ((part + rest, whole), (whole - part, rest)):
        assert found.num == expected.num
        torch.testing.assert_close(found.mean, expected.mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found.covariance, expected.covariance, rtol=1e-10, atol=1e-10)


def test_the_jackknife_leaves_out_a_block_of_both(view: ViewOf) -> None:
    x, y = vectors(210, 5, 9), vectors(103, 5, 10)
    found = FrechetDistance().compare(view(x), view(y), NOTHING)["fd"]
    assert found.value == pytest.approx(frechet_distance(x, y), rel=1e-9)

    def without(block: int) -> float:
        kept = [torch.cat([part for b, part in enumerate(z.tensor_split(20)) if b != block]) for z in (x, y)]
        return frechet_distance(*kept)

    roots = np.sqrt([without(block) for block in range(20)])
    half = scipy.stats.t.ppf(0.975, 19) * np.sqrt(19 * roots.var())
    root = found.value**0.5
    assert found.interval == pytest.approx(((root - half) ** 2, (root + half) ** 2), rel=1e-6)


@pytest.mark.parametrize(
    ("shift", "widest"),
    [
        (0.0, 2.2),  # a floor: where the distance is quadratic the jackknife gives twice the variance
        (0.5, 1.3),
    ],
)
def test_the_interval_holds_the_distance_of_so_many_images(view: ViewOf, shift: float, widest: float) -> None:
    """Against the spread of the distance over independent draws of both sets."""
    rng = torch.Generator().manual_seed(0)
    scales = torch.linspace(2, 0.5, 6)

    def draw() -> Score:
        x, y = torch.randn(400, 6, generator=rng) * scales, torch.randn(300, 6, generator=rng) * scales + shift
        return FrechetDistance().compare(view(x), view(y), NOTHING)["fd"]

    scores = [draw() for _ in range(60)]
    values = np.array([score.value for score in scores])
    held = [low <= values.mean() <= high for low, high in (score.interval or (0, 0) for score in scores)]
    assert np.mean(held) >= 0.92
    relative = np.mean([half_width(score.interval or (0, 0)) for score in scores]) / (1.96 * values.std())
    assert 0.85 < relative < widest


def test_fewer_vectors_than_features_have_an_interval(view: ViewOf) -> None:
    score = FrechetDistance().compare(view(vectors(30, 50, 11)), view(vectors(25, 50, 12)), NOTHING)["fd"]
    assert score.interval is not None and 0 <= score.interval[0] < score.value < score.interval[1]


def test_falls_with_the_number_of_images() -> None:
    x = torch.randn(8000, 16, generator=torch.Generator().manual_seed(0))
    values = [frechet_distance(x[:4000], x[4000 : 4000 + num]) for num in (64, 256, 1024, 4000)]
    assert values == sorted(values, reverse=True)


def test_reconstructions_are_held_against_their_originals_or_against_the_reference() -> None:
    rng = torch.Generator().manual_seed(0)
    train, heldout, rebuilt = (
        Images(torch.randint(0, high, (60, 1, 4, 4), dtype=torch.uint8, generator=rng)) for high in (256, 200, 150)
    )
    evidence = Evidence(
        ImageContent(1, 4, 4), {"reference": train, "heldout": heldout}, {"reconstructions": {"c": rebuilt}}
    )
    reference, candidate = View(train, Pixels()), View(rebuilt, Pixels())
    of_pixels = {
        name: Pixels()(each.content).vectors for name, each in {"t": train, "h": heldout, "r": rebuilt}.items()
    }
    found = FrechetDistanceOfReconstructions().compare(View(heldout, Pixels()), candidate, evidence)
    assert found["rfd"].value == pytest.approx(frechet_distance(of_pixels["h"], of_pixels["r"]), rel=1e-6)
    found = FrechetDistanceOfReconstructionsToTrain().compare(reference, candidate, evidence)
    expected = frechet_distance(of_pixels["t"], of_pixels["r"])
    assert found["fd_reconstructed"].value == pytest.approx(expected, rel=1e-6)
