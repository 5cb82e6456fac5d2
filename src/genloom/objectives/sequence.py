"""What a sequence model minimises: a mean over all observed values of the batch, each counted once."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Batch
from genloom.distributions.outputs.base import Prediction
from genloom.objectives.loss import Loss


class SequenceObjective(nn.Module):
    """Base of them. A module, so that it may hold a frozen network.

    Attributes:
        needs: the attribute of a prediction that it needs to be true; None needs nothing.
    """

    needs: ClassVar[str | None] = None

    def forward(self, prediction: Prediction, batch: Batch) -> Loss:
        """Return the mean loss of a value."""
        losses = self.of_values(prediction, batch.content)
        if batch.mask is None:
            return Loss(losses.mean())
        return Loss((losses * batch.mask).sum() / batch.mask.sum().clamp_min(1))

    def of_values(self, prediction: Prediction, content: Tensor) -> Float[Tensor, "..."]:
        """Return the loss of each value."""
        raise NotImplementedError


class NegativeLogLikelihood(SequenceObjective):
    """−log p(value), nats; of tokens the cross-entropy."""

    needs = "has_density"

    def of_values(self, prediction: Prediction, content: Tensor) -> Float[Tensor, "..."]:
        """Return it for each value."""
        return -prediction.log_prob(content)


class MeanSquaredError(SequenceObjective):
    """(mean − value)², in scaled units, squared."""

    def of_values(self, prediction: Prediction, content: Tensor) -> Float[Tensor, "..."]:
        """Return it for each value."""
        return (prediction.mean - content).square()


class MeanAbsoluteError(SequenceObjective):
    """|median − value|, in scaled units."""

    def of_values(self, prediction: Prediction, content: Tensor) -> Float[Tensor, "..."]:
        """Return it for each value."""
        return (prediction.median - content).abs()


class Pinball(SequenceObjective):
    """Σ over the levels τ of max(τ e, (τ − 1) e), e = value − quantile.

    Koenker and Bassett, Regression Quantiles, 1978. In scaled units, averaged over the levels.
    """

    needs = "has_levels"

    def of_values(self, prediction: Prediction, content: Tensor) -> Float[Tensor, "..."]:
        """Return it for each value."""
        levels, values = prediction.levels, prediction.values  # pyright: ignore[reportAttributeAccessIssue]
        error = content.unsqueeze(-1) - values
        return (levels * error).maximum((levels - 1) * error).mean(-1)
