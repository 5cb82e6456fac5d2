"""Distances and neighbours against scipy, in chunks of any size."""

import pytest
import torch
from scipy.spatial.distance import cdist, pdist

from genloom.metrics import distances
from genloom.metrics.distances import mean_distance, nearest, smallest, squared_distances, squared_radii


@pytest.fixture(params=[(50, 9), (10, 1), (4_000_000, 8192)])  # entries of a chunk, points of a part
def chunked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_ENTRIES", request.param[0])
    monkeypatch.setattr(distances, "_POINTS", request.param[1])


def vectors(num: int, seed: int) -> torch.Tensor:
    return torch.randn(num, 6, generator=torch.Generator().manual_seed(seed)) + 100  # far from the origin


@pytest.mark.parametrize(("columns", "num"), [(5, 5), (15, 1), (16, 1), (97, 6), (161, 6), (1000, 6), (1007, 3)])
def test_smallest_finds_what_topk_finds(columns: int, num: int) -> None:
    matrix = torch.randn(20, columns, generator=torch.Generator().manual_seed(0))
    assert smallest(matrix, num).equal(matrix.topk(num, largest=False).indices)


def test_smallest_sees_infinite_entries_last() -> None:
    matrix = torch.full((3, 200), torch.inf).index_fill_(1, torch.tensor([7, 107]), 1.0)
    assert smallest(matrix, 2).sort(dim=1).values.tolist() == [[7, 107]] * 3


@pytest.mark.usefixtures("chunked")
def test_distances_agree_with_scipy() -> None:
    x, y = vectors(40, 0), vectors(70, 1)
    squared = torch.cat([chunk.squared.clone() for chunk in squared_distances(x, y)])
    assert squared.numpy() == pytest.approx(cdist(x, y, "sqeuclidean"), rel=1e-4, abs=1e-5)
    assert mean_distance(x) == pytest.approx(pdist(x).mean(), rel=1e-5)


def test_what_rounding_makes_of_the_distance_to_oneself_does_not_count() -> None:
    for seed in range(20):
        few = 30 * vectors(3, seed)
        assert mean_distance(few) == pytest.approx(pdist(few.double()).mean(), rel=1e-5)


@pytest.mark.usefixtures("chunked")
def test_neighbours_agree_with_scipy() -> None:
    x, y = vectors(40, 0), vectors(70, 1)
    y[5] = x[3]
    found, matrix = nearest(x, y), cdist(x, y)
    assert found.index.tolist() == matrix.argmin(1).tolist()
    assert found.distance.numpy() == pytest.approx(matrix.min(1), rel=1e-5)
    assert found.distance[3] == 0  # exactly, whatever rounding the matrix product has

    among = cdist(y, y)
    among.sort(1)
    assert squared_radii(y, 4).sqrt().numpy() == pytest.approx(among[:, 1:5], rel=1e-4)
    every = torch.arange(len(y))
    assert nearest(y[3::5], y, other_than=every[3::5]).distance.numpy() == pytest.approx(among[3::5, 1], rel=1e-4)
    assert nearest(y, y, other_than=every).distance.numpy() == pytest.approx(among[:, 1], rel=1e-4)
