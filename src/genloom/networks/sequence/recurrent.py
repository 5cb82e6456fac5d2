"""Recurrent backbones: one mechanism, three recurrences.

Elman, Finding Structure in Time, 1990; Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Cho et al., Learning
Phrase Representations using RNN Encoder-Decoder, 2014.
"""

from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from genloom.errors import ConfigError
from genloom.limits import Count, PartialShare
from genloom.networks.sequence.base import Backbone, State
from genloom.precision import native


class Recurrent(Backbone):
    """Layers of one recurrence; after each, layer normalisation if wanted, and dropout.

    Args:
        width: units of a layer.
        width_in: length of the input vectors; None is ``width``.
        layers: of the recurrence.
        dropout: share of the outputs of each layer that is left out in training.
        layer_norm: normalise the outputs of each layer. Ba et al., Layer Normalization, 2016.

    Attributes:
        recurrence: the layer.

    Raises:
        ConfigError: a value is out of its limits.
    """

    recurrence: ClassVar[type[nn.RNNBase]]

    def __init__(
        self,
        *,
        width: Count = 256,
        width_in: Count | None = None,
        layers: Count = 1,
        dropout: PartialShare = 0.0,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("width_in", 1 if width_in is None else width_in), ("layers", layers)):
            if value < 1:
                raise ConfigError(f"model.network.backbone.{name}: {value} is below the limit of 1")
        self.width, self.width_in = width, width_in or width
        widths = [self.width_in] + [width] * (layers - 1)
        recurrence: Any = self.recurrence
        self.layers = nn.ModuleList(recurrence(each, width, batch_first=True) for each in widths)
        self.norms = nn.ModuleList(nn.LayerNorm(width) if layer_norm else nn.Identity() for _ in widths)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch positions width_in"]) -> Float[Tensor, "batch positions width"]:
        """Return the outputs of the last layer, from a state of zeros."""
        return self.step(x, self.start(len(x), x.shape[1]))[0]

    def start(self, batch: int, positions: int) -> State:
        """Return a state of zeros for each layer, which torch takes None for."""
        return [None] * len(self.layers)

    def step(
        self, x: Float[Tensor, "batch positions width_in"], state: State
    ) -> tuple[Float[Tensor, "batch positions width"], State]:
        """Go on from ``state``."""
        after = []
        for layer, norm, before in zip(self.layers, self.norms, state, strict=True):
            with native(x):
                x, hidden = layer(x, before)
            x = self.dropout(norm(x))
            after.append(hidden)
        return x, after


class RNN(Recurrent):
    """h_t = tanh(W x_t + U h_{t−1} + b)."""

    recurrence = nn.RNN


class LSTM(Recurrent):
    """Long short-term memory: a cell that gates let in, keep and let out."""

    recurrence = nn.LSTM


class GRU(Recurrent):
    """Gated recurrent units."""

    recurrence = nn.GRU
