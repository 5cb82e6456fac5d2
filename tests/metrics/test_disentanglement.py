import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from genloom.data.images.base import Images
from genloom.metrics.disentanglement import Disentanglement, _certainty, information_gaps

FACTORS = torch.cartesian_prod(torch.arange(4), torch.arange(5), torch.arange(6)).repeat(20, 1)[
    torch.randperm(2400, generator=torch.Generator().manual_seed(0))
]


def scores_of(units: torch.Tensor) -> dict[str, float]:
    metric = Disentanglement(boosting_rounds=10)  # a tenth of the usual, for the sake of time
    return {name: score.value for name, score in metric.scores(units, FACTORS).items()}


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_units_that_are_the_factors_score_one():
    scores = scores_of(torch.cat([-2.0 * FACTORS, noise(2400, 2)], dim=1))
    assert scores["mig"] > 0.95
    assert scores["dci_disentanglement"] > 0.85 and scores["dci_completeness"] > 0.85
    assert scores["dci_informativeness"] > 0.99


def test_rotated_units_know_as_much_but_are_entangled():
    standard = (FACTORS - FACTORS.float().mean(0)) / FACTORS.float().std(0)
    rotation = torch.linalg.qr(torch.tensor([[1.0, 1, 1], [1, -1, 0.5], [1, 0.2, -1.3]]))[0]
    plain, rotated = scores_of(standard), scores_of(standard @ rotation)
    assert rotated["mig"] < 0.3 < plain["mig"]
    assert rotated["dci_disentanglement"] < 0.6 * plain["dci_disentanglement"]
    assert rotated["dci_informativeness"] > 0.7


def test_noise_knows_nothing():
    scores = scores_of(noise(2400, 5))
    assert scores["mig"] < 0.02
    assert scores["dci_disentanglement"] < 0.05
    assert scores["dci_informativeness"] < 0.3  # chance: (1/4 + 1/5 + 1/6) / 3


def test_a_unit_that_tells_half_of_a_factor_leaves_a_gap_of_half():
    factor = torch.arange(4).repeat(500).unsqueeze(1)
    units = torch.cat([factor // 2, torch.zeros_like(factor)], dim=1).double()
    assert information_gaps(units, factor, 20)[0].item() == pytest.approx(math.log(2) / math.log(4))
    both = torch.cat([factor, factor], dim=1).double()  # two units know it equally: no gap
    assert information_gaps(both, factor, 20)[0].item() == 0


def mixed_codes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    factors = np.stack([rng.integers(0, num, 600) for num in (3, 4, 4)], axis=1)
    mixing = np.array([[1.0, 0.2, 0.0, 0.0], [0.0, 0.8, 0.3, 0.0], [0.0, 0.0, 0.7, 0.1]])
    return factors @ mixing + 0.4 * rng.standard_normal((600, 4)), factors


def test_dci_is_that_of_disentanglement_lib():
    """Its three numbers: dci.py's ``_compute_dci`` of github.com/google-research/disentanglement_lib at 86a644d, given
    the first 300 codes to train on and the others to test, with scikit-learn 1.9.1. It sets no seed for its trees: of
    three runs disentanglement was .432, .429, .434, completeness .438, .436, .437, informativeness .731, .736, .732.
    """
    units, factors = mixed_codes()
    found = Disentanglement().scores(torch.from_numpy(units), torch.from_numpy(factors))
    assert found["dci_disentanglement"].value == pytest.approx(0.432, abs=0.006)
    assert found["dci_completeness"].value == pytest.approx(0.437, abs=0.006)
    assert found["dci_informativeness"].value == pytest.approx(0.733, abs=0.006)


def test_mig_is_that_of_numpy_s_histograms_and_scikit_learn_s_mutual_information():
    units, factors = mixed_codes()
    binned = [np.digitize(unit, np.histogram(unit, 20)[1][:-1]) for unit in units.T]
    gaps = []
    for factor in factors.T:
        second, first = sorted(mutual_info_score(unit, factor) for unit in binned)[-2:]
        gaps.append((first - second) / mutual_info_score(factor, factor))
    found = information_gaps(torch.from_numpy(units), torch.from_numpy(factors), 20)
    assert found.tolist() == pytest.approx(gaps, rel=1e-6)


def test_checks_during_training_take_the_gap_alone():
    units, factors = map(torch.from_numpy, mixed_codes())
    assert set(Disentanglement().quick().scores(units, factors)) == {"mig"}


def test_models_that_find_no_latents_are_not_measured(tiny_gan, tiny_vae, tiny_data):
    seen = tiny_data.split("test")
    known = Images(seen.content, factors=FACTORS[: len(seen)])
    assert Disentanglement().why_not(tiny_gan(), known).startswith("it needs Encode; this model offers ")
    assert Disentanglement().why_not(tiny_vae(), known) is None
    assert "not known" in Disentanglement().why_not(tiny_vae(), seen)


def test_units_that_say_nothing_have_no_certainty():
    assert _certainty(np.zeros((3, 2))) == 0
    assert _certainty(np.eye(3)) == pytest.approx(1)
