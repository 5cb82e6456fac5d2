"""Each objective against its formula, written down again in plain Python, at known scores."""

import math

import pytest
import torch

from genloom.objectives.gan import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
)
from objectives.games import Linear, first_pixel, game, images

REAL, FAKE = (2.0, -1.0, 0.3), (0.5, -3.0, 1.5)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def relativistic(first, second) -> float:
    of_first = mean(-log_sigmoid(a - mean(second)) for a in first)
    return of_first + mean(-math.log(1 - 1 / (1 + math.exp(-(b - mean(first))))) for b in second)


FORMULAS = {
    Minimax: (
        mean(-log_sigmoid(r) for r in REAL) + mean(-log_sigmoid(-f) for f in FAKE),
        mean(math.log(1 - 1 / (1 + math.exp(-f))) for f in FAKE),
    ),
    NonSaturating: (
        mean(-log_sigmoid(r) for r in REAL) + mean(-log_sigmoid(-f) for f in FAKE),
        mean(-log_sigmoid(f) for f in FAKE),
    ),
    LeastSquares: (
        0.5 * mean((r - 1) ** 2 for r in REAL) + 0.5 * mean(f**2 for f in FAKE),
        0.5 * mean((f - 1) ** 2 for f in FAKE),
    ),
    Wasserstein: (mean(FAKE) - mean(REAL), -mean(FAKE)),
    Hinge: (mean(max(0, 1 - r) for r in REAL) + mean(max(0, 1 + f) for f in FAKE), -mean(FAKE)),
    RelativisticAverage: (relativistic(REAL, FAKE), relativistic(FAKE, REAL)),
    RelativisticPairing: (
        mean(-log_sigmoid(r - f) for r, f in zip(REAL, FAKE, strict=True)),
        mean(-log_sigmoid(f - r) for r, f in zip(REAL, FAKE, strict=True)),
    ),
}


@pytest.mark.parametrize("objective", FORMULAS, ids=lambda objective: objective.__name__)
def test_losses_against_the_formula(objective):
    played = game(first_pixel, images(*REAL), images(*FAKE))
    of_discriminator, of_generator = FORMULAS[objective]
    assert objective().discriminator(played).total.item() == pytest.approx(of_discriminator, rel=1e-5)
    assert objective().generator(played).total.item() == pytest.approx(of_generator, rel=1e-5)


@pytest.mark.parametrize("objective", FORMULAS, ids=lambda objective: objective.__name__)
def test_the_discriminator_gains_by_telling_apart_and_the_generator_by_deceiving(objective):
    fair = game(first_pixel, images(0.0), images(0.0))
    told_apart = game(first_pixel, images(0.5), images(-0.5))
    assert objective().discriminator(told_apart).total < objective().discriminator(fair).total
    assert objective().generator(told_apart).total > objective().generator(fair).total


@pytest.mark.parametrize("objective", FORMULAS, ids=lambda objective: objective.__name__)
def test_what_is_logged_holds_no_graph(objective):
    critic = Linear()
    for loss in (side(game(critic, images(*REAL), images(*FAKE))) for side in (objective().discriminator,)):
        assert loss.total.requires_grad
        assert not any(value.requires_grad for value in loss.terms().values())


@pytest.mark.parametrize("objective", FORMULAS, ids=lambda objective: objective.__name__)
def test_what_is_logged_are_mean_scores_or_probabilities(objective):
    scores = torch.tensor(REAL).mean(), torch.tensor(FAKE).mean()
    chances = torch.tensor(REAL).sigmoid().mean(), torch.tensor(FAKE).sigmoid().mean()
    logged = objective().discriminator(game(first_pixel, images(*REAL), images(*FAKE))).terms()
    for name, wanted in zip(("score_x", "score_G(z)", "D(x)", "D(G(z))"), (*scores, *chances), strict=True):
        if name in logged:
            assert logged[name].item() == pytest.approx(wanted.item())
    assert logged.keys() & {"score_x", "D(x)", "wasserstein_estimate"}


@pytest.mark.parametrize("objective", FORMULAS, ids=lambda objective: objective.__name__)
def test_extreme_scores_stay_finite(objective):
    played = game(first_pixel, images(-1e4), images(1e4))
    assert objective().discriminator(played).total.isfinite()
    assert objective().generator(played).total.isfinite()


def test_relativistic_losses_do_not_change_when_all_scores_shift():
    for objective in (RelativisticAverage(), RelativisticPairing()):
        plain = game(first_pixel, images(*REAL), images(*FAKE))
        shifted = game(first_pixel, images(*(r + 7 for r in REAL)), images(*(f + 7 for f in FAKE)))
        assert objective.discriminator(plain).total.item() == pytest.approx(
            objective.discriminator(shifted).total.item(), rel=1e-5
        )
