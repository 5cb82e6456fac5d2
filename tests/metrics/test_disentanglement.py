import math

import pytest
import torch

from genloom.metrics.disentanglement import Disentanglement, information_gaps

FACTORS = torch.cartesian_prod(torch.arange(4), torch.arange(5), torch.arange(6)).repeat(20, 1)[
    torch.randperm(2400, generator=torch.Generator().manual_seed(0))
]


def scores_of(units: torch.Tensor) -> dict[str, float]:
    return {name: score.value for name, score in Disentanglement().scores(units, FACTORS).items()}


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
