"""Forecasts from period to period: each phase of the period by the same small linear map.

Lin et al., SparseTSF: Modeling Long-term Time Series Forecasting with 1k Parameters, 2024.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import History
from genloom.errors import ConfigError
from genloom.limits import Count
from genloom.networks.sequence.forecasting import Forecaster, Level, Past
from genloom.spec import Spec


class Periodic(Forecaster):
    """Takes every period-th step of the look-back, after a smoothing over one period, to every period-th future step.

    With a period of P steps, a look-back of n periods and a horizon of m, the map has n·m weights, shared by the P
    phases and by all targets. Steps beyond whole periods, at the start of the look-back and at the end of the horizon,
    are cut off. Covariates are not looked at.

    Args:
        spec: of series.
        outputs: numbers per future value.
        normalise: gives offset and scale of a look-back.
        period: steps; None is the data's season.

    Raises:
        ConfigError: the look-back is shorter than a period; or the data holds no series.
    """

    def __init__(
        self,
        spec: Spec,
        outputs: int,
        *,
        normalise: Callable[[Past], tuple[Level, Level]],
        period: Count | None = None,
    ) -> None:
        super().__init__(spec, outputs, normalise)
        look_back = self.condition.look_back
        self.period = self.season if period is None else period
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

    def predict(self, past: Past, history: History) -> Float[Tensor, "batch horizon channels outputs"]:
        """Return the map of each phase."""
        past = past[:, -self.seen * self.period :].transpose(1, 2)  # batch, channels, steps
        x = past.flatten(0, 1).unsqueeze(1)
        x = (x + self.smooth(x)).view(*past.shape[:2], self.seen, self.period)
        y = self.map(x.transpose(2, 3)).unflatten(3, (self.ahead, self.outputs))  # batch, channels, phases, periods
        return y.transpose(2, 3).flatten(2, 3)[:, :, : self.horizon].transpose(1, 2)
