"""Golden values 4 of the metrics' design, and agreement with the papers' definitions written out in numpy."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from genloom.contents.image import ImageContent
from genloom.errors import ConfigError
from genloom.judging.evidence import Evidence
from genloom.metrics import distances
from genloom.metrics.distances import squared_radii
from genloom.metrics.precision_recall import Overlap, Support, overlap


def shares(real: torch.Tensor, fake: torch.Tensor, k_pr: int, k_dc: int) -> Overlap:
    k = max(k_pr, k_dc)
    radii = squared_radii(real, k), squared_radii(fake, k)
    return overlap(real, fake, *radii, k_precision_recall=k_pr, k_density_coverage=k_dc)


@pytest.mark.parametrize(
    ("fake", "expected"),
    [
        (torch.arange(10.0), (1, 1, 0.6, 1)),
        (torch.arange(10.0) + 100, (0, 0, 0, 0)),
        (torch.linspace(0, 2, 10), (1, 0.3, 1.1, 0.3)),
    ],
)
def test_golden_values(fake: torch.Tensor, expected: tuple[float, ...]) -> None:
    found = shares(torch.arange(10.0)[:, None], fake[:, None], 2, 2)
    assert tuple(vars(found).values()) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("entries", [100, 4_000_000])
def test_agrees_with_numpy(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_ENTRIES", entries)
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(150, 3, generator=rng), 0.8 * torch.randn(90, 3, generator=rng) + 0.5
    radius = {k: np.sort(cdist(real, real), axis=1)[:, k] for k in (3, 5)}
    radius_fake = np.sort(cdist(fake, fake), axis=1)[:, 3]
    d = cdist(real, fake)
    expected = Overlap(
        precision=(d <= radius[3][:, None]).any(0).mean(),
        recall=(d <= radius_fake).any(1).mean(),
        density=(d < radius[5][:, None]).sum(0).mean() / 5,
        coverage=(d.min(1) < radius[5]).mean(),
    )
    assert vars(shares(real, fake, 3, 5)) == pytest.approx(vars(expected), rel=1e-5)


GRID = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0))


@pytest.mark.parametrize("offset", [0.0, 0.1, 100.3])
@pytest.mark.parametrize(
    ("kind", "k", "expected"),
    [
        ("the same", 3, (1, 1, 0.375, 1)),
        ("every other one, moved by one", 3, (1, 1, 0.375, 0.53125)),
        ("copies", 5, (1, 1, 1, 1)),
        ("half copies", 5, (0.9416667, 0.955, 0.9333333, 0.985)),
        ("half copies", 3, (0.9083333, 0.93, 0.9555556, 0.86)),
    ],
)
def test_what_lies_on_an_edge_is_not_inside_however_it_is_rounded(offset, kind, k, expected):
    """The numbers of prdc 0.2, ``compute_prdc(real, fake, nearest_k=k)`` in double precision. Candidates that are
    copies of real vectors lie on the edges of as many balls, and on a grid nearly all that is near does.
    """
    rng = np.random.default_rng(0)
    cloud = torch.from_numpy(rng.standard_normal((200, 6)).astype(np.float32)) + 5
    others = torch.from_numpy(rng.standard_normal((60, 6)).astype(np.float32)) + 5
    real, fake = {
        "the same": (GRID, GRID),
        "every other one, moved by one": (GRID, GRID[::2] + torch.tensor([0.0, 1.0])),
        "copies": (cloud, cloud),
        "half copies": (cloud, torch.cat([cloud[:60], others])),
    }[kind]
    found = shares(real + offset, fake + offset, k, k)
    assert tuple(vars(found).values()) == pytest.approx(expected, abs=1e-6)


def test_refuses_a_k_that_small_sets_cannot_serve() -> None:
    with pytest.raises(ConfigError, match="k_precision_recall: 0 is not within 1 and 19"):
        Support(k_precision_recall=0)
    with pytest.raises(ConfigError, match="k_density_coverage: 20 is not within 1 and 19"):
        Support(k_density_coverage=20)
    Support(k_precision_recall=1, k_density_coverage=19)


def test_the_metric_takes_each_k_for_its_own_balls(view) -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(150, 3, generator=rng), 0.8 * torch.randn(90, 3, generator=rng) + 0.5
    nothing = Evidence(ImageContent(1, 4, 4), {}, {})
    for k_pr, k_dc in ((3, 5), (6, 2)):
        metric = Support(k_precision_recall=k_pr, k_density_coverage=k_dc)
        found = {name: score.value for name, score in metric.compare(view(real), view(fake), nothing).items()}
        assert found == pytest.approx(vars(shares(real, fake, k_pr, k_dc)))
