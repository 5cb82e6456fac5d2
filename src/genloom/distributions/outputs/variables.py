"""The variables of a row: a mixture of Gaussians for each number, probabilities for each choice."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genloom.contents.table import TableContent
from genloom.distributions.normal import log_density
from genloom.distributions.outputs.base import Output, Prediction
from genloom.distributions.outputs.categorical import CategoricalPrediction
from genloom.limits import Count
from genloom.spec import Spec


class VariablesPrediction(Prediction):
    """What a network says of every variable of a row, each by itself.

    Args:
        numbers: the network's.
        output: says what they mean.
    """

    has_density = True

    def __init__(self, numbers: Float[Tensor, "batch variables outputs"], output: "Variables") -> None:
        self.numbers = numbers
        self.output = output

    def log_prob(self, content: Float[Tensor, "batch width"]) -> Float[Tensor, "batch variables"]:
        """Return the log-density of each number, the log-probability of each choice, nats.

        0 where the cell is missing.
        """
        output = self.output
        values = []
        for variable, own in zip(output.variables, self.numbers.unbind(1), strict=True):
            part = content[:, variable.first : variable.first + variable.width]
            if variable.chosen:
                value = (own[:, : variable.width].log_softmax(1) * part).sum(1)
            else:
                weights, means, log_stds = output.mixture(own)
                value = (weights + log_density((part - means).square(), 2 * log_stds)).logsumexp(1)
            values.append(value if variable.flag is None else value * (content[:, variable.flag] < 0.5))
        return torch.stack(values, dim=1)


class Variables(Output):
    """Numbers are a mixture of Gaussians, Σ_k π_k N(μ_k, σ_k²), of choices the softmax gives the probabilities.

    Args:
        spec: of a table.
        components: Gaussians of a number.
        min_log_std: the least log σ, of encoded numbers, whose standard deviation is about 1.
    """

    kind = TableContent
    measure = "density of encoded numbers, probability of categories"
    prediction = VariablesPrediction

    def __init__(self, spec: Spec, *, components: Count = 5, min_log_std: float = -4.0) -> None:
        super().__init__(spec)
        spec.check(self, "model.output")
        self.variables = TableContent.of(spec.content).variables
        self.components, self.min_log_std = components, min_log_std
        self.num_outputs = max(3 * components, *(each.width for each in self.variables))

    def __call__(self, numbers: Float[Tensor, "batch variables outputs"]) -> VariablesPrediction:
        """Return the prediction."""
        return VariablesPrediction(numbers, self)

    def mixture(self, numbers: Float[Tensor, "*batch outputs"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return log π, μ and log σ of each component."""
        weights, means, log_stds = numbers[..., : 3 * self.components].chunk(3, dim=-1)
        floor = self.min_log_std
        return weights.log_softmax(-1), means, floor + F.softplus(log_stds - floor)

    def draw(
        self,
        numbers: Float[Tensor, "batch outputs"],
        which: Int[Tensor, " batch"],
        allowed: Bool[Tensor, "batch widest"],
        rng: torch.Generator,
    ) -> Float[Tensor, "batch widest"]:
        """Return the values of one variable of each row: a number, or ones and zeros; then mere padding.

        Args:
            numbers: the network's, for that variable.
            which: the variable's place among all.
            allowed: of a choice, what may be chosen.
            rng: on the CPU, so that the same numbers are drawn on every device.
        """
        widest = allowed.shape[1]
        logits = numbers.new_full((len(numbers), max(widest, numbers.shape[1])), -math.inf)
        logits[:, : numbers.shape[1]] = numbers
        logits = logits[:, :widest].masked_fill(~allowed, -math.inf)
        choice = F.one_hot(CategoricalPrediction(logits).sample(1, rng)[0], widest).to(numbers)
        weights, means, log_stds = self.mixture(numbers)
        component = CategoricalPrediction(weights).sample(1, rng)[0].unsqueeze(1)
        noise = torch.randn(len(numbers), 1, generator=rng).to(numbers)
        number = means.gather(1, component) + log_stds.gather(1, component).exp() * noise
        chosen = torch.tensor([each.chosen for each in self.variables], device=which.device)[which]
        return torch.where(chosen.unsqueeze(1), choice, F.pad(number, (0, widest - 1)))
