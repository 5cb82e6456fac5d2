"""Forecasts whose parameters have a closed form: the rows that any trained network has to beat.

Each gives a mean and, by the errors that it made on the training windows, a standard deviation for every step of the
horizon and every target: two numbers per value, as :class:`~genloom.distributions.outputs.real.Gaussian` wants them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from genloom.batch import Batch, History
from genloom.contents.series import HistoryCondition, SeriesContent
from genloom.errors import ConfigError, DataError
from genloom.limits import Count, NonNegative
from genloom.networks.sequence.base import ClosedFormNetwork, SeriesNetwork
from genloom.spec import Spec


class SeriesBaseline(ClosedFormNetwork, SeriesNetwork):
    """Base of them.

    Args:
        spec: of a series.
        outputs: numbers per value: 2.
        min_log_std: that of the model's output.

    Raises:
        ConfigError: another output, or no series.
    """

    def __init__(self, spec: Spec, *, outputs: int, min_log_std: float = -6.0) -> None:
        super().__init__()
        spec.check(self, "model.network")
        content, condition = SeriesContent.of(spec.content), HistoryCondition.of(spec.given["history"])
        if outputs != 2:
            raise ConfigError(
                f"model.output: {type(self).__name__} gives a mean and a standard deviation, and {outputs} numbers are "
                "asked for; choose output@model.output=gaussian"
            )
        self.horizon = content.horizon
        self.look_back = condition.look_back
        self.min_log_std = min_log_std
        self.log_std = nn.Parameter(torch.zeros(content.shape))  # as the output takes it, before its softplus

    def mean(self, past: Float[Tensor, "batch look_back channels"]) -> Float[Tensor, "batch horizon channels"]:
        """Return what is expected."""
        raise NotImplementedError

    def forward(self, history: History) -> Float[Tensor, "batch horizon channels 2"]:
        """Return mean and raw logarithm of the standard deviation of each future value."""
        mean = self.mean(history.past)
        return torch.stack([mean, self.log_std.expand_as(mean)], dim=-1)

    def solve(self, train: Iterable[Batch], val: Iterable[Batch]) -> Mapping[str, Tensor]:
        """Return the logarithm of the standard deviation of the errors on the training windows, about 0."""
        return {"log_std": self._spread(self.mean, train)}

    def _spread(
        self, forecast: Callable[[Tensor], Tensor], train: Iterable[Batch]
    ) -> Float64[Tensor, "horizon channels"]:
        squares, counts = torch.zeros((2, *self.log_std.shape), dtype=torch.float64)
        for past, content, observed in _windows(train):
            squares += ((forecast(past) - content).square() * observed).sum(0)
            counts += observed.sum(0)
        log_std = 0.5 * (squares / counts.clamp_min(1)).log()
        return self.min_log_std + (log_std - self.min_log_std).clamp_min(1e-3).expm1().log()  # softplus, inverted


class RepeatLast(SeriesBaseline):
    """Every future value is the last one of the past."""

    def mean(self, past: Float[Tensor, "batch look_back channels"]) -> Float[Tensor, "batch horizon channels"]:
        """Return what is expected."""
        return past[:, -1:].expand(-1, self.horizon, -1)


class SeasonalNaive(SeriesBaseline):
    """Every future value is the one a season before; beyond a season ahead, whole seasons before.

    Args:
        spec: of a series.
        outputs: numbers per value: 2.
        period: steps of the season; None is the data's.
        min_log_std: that of the model's output.

    Raises:
        ConfigError: the look-back is shorter than the season; another output, or no series.
    """

    def __init__(self, spec: Spec, *, outputs: int, period: Count | None = None, min_log_std: float = -6.0) -> None:
        super().__init__(spec, outputs=outputs, min_log_std=min_log_std)
        self.period = SeriesContent.of(spec.content).season if period is None else period
        if not 1 <= self.period <= self.look_back:
            raise ConfigError(
                f"model.network.period: a season of {self.period} steps is not between 1 and data.look_back="
                f"{self.look_back}; raise data.look_back, or set another period"
            )

    def mean(self, past: Float[Tensor, "batch look_back channels"]) -> Float[Tensor, "batch horizon channels"]:
        """Return what is expected."""
        step = torch.arange(self.horizon, device=past.device) % self.period
        return past[:, self.look_back - self.period + step]


class Ridge(SeriesBaseline):
    """A linear map from the look-back to the horizon, the last value subtracted before and added after, shared by all
    targets: W minimises mean ‖W x − y‖² + λ ‖W‖² over the training windows; the last entry of each x is 1.

    Args:
        spec: of a series.
        outputs: numbers per value: 2.
        penalties: λ to choose from, by the error on the validation windows.
        min_log_std: that of the model's output.

    Raises:
        ConfigError: no penalty, or one that is not above 0; another output, or no series.
    """

    penalty: Float[Tensor, ""]

    def __init__(
        self, spec: Spec, *, outputs: int, penalties: Sequence[NonNegative] = (1e-2,), min_log_std: float = -6.0
    ) -> None:
        super().__init__(spec, outputs=outputs, min_log_std=min_log_std)
        if not penalties or min(penalties) <= 0:
            raise ConfigError(f"model.network.penalties: {list(penalties)} must be at least one, all above 0")
        self.penalties = list(penalties)
        self.weight = nn.Parameter(torch.zeros(self.horizon, self.look_back + 1))
        self.register_buffer("penalty", torch.zeros(()))

    def mean(self, past: Float[Tensor, "batch look_back channels"]) -> Float[Tensor, "batch horizon channels"]:
        """Return what is expected."""
        return _mapped(past, self.weight)

    def solve(self, train: Iterable[Batch], val: Iterable[Batch]) -> Mapping[str, Tensor]:
        """Return the weights by the normal equations, in double precision, and the errors' standard deviations.

        Raises:
            DataError: nothing was observed.
        """
        fit, check = _Moments.of(train), _Moments.of(val)
        if not fit.observed.sum():
            raise DataError("the training windows hold no observed value; look for empty columns")
        solved = {penalty: fit.solve(penalty) for penalty in self.penalties}
        best = min(solved, key=lambda penalty: check.error(solved[penalty]))
        self.penalty.fill_(best)
        return {"weight": solved[best], "log_std": self._spread(lambda past: _mapped(past, solved[best]), train)}


def _mapped(
    past: Float[Tensor, "batch look_back channels"], weight: Float[Tensor, "horizon weights"]
) -> Float[Tensor, "batch horizon channels"]:
    last = past[:, -1:]
    return last + torch.einsum("hl,blc->bhc", weight[:, :-1], past - last) + weight[:, -1:]


@dataclass
class _Moments:
    """Sums over windows and targets of x xᵀ, x yᵀ and y²; x is the past without its last value, and 1; y the content.

    Where values were not observed, those windows are missing from the sums of their step of the horizon.
    """

    xx: Float64[Tensor, "weights weights"]
    xy: Float64[Tensor, "weights horizon"]
    yy: Float64[Tensor, " horizon"]
    observed: Float64[Tensor, " horizon"]  # windows and targets
    missing: Float64[Tensor, "horizon weights weights"] | None  # to subtract from xx; None if nothing is

    @classmethod
    def of(cls, batches: Iterable[Batch]) -> "_Moments":
        found: _Moments | None = None
        for past, content, observed in _windows(batches):
            last = past[:, -1:]
            x = F.pad((past - last).transpose(1, 2).flatten(0, 1), (0, 1), value=1.0)
            seen = observed.transpose(1, 2).flatten(0, 1)
            y = (content - last).transpose(1, 2).flatten(0, 1) * seen
            if found is None:
                zeros, size, horizon = x.new_zeros, x.shape[1], y.shape[1]
                found = cls(zeros(size, size), zeros(size, horizon), zeros(horizon), zeros(horizon), None)
            found.xx.addmm_(x.T, x)
            found.xy.addmm_(x.T, y)
            found.yy += y.square().sum(0)
            found.observed += seen.sum(0)
            for step in (~seen).any(0).nonzero().flatten().tolist():
                if found.missing is None:
                    found.missing = x.new_zeros(y.shape[1], x.shape[1], x.shape[1])
                absent = x[~seen[:, step]]
                found.missing[step].addmm_(absent.T, absent)
        assert found is not None  # a split holds windows
        return found

    @property
    def _gram(self) -> Float64[Tensor, "..."]:
        return self.xx if self.missing is None else self.xx - self.missing

    def solve(self, penalty: float) -> Float64[Tensor, "horizon weights"]:
        """Return W."""
        identity = torch.eye(len(self.xx), dtype=self.xx.dtype)
        if self.missing is None:
            factor = torch.linalg.cholesky(self._gram + penalty * self.observed.max() * identity)
            return torch.cholesky_solve(self.xy, factor).T
        ridges = penalty * self.observed.clamp_min(1).view(-1, 1, 1) * identity
        factor = torch.linalg.cholesky(self._gram + ridges)
        return torch.cholesky_solve(self.xy.T.unsqueeze(-1), factor).squeeze(-1)

    def error(self, weight: Float64[Tensor, "horizon weights"]) -> float:
        """Return the mean squared error of W."""
        gram = torch.einsum("hl,lm,hm->h" if self.missing is None else "hl,hlm,hm->h", weight, self._gram, weight)
        squares = self.yy - 2 * (weight * self.xy.T).sum(1) + gram
        return (squares.sum() / self.observed.sum().clamp_min(1)).item()


def _windows(
    batches: Iterable[Batch],
) -> Iterator[
    tuple[
        Float64[Tensor, "batch look_back channels"],
        Float64[Tensor, "batch horizon channels"],
        Bool[Tensor, "batch horizon channels"],
    ]
]:
    """Yield past, content, and whether each value of the content was observed; in double precision."""
    for batch in batches:
        mask = torch.ones_like(batch.content, dtype=torch.bool) if batch.mask is None else batch.mask
        yield batch.given["history"].past.double(), batch.content.double(), mask
