"""What an autoencoder minimises. Terms are nats per example: sums over values and units, averaged over examples.

Notation: x content, z latent, q(z|x) posterior, p(z) prior, N examples of the data set, B of the batch, k draws.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Batch
from genloom.bottlenecks.base import Inference
from genloom.errors import ConfigError
from genloom.limits import Count, NonNegative, Share, Whole
from genloom.objectives.loss import Iteration, Loss
from genloom.part import Part


@runtime_checkable
class LatentModel(Protocol):
    """What an objective asks of a model."""

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Draw k latents for each example."""
        ...

    def log_likelihood(self, inference: Inference, batch: Batch) -> Float[Tensor, "k batch"]:
        """Return log p(x | z) of each draw, nats per example."""
        ...


Weight = Callable[[Any], float | Float[Tensor, ""]]  # of a term at an iteration


@dataclass(frozen=True)
class Constant(Part):
    """The same weight throughout.

    Args:
        value: the weight.
    """

    value: float = 1.0

    def __call__(self, iteration: Iteration) -> float:
        """Return it."""
        return self.value


@dataclass(frozen=True)
class LinearWarmup(Part):
    """A weight that rises from 0. Bowman et al., 2016; Sønderby et al., Ladder VAE, 2016.

    Args:
        warmup_iterations: until the weight is reached.
        value: the final weight.
    """

    warmup_iterations: Whole
    value: float = 1.0

    def __call__(self, iteration: Iteration) -> float | Float[Tensor, ""]:
        """Return the weight."""
        return self.value * _at_most_one(iteration / max(1, self.warmup_iterations))


@dataclass(frozen=True)
class CyclicalWarmup(Part):
    """A weight that rises from 0 again and again. Fu et al., Cyclical Annealing Schedule, 2019.

    Args:
        cycle_iterations: from one zero to the next.
        rising_share: of a cycle; then the weight stays.
        value: the highest weight.
    """

    cycle_iterations: Count
    rising_share: Share = 0.5
    value: float = 1.0

    def __call__(self, iteration: Iteration) -> float | Float[Tensor, ""]:
        """Return the weight."""
        progress = (iteration % self.cycle_iterations) / self.cycle_iterations
        return self.value * _at_most_one(progress / max(self.rising_share, 1e-9))


def _at_most_one(progress: float | Float[Tensor, ""]) -> float | Float[Tensor, ""]:
    return progress.clamp(max=1.0) if isinstance(progress, Tensor) else min(1.0, progress)


class VaeObjective(nn.Module):
    """The contract: a loss of a model on a batch. A module, so that it may hold a frozen network.

    Attributes:
        needs_densities: the bottleneck must be stochastic.
        needs_num_examples: the data's spec must say how many training examples there are.
    """

    needs_densities: bool = True
    needs_num_examples: bool = False

    def forward(
        self, model: LatentModel, batch: Batch, *, iteration: Iteration, num_examples: int | None, rng: torch.Generator
    ) -> Loss:
        """Return the loss; its log-likelihoods and divergences in nats per example.

        Args:
            model: infers and scores.
            batch: of the data.
            iteration: updates before this one; on a GPU a tensor that holds them.
            num_examples: N; None if the spec does not say.
            rng: draws the latents.
        """
        raise NotImplementedError


def _of_draws(k: int) -> int:
    if k < 1:
        raise ConfigError(f"model.objective.k: {k} is below the limit of 1")
    return k


def _kl(inference: Inference, like: Tensor) -> dict[str, Float[Tensor, " batch"]]:
    return {name: kl.sum(1) for name, kl in inference.kl.items()} or {"z": torch.zeros_like(like)}


def _loss(
    inference: Inference,
    log_likelihood: Float[Tensor, "k batch"],
    total: Float[Tensor, ""],
    more: Callable[[], dict[str, Float[Tensor, ""]]],
) -> Loss:
    """Return the loss with the bottleneck's penalties; its terms are those that every objective logs, and ``more``."""
    for penalty in inference.penalties.values():
        total = total + penalty

    def terms() -> dict[str, Tensor]:
        reconstruction = -log_likelihood.detach().mean()
        kls = {name: value.detach().mean() for name, value in _kl(inference, log_likelihood[0]).items()}
        kl = torch.stack(list(kls.values())).sum()
        return {
            "reconstruction": reconstruction,
            "kl": kl,
            "elbo": -(reconstruction + kl),
            **({f"kl_{name}": value for name, value in kls.items()} if len(kls) > 1 else {}),
            **{name: penalty.detach() for name, penalty in inference.penalties.items()},
            **{name: value.detach() for name, value in more().items()},
        }

    return Loss(total, terms)


class Elbo(VaeObjective):
    """−log p(x|z) + β · KL(q(z|x) ‖ p(z)): at β = 1 the negative evidence lower bound.

    Higgins et al., β-VAE, 2017, for β; Kingma et al., IAF, 2016, appendix C.8, for free bits: each unit's divergence,
    averaged over the batch, is not reduced below λ. Without densities the loss is −log p(x|z): an autoencoder's.

    Args:
        beta: weight of the divergence by iteration.
        free_nats: λ, per unit.
        k: draws per example, averaged.
    """

    needs_densities = False

    def __init__(self, *, beta: Weight = Constant(), free_nats: NonNegative = 0.0, k: Count = 1) -> None:
        super().__init__()
        if free_nats < 0:
            raise ConfigError(f"model.objective.free_nats: {free_nats} is below the limit of 0")
        self.beta = beta
        self.free_nats = free_nats
        self.k = _of_draws(k)

    def forward(
        self, model: LatentModel, batch: Batch, *, iteration: Iteration, num_examples: int | None, rng: torch.Generator
    ) -> Loss:
        """Return the loss."""
        inference = model.infer(batch, self.k, rng)
        log_likelihood = model.log_likelihood(inference, batch)
        beta = self.beta(iteration)
        per_unit = (
            torch.cat([kl.mean(0) for kl in inference.kl.values()]) if inference.kl else log_likelihood.new_zeros(1)
        )
        divergence = per_unit.clamp_min(self.free_nats).sum() if self.free_nats else per_unit.sum()
        total = beta * divergence - log_likelihood.mean()
        return _loss(inference, log_likelihood, total, lambda: {"beta": total.new_zeros(()) + beta})


