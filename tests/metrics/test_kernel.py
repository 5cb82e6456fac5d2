"""The kernel distance against torchmetrics, against plain loops over pairs, and its interval against simulation."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from genloom.contents.image import ImageContent
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Score
from genloom.metrics import kernel
from genloom.metrics.kernel import KernelDistance, direct_sum, embedded_sum

ViewOf = Callable[..., View]
NOTHING = Evidence(ImageContent(1, 4, 4), {}, {})


def vectors(num: int, features: int, seed: int, shift: float = 0.3) -> torch.Tensor:
    return torch.randn(num, features, generator=torch.Generator().manual_seed(seed)) + shift


def compare(reference: View, candidate: View) -> Score:
    return KernelDistance().compare(reference, candidate, NOTHING)["kd"]


def by_numpy(x: torch.Tensor, y: torch.Tensor) -> float:
    a, b = x.double().numpy(), y.double().numpy()

    def k(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (first @ second.T / first.shape[1] + 1) ** 3

    n, m = len(a), len(b)
    xx = (k(a, a).sum() - np.trace(k(a, a))) / (n * (n - 1))
    yy = (k(b, b).sum() - np.trace(k(b, b))) / (m * (m - 1))
    return xx + yy - 2 * k(a, b).mean()


def test_the_embedding_reproduces_the_kernel() -> None:
    x, y = vectors(30, 7, 0), vectors(20, 7, 1)
    assert (embedded_sum(x) @ embedded_sum(y)).item() == pytest.approx(direct_sum(x, y), rel=1e-10)


@pytest.mark.parametrize("features", [6, 150])  # by the embedding, by pairs
@pytest.mark.parametrize("num", [200, 83])
def test_agrees_with_numpy_and_torchmetrics(view: ViewOf, features: int, num: int) -> None:
    x, y = vectors(200, features, 0), vectors(num, features, 1, 0.5)
    score = compare(view(x), view(y))
    assert score.value == pytest.approx(by_numpy(x, y), rel=1e-5)
    if num == 200:
        assert score.value == pytest.approx(poly_mmd(x.double(), y.double()).item(), rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*will save all extracted features")
def test_equals_kid_with_all_images_as_the_subset(view: ViewOf) -> None:
    features = torch.nn.Identity()
    features.num_features = 8  # type: ignore[assignment]
    kid = KernelInceptionDistance(feature=features, subset_size=100, subsets=1)
    x, y = vectors(100, 8, 0).double(), vectors(100, 8, 1, 0.6).double()
    kid.update(x, real=True)
    kid.update(y, real=False)
    assert compare(view(x), view(y)).value == pytest.approx(kid.compute()[0].item(), rel=1e-5)


def test_both_ways_give_one_interval(view: ViewOf, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = vectors(120, 5, 0), vectors(90, 5, 1)
    embedded = compare(view(x), view(y))
    monkeypatch.setattr(kernel, "_MAX_EMBEDDED", 0)
    direct = compare(view(x), view(y))
    assert direct.interval == pytest.approx(embedded.interval, rel=1e-8)


@pytest.mark.parametrize("features", [5, 70])  # by the embedding, by pairs
def test_what_is_kept_with_a_set_of_images_is_of_the_blocks_that_are_asked_for(
    view: ViewOf, monkeypatch: pytest.MonkeyPatch, features: int
) -> None:
    x, y = view(vectors(60, features, 0)), view(vectors(40, features, 1))
    compare(x, y)
    monkeypatch.setattr(kernel, "NUM_BLOCKS", 5)
    fresh = compare(view(vectors(60, features, 0)), view(vectors(40, features, 1)))
    assert compare(x, y) == fresh


def test_the_interval_covers_zero_for_one_distribution_and_not_for_two(view: ViewOf) -> None:
    def lowest(shift: float) -> list[float]:
        scores = [compare(view(vectors(200, 4, 2 * s)), view(vectors(150, 4, 2 * s + 1, shift))) for s in range(10)]
        return [score.interval[0] for score in scores if score.interval]

    assert sum(low <= 0 for low in lowest(0.3)) >= 9
    assert sum(low > 0 for low in lowest(1.0)) >= 9


@pytest.mark.parametrize("features", [5, 70])  # by the embedding, by pairs
def test_the_interval_is_that_of_the_jackknife_over_twenty_blocks(view: ViewOf, features: int) -> None:
    x, y = vectors(104, features, 0), vectors(57, features, 1, 0.5)
    blocks = [[part.numpy() for part in np.array_split(each, 20)] for each in (x, y)]
    without = [
        by_numpy(*(torch.tensor(np.concatenate(parts[:b] + parts[b + 1 :])) for parts in blocks)) for b in range(20)
    ]
    half = scipy.stats.t.ppf(0.975, 19) * np.sqrt(19 / 20 * ((without - np.mean(without)) ** 2).sum())
    score = compare(view(x), view(y))
    assert score.interval == pytest.approx((score.value - half, score.value + half), rel=1e-3)
