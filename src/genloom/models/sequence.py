"""Sequence models: a network that reads what came before, an output that says what its numbers mean, an objective.

Text and series are the same here: content given a condition, its prompt or its history. What differs is what a model
can be asked: text is drawn token by token, a series is forecast over its whole horizon at once.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.batch import Batch, Given, History
from genloom.contents.condition import Condition
from genloom.contents.series import SeriesContent
from genloom.contents.text import TextContent
from genloom.distributions.outputs import categorical
from genloom.distributions.outputs.base import Output, Prediction
from genloom.errors import ConfigError
from genloom.models.abilities import Attends, Continues, Forecasts, Samples, Scores
from genloom.models.closed_form import ClosedForm
from genloom.models.model import GenerativeModel
from genloom.models.training.averaging import average_of
from genloom.models.training.family import Family
from genloom.models.training.passes import Passes
from genloom.networks.sequence.base import ClosedFormNetwork, SeriesNetwork, TextNetwork
from genloom.networks.sequence.continuation import Choose, generate
from genloom.objectives.loss import Loss
from genloom.objectives.sequence import SequenceObjective
from genloom.precision import exact
from genloom.spec import Spec


class Predictor(GenerativeModel):
    """What any sequence model can be asked.

    Attributes:
        network: reads the condition.
        output: says what the network's numbers mean.
    """

    kind = (TextContent, SeriesContent)
    network: TextNetwork | SeriesNetwork
    output: Output

    def build(self, network: Callable[..., Any], output: Callable[[Spec], Output]) -> None:
        """Make both parts.

        Raises:
            ConfigError: they are not for this kind of content.
        """
        self.output = output(self.spec)
        self.network = network(self.spec, outputs=self.output.num_outputs)
        self.spec.check(self.network, "model.network")
        if not isinstance(self.network, TextNetwork | SeriesNetwork):
            raise ConfigError(
                f"model.network: {type(self.network).__name__} reads neither tokens nor series; choose model=text/… "
                "for data=text, model=series/… for data=series"
            )

    @property
    def abilities(self) -> frozenset[type]:
        """Text can be drawn, series be forecast; both have probabilities where the output has a density."""
        offered: set[type] = {Samples, Continues} if isinstance(self.network, TextNetwork) else {Forecasts}
        offered |= {Scores} if self.output.prediction.has_density else set()
        return frozenset(offered | ({Attends} if self.network.attends else set()))

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """A text's prompt, or a series' history."""
        return self.spec.given

    def predict(self, batch: Batch) -> Prediction:
        """Return what the model says of the content of each example, before seeing it, in evaluation mode."""
        with self.evaluating(self.network) as network:
            return self.prediction(network, batch.to(self.device))

    def prediction(self, network: nn.Module, batch: Batch) -> Prediction:
        """Return what ``network`` says; gradients flow."""
        if "history" in batch.given:
            return self.output(exact(network(batch.given["history"])))
        return self.output(exact(network(batch.given["prompt"], batch.content)))

    def log_prob(
        self,
        batch: Batch,
        *,
        num_samples: int = 1,
        rng: torch.Generator | None = None,
    ) -> Float[Tensor, " batch"]:
        """Return the log-probability of each example given what came before, nats; exact, nothing is drawn."""
        batch = batch.to(self.device)
        values = self.predict(batch).log_prob(batch.content)
        return (values if batch.mask is None else values * batch.mask).flatten(1).sum(1)

    @property
    def likelihood_measure(self) -> str:
        """What log-likelihoods are of."""
        return self.output.measure

    @property
    def likelihood_kind(self) -> str:
        """They are exact."""
        return "exact"

    def attention(self, batch: Batch) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each position looks at each one, in every layer, averaged over heads."""
        batch = batch.to(self.device)
        with self.evaluating(self.network) as network:
            attend: Any = network.attention
            given = batch.given
            return attend(given["history"]) if "history" in given else attend(given["prompt"], batch.content)

    # Text

    def sample(self, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` texts as long as an example; without a prompt each begins after a line's end."""
        given = self.draw_given(num, rng, given)
        length = TextContent.of(self.spec.content).length
        drawn = list(self.generate(given["prompt"], length, rng=rng))
        return self.generated(torch.stack(drawn, dim=1), given)

    def generate(
        self,
        tokens: Int[Tensor, "batch prefix"],
        num_tokens: int,
        *,
        rng: torch.Generator,
        choose: Choose | None = None,
    ) -> Iterator[Int[Tensor, " batch"]]:
        """Yield the next token of each text, so many times."""
        network = self.weights_of(self.network)
        assert isinstance(network, TextNetwork)
        training = network.training
        network.eval()
        try:
            yield from generate(network, tokens.to(self.device), num_tokens, choose or categorical.draw, rng)
        finally:
            network.train(training)

    # Series

    def forecast(self, history: History) -> Prediction:
        """Return what the model says comes after each history, in evaluation mode."""
        with self.evaluating(self.network) as network:
            return self.output(network(history.map(lambda tensor: tensor.to(self.device))))


class SequenceModel(Predictor, Family):
    """A network that is trained.

    Args:
        spec: the data's.
        network: called as ``network(spec, outputs=…)``.
        output: called as ``output(spec)``.
        objective: what is minimised.
        **family: see :class:`~genloom.models.training.family.Family`; the optimizer is ``network``.

    Raises:
        ConfigError: parts that do not fit; both keys are named.
    """

    counted_player = "network"

    def __init__(
        self,
        spec: Spec,
        *,
        network: Callable[..., TextNetwork | SeriesNetwork],
        output: Callable[[Spec], Output],
        objective: SequenceObjective,
        **family: Any,
    ) -> None:
        super().__init__(spec, **family)
        self.build(network, output)
        self.check_dropped(())
        self.objective = objective
        needed = objective.needs
        if needed is not None and not getattr(self.output.prediction, needed, False):
            raise ConfigError(
                f"model.objective: {type(objective).__name__} needs a prediction with {needed.removeprefix('has_')}, "
                f"which model.output={type(self.output).__name__} does not give; choose another of the two"
            )
        if self.ema_half_life_examples is not None:
            self.network_ema = average_of(self.network)

    def players(self) -> dict[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """The network's average."""
        return {} if self.ema_half_life_examples is None else {"network": (self.network_ema, self.network)}

    def iterate(self, batch: Batch) -> dict[str, Tensor]:
        """Update the network."""
        parts = batch.chunks(self.accumulation)
        return self.step("network", ({"objective": self._loss(part)} for part in parts))

    def _loss(self, batch: Batch) -> Loss:
        return self.objective(self.prediction(self.network, batch), batch)


class SequenceBaseline(Predictor, ClosedForm):
    """A network whose best parameters have a closed form.

    Args:
        spec: the data's.
        network: called as ``network(spec, outputs=…)``.
        output: called as ``output(spec)``.
        **closed_form: see :class:`~genloom.models.closed_form.ClosedForm`.

    Raises:
        ConfigError: parts that do not fit; both keys are named.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        network: Callable[..., ClosedFormNetwork],
        output: Callable[[Spec], Output],
        **closed_form: Any,
    ) -> None:
        super().__init__(spec, **closed_form)
        self.build(network, output)

    @property
    def solved(self) -> nn.Module:
        """The network."""
        return self.network

    def solution(self) -> Mapping[str, Tensor]:
        """Return the best parameters, from all training examples; a penalty is chosen by the validation examples."""
        train, val = (Passes(self.trainer, self.spec, split) for split in ("train", "val"))
        assert isinstance(self.network, ClosedFormNetwork)
        return self.network.solve(train, val)
