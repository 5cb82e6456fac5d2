"""Transforms of numbers: there and back, and as other implementations have them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.mixture import BayesianGaussianMixture
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, StandardScaler

import genloom.contents
from discovery import classes, missing
from genloom.contents.transforms import Log, ModeSpecific, Quantile, Standard, Transform

RNG = np.random.default_rng(0)
NUMBERS = {
    "normal": RNG.normal(50, 10, 800),
    "long tail": RNG.lognormal(3, 1, 800),
    "negative": -RNG.lognormal(3, 1, 800),
    "mostly zero": np.maximum(0, RNG.normal(-1, 1, 800)),
    "few": RNG.integers(0, 4, 800).astype(float),
    "all alike": np.full(30, 7.0),
    "one": np.array([3.0]),
}
CASES: dict[type, Callable[[], Transform]] = {kind: kind for kind in (Standard, Log, Quantile, ModeSpecific)}


def test_every_transform_has_a_case():
    assert missing(classes(Transform, genloom.contents), CASES) == []


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("kind", CASES)
def test_numbers_come_back_and_whatever_is_decoded_is_finite(kind, numbers):
    values = NUMBERS[numbers]
    transform = CASES[kind]().fitted(values)
    x = torch.from_numpy(values)
    encoded = transform.encode(x)
    width = sum(block.width for block in transform.blocks)
    assert encoded.shape == (len(x), width) and encoded.isfinite().all()
    again = transform.decode(encoded)
    scale = max(float(values.std()), 1e-6)
    within = (again - x).abs() < 1e-6 * scale if kind is not ModeSpecific else (again - x).abs() < 1.5 * scale
    assert within.float().mean() > (0.99 if kind is not Quantile else 0.6)  # 500 knots
    assert (again - x).abs().mean() < 0.02 * scale
    wild = 30 * torch.randn(500, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert transform.decode(wild).isfinite().all()


@pytest.mark.parametrize("kind", CASES)
def test_one_block_of_those_that_choose_is_chosen(kind):
    transform = CASES[kind]().fitted(NUMBERS["long tail"])
    encoded = transform.encode(torch.from_numpy(NUMBERS["long tail"]))
    parts = encoded.split([block.width for block in transform.blocks], dim=1)
    for block, part in zip(transform.blocks, parts, strict=True):
        if block.chosen:
            assert ((part == 0) | (part == 1)).all() and (part.sum(1) == 1).all()


def test_standard_and_log_are_those_of_scikit_learn():
    values = NUMBERS["long tail"]
    theirs = StandardScaler().fit_transform(values.reshape(-1, 1))
    assert np.allclose(Standard().fitted(values).encode(torch.from_numpy(values)), theirs)
    power = PowerTransformer("box-cox", standardize=True)
    power.fit(values.reshape(-1, 1))
    logs = np.log(values).reshape(-1, 1)
    assert np.allclose(Log().fitted(values).encode(torch.from_numpy(values)), StandardScaler().fit_transform(logs))


@pytest.mark.parametrize("numbers", ["normal", "long tail"])
def test_normal_scores_are_those_of_scikit_learn(numbers):
    values = NUMBERS[numbers]
    ours = Quantile(knots=800).fitted(values).encode(torch.from_numpy(values)).numpy()
    theirs = QuantileTransformer(n_quantiles=800, output_distribution="normal").fit_transform(values.reshape(-1, 1))
    assert np.abs(norm.cdf(ours) - norm.cdf(theirs)).max() < 0.5001 / 800  # (i + ½) / n here, i / (n − 1) there


@pytest.mark.parametrize("numbers", ["normal", "long tail", "mostly zero", "few"])
def test_normal_draws_are_decoded_to_the_training_rows_distribution(numbers):
    values = NUMBERS[numbers]
    levels = (np.arange(100_000) + 0.5) / 100_000
    drawn = Quantile(knots=200).fitted(values).decode(torch.from_numpy(norm.ppf(levels)).unsqueeze(1)).numpy()
    at = np.unique(values)
    ours, real = (np.searchsorted(np.sort(each), at, side="right") / len(each) for each in (drawn, values))
    assert np.abs(ours - real).max() < 0.006
    assert drawn.min() >= values.min() and drawn.max() <= values.max()


def test_a_mode_is_the_one_that_scikit_learn_predicts():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 500), rng.normal(20, 3, 300)])
    transform = ModeSpecific(modes=4).fitted(values)
    encoded = transform.encode(torch.from_numpy(values))
    mean = np.array(transform.means)[encoded[:, 1:].argmax(1)]
    assert len(transform.means) <= 4
    scaled = ((values - values.mean()) / values.std()).reshape(-1, 1)
    theirs = BayesianGaussianMixture(
        n_components=4, weight_concentration_prior_type="dirichlet_process", weight_concentration_prior=1e-3,
        random_state=0, max_iter=100,
    ).fit(scaled)  # fmt: skip
    expected = theirs.means_.reshape(-1)[theirs.predict(scaled)] * values.std() + values.mean()
    assert (np.abs(mean - expected) < 1e-9).mean() > 0.97  # theirs takes expectations over the weights
    std = np.array(transform.stds)[encoded[:, 1:].argmax(1)]
    assert np.allclose(encoded[:, 0], np.clip((values - mean) / (4 * std), -1, 1))
