"""What holds of every objective: finite, differentiable, blind to a batch's order. A new class needs its case."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import genloom.objectives
from discovery import classes, missing
from genloom.batch import Batch
from genloom.distributions.outputs.base import Prediction
from genloom.distributions.outputs.real import GaussianPrediction, PointPrediction, QuantilePrediction
from genloom.networks.base import Critique
from genloom.objectives.gan import (
    R1,
    R2,
    AskedLevel,
    AuxiliaryClassification,
    CodeInformation,
    Dragan,
    Game,
    GanTerm,
    GradientPenalty,
    Hinge,
    LeastSquares,
    LeCam,
    Minimax,
    NonSaturating,
    PathLength,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
    WeightClipping,
)
from genloom.objectives.sequence import (
    MeanAbsoluteError,
    MeanSquaredError,
    NegativeLogLikelihood,
    Pinball,
    SequenceObjective,
)
from genloom.objectives.vae import BetaTc, Elbo, Iwae, VaeObjective
from objectives.games import game

NUM = 6
ORDERS = [torch.arange(NUM), torch.tensor([3, 0, 5, 2, 4, 1])]

#: Each term with what builds it. Those that draw for each example of the batch depend on its order by that alone.
TERMS: dict[type, Callable[[], GanTerm]] = {
    kind: kind
    for kind in (
        *(
            AskedLevel,
            AuxiliaryClassification,
            CodeInformation,
            Dragan,
            GradientPenalty,
            Hinge,
            LeastSquares,
            LeCam,
            Minimax,
        ),
        *(NonSaturating, R1, R2, RelativisticAverage, RelativisticPairing, Wasserstein, WeightClipping),
    )
} | {PathLength: partial(PathLength, latent="z", batch_share=1.0)}
DRAWS = {Dragan, GradientPenalty, PathLength}
OF_VAES: dict[type, Callable[[], VaeObjective]] = {BetaTc: BetaTc, Elbo: Elbo, Iwae: partial(Iwae, k=3)}


class Critic(nn.Module):
    """Scores, classes, a categorical and two continuous codes, all smooth."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(2)
        self.first = nn.Parameter(torch.randn(16, 8, generator=rng) / 4)
        self.last = nn.Parameter(torch.randn(8, 9, generator=rng) / 3)

    def forward(self, content: Tensor, given: object = None) -> Critique:
        score, label, category, continuous = ((content.flatten(1) @ self.first).tanh() @ self.last).split(
            [1, 3, 3, 2], 1
        )
        return Critique(score[:, 0], {"class": label, "category": category, "continuous": continuous})


def played(critic: Critic, order: Tensor) -> tuple[Game, Tensor]:
    """Return a game of six examples in an order, and the generator's weight."""
    rng = torch.Generator().manual_seed(1)
    real, z = torch.randn(NUM, 1, 4, 4, generator=rng)[order], torch.randn(NUM, 3, generator=rng)[order]
    weight = torch.randn(3, 16, generator=rng).requires_grad_()
    latent = {
        "z": z,
        "category": (torch.arange(NUM) % 3)[order],
        "continuous": torch.randn(NUM, 2, generator=rng)[order],
    }

    def generate(latent: dict[str, Tensor]) -> Tensor:
        return (latent["z"] @ weight).tanh().view(-1, 1, 4, 4)

    labels = torch.tensor([0, 1, 2, 2, 1, 0])[order]
    played = game(critic, real, generate(latent), labels=labels, latent=latent, rerun=generate)
    has = played.fake.content.flatten(1).sigmoid().gather(1, labels.unsqueeze(1)).squeeze(1)
    return replace(played, fake=replace(played.fake, has_asked=has)), weight


def test_every_objective_has_a_case():
    assert missing(classes(GanTerm, genloom.objectives), TERMS) == []
    assert missing(classes(SequenceObjective, genloom.objectives), PREDICTIONS) == []
    assert missing(classes(VaeObjective, genloom.objectives), OF_VAES) == []


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("kind", TERMS)
def test_a_term_is_finite_and_teaches_its_player(kind, player):
    term, critic = TERMS[kind](), Critic()
    turn, weight = played(critic, ORDERS[0])
    loss = getattr(term, player)(turn)
    assert (loss is not None) == term.trains(player)
    if loss is None:
        return
    assert loss.total.shape == () and loss.total.isfinite()
    logged = [torch.as_tensor(value) for value in loss.terms().values()]
    assert all(value.isfinite() and value.shape == () and not value.requires_grad for value in logged)
    loss.total.backward()
    learned = [weight] if player == "generator" else list(critic.parameters())
    assert all(value.grad is not None and value.grad.isfinite().all() and value.grad.any() for value in learned)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("kind", [kind for kind in TERMS if kind not in DRAWS])
def test_a_term_does_not_depend_on_the_order_of_the_batch(kind, player):
    critic = Critic()
    losses = [getattr(TERMS[kind](), player)(played(critic, order)[0]) for order in ORDERS]
    if losses[0] is not None:
        assert losses[0].total.item() == pytest.approx(losses[1].total.item(), rel=1e-5)


def point(values: Tensor) -> Prediction:
    return PointPrediction(values)


def gaussian(values: Tensor) -> Prediction:
    return GaussianPrediction(values, values.tanh())


def quantiles(values: Tensor) -> Prediction:
    return QuantilePrediction(torch.tensor([0.1, 0.5, 0.9]), torch.stack([values - 1, values, values + 1], -1))


#: Each objective of sequences with a prediction that offers what it needs.
PREDICTIONS: dict[type, Callable[[Tensor], Prediction]] = {
    MeanAbsoluteError: point,
    MeanSquaredError: point,
    NegativeLogLikelihood: gaussian,
    Pinball: quantiles,
}


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_a_loss_of_sequences_is_finite_differentiable_and_blind_to_the_order(kind):
    rng = torch.Generator().manual_seed(0)
    values, content = torch.randn(2, NUM, 5, 3, generator=rng)
    mask = torch.rand(NUM, 5, 3, generator=rng) < 0.7
    assert kind.needs is None or getattr(PREDICTIONS[kind](values), kind.needs)
    totals = []
    for order in ORDERS:
        weights = values[order].clone().requires_grad_()
        batch = Batch(content=content[order], index=order, mask=mask[order])
        loss = kind()(PREDICTIONS[kind](weights), batch)
        loss.total.backward()
        assert loss.total.isfinite() and weights.grad is not None and weights.grad.isfinite().all()
        assert torch.equal(weights.grad != 0, mask[order])
        totals.append(loss.total.item())
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)


@pytest.mark.parametrize("kind", OF_VAES)
def test_an_objective_of_vaes_is_finite_and_teaches_every_parameter(kind, tiny_vae, tiny_batch):
    model = tiny_vae(objective=OF_VAES[kind]())
    rng = torch.Generator().manual_seed(0)
    loss = model.objective(model.autoencoder, tiny_batch, iteration=3, num_examples=100, rng=rng)
    assert loss.total.shape == () and loss.total.isfinite()
    assert all(torch.as_tensor(value).isfinite() for value in loss.terms().values())
    loss.total.backward()
    cut_off = [
        name for name, value in model.autoencoder.named_parameters() if value.grad is None or not value.grad.any()
    ]
    assert cut_off == []
