"""Forecasts from period to period: each phase of the period by the same small linear map.

Lin et al., SparseTSF: Modeling Long-term Time Series Forecasting with 1k Parameters, 2024.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import History
from genloom.errors import ConfigError
from genloom.networks.sequence import SeriesNetwork
from genloom.spec import HistoryCondition, SeriesContent, Spec


class Periodic(SeriesNetwork):
    """Takes every period-th step of the look-back, after a smoothing over one period, to every period-th future step.

    With a period of P steps, a look-back of n periods and a horizon of m, the map has n·m weights, shared by the P
    phases and by all targets. The mean of the look-back is subtracted before and added after. Steps beyond whole
    periods, at the start of the look-back and at the end of the horizon, are cut off.

    Args:
        spec: of a series.
        outputs: numbers per value.
        period: steps; None is the data's season.

    Raises:
        ConfigError: the look-back is shorter than a period, or the data is no series.
    """

    def __init__(self, spec: Spec, *, outputs: int, period: int | None = None) -> None:
        super().__init__()
        if not isinstance(spec.content, SeriesContent) or not isinstance(spec.condition, HistoryCondition):
            raise ConfigError(f"model.network: Periodic forecasts series, and data.name={spec.name} holds none")
        self.horizon = spec.content.horizon
        self.period = spec.content.season if period is None else period
        self.outputs = outputs
        look_back = spec.condition.look_back
        if not 1 <= self.period <= look_back:
            raise ConfigError(
                f"model.network.period: a period of {self.period} steps is not between 1 and data.look_back="
                f"{look_back}; raise data.look_back, or set another period"
            )
        self.seen = look_back // self.period
        self.ahead = -(-self.horizon // self.period)
        side = self.period // 2
        self.smooth = nn.Conv1d(1, 1, 2 * side + 1, padding=side, bias=False)
        self.map = nn.Linear(self.seen, self.ahead * outputs, bias=False)

    def forward(self, history: History) -> Float[Tensor, "batch horizon channels outputs"]:
        """Return the outputs of each future value."""
        past = history.past[:, -self.seen * self.period :].transpose(1, 2)  # batch, channels, steps
        batch, channels, _ = past.shape
        mean = past.mean(2, keepdim=True)
        x = (past - mean).flatten(0, 1).unsqueeze(1)
        x = (x + self.smooth(x)).view(batch, channels, self.seen, self.period)
        y = self.map(x.transpose(2, 3))  # a map for all phases
        y = y.view(batch, channels, self.period, self.ahead, self.outputs).transpose(2, 3).flatten(2, 3)
        y = y[:, :, : self.horizon].transpose(1, 2)
        first = torch.zeros(self.outputs, device=y.device, dtype=y.dtype)
        first[0] = 1.0  # the other outputs are no values
        return y + mean.view(batch, 1, channels, 1) * first
