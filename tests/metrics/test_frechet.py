"""Golden values 1 of the metrics' design: closed forms, an independent computation, invariances."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from genloom.metrics.frechet import Moments, distance, frechet_distance, moments, symmetric_root


def exact(first: Moments, second: Moments) -> float:
    return distance(first, second, symmetric_root(first.covariance))


def vectors(num: int, features: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=rng)
    return torch.randn(num, features, generator=rng) @ mixing + torch.randn(features, generator=rng)


def test_equal_covariances_leave_the_distance_of_the_means() -> None:
    covariance = torch.from_numpy(np.cov(vectors(50, 6, 0).numpy().T)).double()
    mean = torch.arange(6.0, dtype=torch.float64)
    assert exact(Moments(mean, covariance), Moments(mean + 2, covariance)) == pytest.approx(24, rel=1e-9)


def test_commuting_covariances_have_a_closed_form() -> None:
    a, b = torch.rand(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(vectors(5, 5, 1).double()).Q
    zero = torch.zeros(5, dtype=torch.float64)
    expected = 5 * 9 + (a.sqrt() - b.sqrt()).square().sum().item()
    first, second = (rotation @ v.diag() @ rotation.T for v in (a, b))
    assert exact(Moments(zero, first), Moments(zero + 3, second)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("num", [30, 500])  # fewer and more than the features
def test_agrees_with_scipy_and_with_torchmetrics(num: int) -> None:
    x, y = vectors(400, 40, 2), vectors(num, 40, 3)
    mean_x, mean_y = x.double().mean(0).numpy(), y.double().mean(0).numpy()
    cov_x, cov_y = np.cov(x.double().numpy().T), np.cov(y.double().numpy().T)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    expected = ((mean_x - mean_y) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)

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


def test_falls_with_the_number_of_images() -> None:
    x = torch.randn(8000, 16, generator=torch.Generator().manual_seed(0))
    values = [frechet_distance(x[:4000], x[4000 : 4000 + num]) for num in (64, 256, 1024, 4000)]
    assert values == sorted(values, reverse=True)
