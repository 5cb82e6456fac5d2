"""The area under the curve beside scikit-learn's, and what the bootstrap's interval is worth."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from genloom.metrics.roc import area, bootstrapped

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("levels", [2, 5, 1000])  # few levels: many ties
def test_the_area_is_scikit_learn_s(levels: int) -> None:
    wanted = RNG.random(200) < 0.3
    scores = RNG.integers(0, levels, 200) / levels + 0.3 * wanted * (levels > 2)
    weights = np.concatenate([np.ones((1, 200)), RNG.integers(0, 4, (5, 200))])
    found = area(wanted, scores, weights)
    for each, own in zip(found, weights, strict=True):
        assert each == pytest.approx(roc_auc_score(wanted, scores, sample_weight=own), abs=1e-12)


def test_a_class_without_weight_has_no_area() -> None:
    weights = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    found = area(np.array([False, False, True]), np.array([0.1, 0.2, 0.3]), weights)
    assert np.isnan(found[0]) and found[1] == 1


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for _ in range(200):  # positives are N(1, 1), negatives N(0, 1): the area is Φ(1 / √2)
        wanted = RNG.random(80) < 0.5
        scores = RNG.normal(size=80) + wanted
        value, interval = bootstrapped(lambda weights, w=wanted, s=scores: area(w, s, weights), 80)
        assert interval is not None and interval[0] < value < interval[1]
        held += interval[0] <= 0.76024993890652 <= interval[1]
    assert 175 <= held <= 199


def test_the_same_examples_have_the_same_interval_and_many_need_no_more_memory_at_once() -> None:
    wanted, scores = RNG.random(30_000) < 0.5, RNG.normal(size=30_000)
    sizes: list[int] = []

    def quantity(weights):
        sizes.append(weights.shape[0])
        return area(wanted, scores, weights)

    first, second = bootstrapped(quantity, 30_000), bootstrapped(quantity, 30_000)
    assert first == second
    assert max(sizes) * 30_000 <= 1_000_000 and sum(sizes) == 2 * 1001


def test_where_every_example_is_right_there_is_no_interval() -> None:
    wanted = np.arange(40) < 20
    assert bootstrapped(lambda weights: area(wanted, wanted * 1.0, weights), 40) == (1.0, None)