class Iwae(VaeObjective):
    """−log (1/k) Σ_k p(x|z_k) p(z_k) / q(z_k|x): a tighter bound with each draw.

    Burda et al., Importance Weighted Autoencoders, 2016, equation 8. With ``stick_the_landing`` the posterior's
    parameters are left out of the gradient of its density (Roeder et al., Sticking the Landing, 2017): the gradient has
    less variance, and none where the posterior is exact; for k > 1 it is biased (Tucker et al., Doubly Reparameterized
    Gradient Estimators, 2019, section 3).

    Args:
        k: draws per example.
        stick_the_landing: see above.
    """

    def __init__(self, *, k: Count = 5, stick_the_landing: bool = False) -> None:
        super().__init__()
        self.k = _of_draws(k)
        self.stick_the_landing = stick_the_landing

    def forward(
        self, model: LatentModel, batch: Batch, *, iteration: Iteration, num_examples: int | None, rng: torch.Generator
    ) -> Loss:
        """Return the negative bound."""
        inference = model.infer(batch, self.k, rng, detach_q=self.stick_the_landing)
        log_likelihood = model.log_likelihood(inference, batch)
        bound = torch.logsumexp(log_likelihood + inference.log_ratio, dim=0) - math.log(self.k)
        return _loss(inference, log_likelihood, -bound.mean(), lambda: {"bound": bound.mean()})


class BetaTc(VaeObjective):
    """The divergence in three parts: α · mutual information + β · total correlation + γ · dimension-wise KL.

    Chen et al., Isolating Sources of Disentanglement in Variational Autoencoders (β-TC-VAE), 2018, equation 2. The
    densities of the aggregate posterior q(z) are estimated within the batch by minibatch stratified sampling
    (appendix C.2). Its weights are unbiased but its logarithm is not: where latents say much more than log B nats of
    an example, no neighbours of z are in the batch, and the total correlation comes out too low, even negative, the
    mutual information too high.

    Args:
        alpha: of I(x; z).
        beta: of KL(q(z) ‖ Π_d q(z_d)), by iteration.
        gamma: of Σ_d KL(q(z_d) ‖ p(z_d)).
    """

    needs_num_examples = True

    def __init__(self, *, alpha: NonNegative = 1.0, beta: Weight = Constant(6.0), gamma: NonNegative = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma

    def forward(
        self, model: LatentModel, batch: Batch, *, iteration: Iteration, num_examples: int | None, rng: torch.Generator
    ) -> Loss:
        """Return the loss."""
        assert num_examples is not None  # checked when the model was built
        inference = model.infer(batch, 1, rng)
        if inference.posterior is None:
            raise ConfigError(
                "model.objective: the total correlation needs a diagonal Gaussian posterior, which model.bottleneck "
                "does not have; choose bottleneck@model.bottleneck=gaussian"
            )
        log_likelihood = model.log_likelihood(inference, batch)
        z = inference.latent["z"][0]
        of_each = inference.posterior.log_prob(z.unsqueeze(1))  # log q(z_i|x_j) per unit, (i, j, unit)
        log_weights = stratified_log_weights(len(z), num_examples, like=z).unsqueeze(-1)
        log_q_given_x = of_each.diagonal().sum(0)  # i = j
        log_q = torch.logsumexp(log_weights.squeeze(-1) + of_each.sum(-1), dim=1)
        log_product = torch.logsumexp(log_weights + of_each, dim=1).sum(-1)
        log_p = log_q_given_x + inference.log_ratio[0]
        information = (log_q_given_x - log_q).mean()
        correlation = (log_q - log_product).mean()
        dimension_wise = (log_product - log_p).mean()
        beta = self.beta(iteration)
        divergence = self.alpha * information + beta * correlation + self.gamma * dimension_wise
        total = divergence - log_likelihood.mean()
        parts = {"information": information, "total_correlation": correlation, "dimension_wise_kl": dimension_wise}
        return _loss(inference, log_likelihood, total, lambda: {**parts, "beta": total.new_zeros(()) + beta})


def stratified_log_weights(batch: int, num_examples: int, *, like: Tensor) -> Float[Tensor, "batch batch"]:
    """Return log w_ij, by which Σ_j w_ij q(z_i|x_j) estimates q(z_i) from one batch that holds x_i.

    Chen et al., 2018, appendix C.2: x_i itself stands for 1/N, one other example for the (N − M)/(N M) that are not in
    the batch, the M − 1 rest of M = B − 1 for 1/M each. They are of the type of ``like``, and computed where that is.

    Raises:
        ConfigError: a batch is too small, or larger than the data set.
    """
    if not 2 <= batch <= num_examples:
        raise ConfigError(
            f"data.batch_size: the total correlation needs batches between 2 and the {num_examples} examples of the "
            f"data; this one has {batch}"
        )
    m = batch - 1
    index = torch.arange(batch, device=like.device)
    after = (index - index.unsqueeze(1)) % batch  # how far j comes after i
    weights = like.new_full((batch, batch), -math.log(m))
    weights.masked_fill_(after == 1, math.log((num_examples - m) / (num_examples * m)))
    return weights.masked_fill_(after == 0, -math.log(num_examples))
