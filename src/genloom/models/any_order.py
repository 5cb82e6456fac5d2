"""Autoregressive models of the variables of a row, in any order, so that any of them can be given."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genloom.batch import Batch, Given
from genloom.contents.table import TableContent
from genloom.distributions.outputs.variables import Variables
from genloom.limits import NonNegative
from genloom.models.abilities import Completes, Samples, Scores
from genloom.models.completing import check_asked_later
from genloom.models.training.averaging import average_of
from genloom.models.training.family import Family
from genloom.networks.table.variable_tokens import VariableTokens, padded
from genloom.objectives.loss import Loss
from genloom.precision import exact
from genloom.spec import Spec


class AnyOrder(Family):
    """p(row) = Π_i p(variable σ_i | variables σ_1 … σ_(i−1)) for whatever order σ.

    A row is trained on with the first of a random order told and the others to be predicted, each by itself, which
    makes the loss an unbiased estimate of −log p averaged over orders: Uria, Murray and Larochelle, A Deep and
    Tractable Density Estimator, 2014, https://arxiv.org/abs/1310.1757; Hoogeboom et al., Autoregressive Diffusion
    Models, 2022, https://arxiv.org/abs/2110.02037. An order goes column by column, within a column choices first: what
    a number means may depend on them, as on whether the cell is there.

    Args:
        spec: the data's.
        network: called as ``network(spec, outputs=…)``.
        output: called as ``output(spec)``.
        input_noise: standard deviation of Gaussian noise that is added, in training, to the numbers that the network is
            told, in units of encoded numbers.
        **family: see :class:`~genloom.models.training.family.Family`; the optimizer is ``network``.

    Raises:
        ConfigError: parts that do not fit, or the data gives conditions, which the network is not told.
    """

    kind = TableContent
    counted_player = "network"
    columns: Int[Tensor, " variables"]
    chosen: Bool[Tensor, " variables"]
    is_number: Bool[Tensor, " width"]

    def __init__(
        self,
        spec: Spec,
        *,
        network: Callable[..., VariableTokens],
        output: Callable[[Spec], Variables],
        input_noise: NonNegative = 0.0,
        **family: Any,
    ) -> None:
        super().__init__(spec, **family)
        check_asked_later(spec)
        self.check_dropped(())
        self.output = output(spec)
        self.network = network(spec, outputs=self.output.num_outputs)
        self.input_noise = input_noise
        variables = self.output.variables
        self.register_buffer("columns", torch.tensor([each.column for each in variables]), persistent=False)
        self.register_buffer("chosen", torch.tensor([each.chosen for each in variables]), persistent=False)
        numbers = [torch.full((each.width,), not each.chosen) for each in variables]  # which encoded values are some
        self.register_buffer("is_number", torch.cat(numbers), persistent=False)
        self._num_columns = 1 + max(each.column for each in variables)
        if self.ema_half_life_examples is not None:
            self.network_ema = average_of(self.network)

    def players(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """The network's average."""
        return {} if self.ema_half_life_examples is None else {"network": (self.network_ema, self.network)}

    @property
    def abilities(self) -> frozenset[type]:
        """It draws, completes and says how probable rows are."""
        return frozenset({Samples, Completes, Scores})

    # Training

    def iterate(self, batch: Batch) -> dict[str, Tensor]:
        """Update the network."""
        parts = enumerate(batch.chunks(self.accumulation))
        return self.step("network", ({"objective": self._loss(part, number)} for number, part in parts))

    def _loss(self, batch: Batch, part: int) -> Loss:
        rng = self.rng("order", part, self.global_rank)
        place = self._order(len(batch), rng).argsort(1)
        num = place.shape[1]
        first = torch.randint(num, (len(batch), 1), generator=rng, device=rng.device)
        told = place < first
        content = batch.content
        if self.input_noise:
            noise = torch.randn(content.shape, generator=rng, device=rng.device)
            content = content + self.input_noise * noise * self.is_number
        values = self.output(exact(self.network(content, told))).log_prob(batch.content)
        estimates = -(values * ~told).sum(1) * num / (num - first.squeeze(1))
        return Loss(estimates.mean() / num)

    def _order(self, num: int, rng: torch.Generator) -> Int[Tensor, "num variables"]:
        """Return a random order of the variables for each row."""
        by_column = torch.rand(num, self._num_columns, generator=rng, device=rng.device).argsort(1)
        places = by_column.to(self.device)[:, self.columns]
        return (2 * places + ~self.chosen).argsort(dim=1, stable=True)

    # Use

    def sample(self, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` rows, in evaluation mode."""
        content = torch.zeros(num, *self.spec.content.shape, device=self.device)
        known = torch.zeros_like(content, dtype=torch.bool)
        return self.complete(content, known, rng=rng)

    def complete(
        self,
        content: Float[Tensor, "batch width"],
        known: Bool[Tensor, "batch width"],
        *,
        rng: torch.Generator,
        allowed: Bool[Tensor, "batch width"] | None = None,
        given: Given | None = None,
    ) -> Batch:
        """Return the rows with what is not known drawn given what is, in evaluation mode."""
        places, there = padded(self.output.variables)
        places, there = places.to(self.device), there.to(self.device)
        content, known = content.to(self.device).clone(), known.to(self.device)
        allowed = torch.ones_like(known) if allowed is None else allowed.to(self.device)
        told = known[:, places[:, 0]]
        order = self._order(len(content), rng)
        order = order.gather(
            1, told.gather(1, order).int().argsort(dim=1, stable=True)
        )  # those that are known come last
        rows = torch.arange(len(content), device=self.device)
        with self.evaluating(self.network) as network:
            for step in range(int((~told).sum(1).max()) if len(content) else 0):
                which = order[:, step]
                left = ~told[rows, which]
                numbers = exact(network(content, told))[rows, which]
                own, mine = places[which], there[which]
                drawn = self.output.draw(numbers, which, allowed.gather(1, own) & mine, rng)
                changed = mine & left.unsqueeze(1)
                content[rows.unsqueeze(1).expand_as(own)[changed], own[changed]] = drawn[changed]
                told = told.index_put((rows, which), torch.ones_like(left))
        return self.generated(content, Given())

    @property
    def likelihood_measure(self) -> str:
        """What log-likelihoods are of."""
        return self.output.measure

    @property
    def likelihood_kind(self) -> str:
        """A bound, by some of all orders."""
        return "bound"

    def log_prob(self, batch: Batch, *, num_samples: int, rng: torch.Generator) -> Float[Tensor, " batch"]:
        """Return log (1/K) Σ_k p(row | order k), nats, by K random orders for each row."""
        content = batch.content.to(self.device)
        found = []
        with self.evaluating(self.network) as network:
            for _ in range(num_samples):
                place = self._order(len(content), rng).argsort(1)
                total = torch.zeros(len(content), device=self.device)
                for step in range(place.shape[1]):
                    values = self.output(exact(network(content, place < step))).log_prob(content)
                    total = total + (values * (place == step)).sum(1)
                found.append(total)
        return torch.stack(found).double().cpu().logsumexp(0).sub(torch.tensor(num_samples).log()).to(content)
