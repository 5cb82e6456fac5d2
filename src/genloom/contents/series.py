"""Series: the next values of one, given its past."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Float32, Int, Int64
from torch import Tensor

from genloom import figures
from genloom.batch import Batch, Given, History
from genloom.contents.base import Content
from genloom.contents.condition import Condition
from genloom.contents.shown import Picture
from genloom.errors import DataError
from genloom.examples import Windows
from genloom.part import Part


@dataclass(frozen=True)
class Scaler(Part):
    """Mean and standard deviation of each target of one series, over its training rows.

    Args:
        series: the series' name.
        mean: in the user's units.
        std: in the user's units, above 0.
        naive_error: mean absolute error of the seasonal naive forecast within the training rows, scaled: the unit of
            the mean absolute scaled error; Hyndman and Koehler, Another Look at Measures of Forecast Accuracy, 2006.
            0 where it is not known or the series repeats exactly.
    """

    series: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    naive_error: tuple[float, ...]


@dataclass(eq=False)
class SeriesBatch(Batch):
    """The future of series, scaled; what is given is their ``history``, a :class:`~genloom.batch.History`. The mask is
    false where nothing was observed.
    """

    content: Float[Tensor, "batch horizon channels"]


class SeriesWindows(Windows):
    """Windows of scaled series: the look-back, then the horizon.

    Args:
        rows: scaled targets; filled in where nothing was observed.
        starts, past, length: see :class:`Windows`.
        series: which series each row belongs to.
        offset, scale, naive_error: of each series, see :class:`~genloom.batch.History`.
        observed: false where a row's value was filled in; None if none was.
        past_covariates, future_covariates: beside the rows.
        static_covariates: of each series.
        innovations: of each row what nobody could know one step before, scaled; None if nobody knows that.
        response: how much of an innovation is left after 0, 1, … steps, up to the horizon; as well.
    """

    rows: Float32[Tensor, "rows channels"]
    series: Int64[Tensor, " rows"]
    offset: Float32[Tensor, "all_series channels"]
    scale: Float32[Tensor, "all_series channels"]
    naive_error: Float32[Tensor, "all_series channels"]
    observed: Bool[Tensor, "rows channels"] | None
    past_covariates: Float32[Tensor, "rows covariates"] | None
    future_covariates: Float32[Tensor, "rows known"] | None
    static_covariates: Float32[Tensor, "all_series static"] | None
    innovations: Float32[Tensor, "rows channels"] | None = None
    response: Float32[Tensor, " length"] | None = None

    @cached_property
    def content_fingerprint(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """sha256 of the future values and their places: the look-back and the covariates are a model's own choice."""
        digest = hashlib.sha256(repr(self.length).encode())
        for part in (self.rows, self.starts + self.past, self.observed):
            if part is not None:
                digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()

    def optimal_errors(self, index: Int[Tensor, " chosen"]) -> Float32[Tensor, "chosen length channels"] | None:
        """Return the errors of the best forecasts that there are for the windows at ``index``; None if unknown.

        The error h steps ahead is Σ_{j<h} ψ_j ε_{h−j}, with the response ψ and the window's innovations ε.
        """
        if self.innovations is None or self.response is None:
            return None
        later = torch.arange(self.length)
        lag = later.unsqueeze(1) - later
        psi = torch.where(lag >= 0, self.response[lag.clamp_min(0)], 0.0)
        return torch.einsum("hk,nkc->nhc", psi, self.taken(index, self.innovations, self.past, self.length))


@dataclass(frozen=True)
class CovariateScale(Part):
    """Mean and standard deviation of a numeric covariate, over the training rows of all series.

    Args:
        column: its name.
        mean: in the user's units.
        std: in the user's units, above 0.
    """

    column: str
    mean: float
    std: float


@dataclass(frozen=True)
class HistoryCondition(Condition):
    """The past of a series, and what is known beside it.

    Args:
        look_back: steps of the past that a model sees.
        past_covariates: columns that are known up to the present.
        future_covariates: columns that are known ahead, over the horizon too; the calendar's features come last.
        static_covariates: values that do not change within a series: numeric columns, and ``column=value`` for each
            value of the others.
        scales: of the numeric columns among these.
        calendar: what is known of each time stamp by the calendar: ``hour``, ``weekday``, ``month``.
        time: the column of the time stamps.
        series_id: the column that names the series; None if there is but one.
        time_parts: the columns that say the time together, if there are several.
    """

    called = "histories"

    look_back: int
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    static_covariates: tuple[str, ...] = ()
    scales: tuple[CovariateScale, ...] = ()
    calendar: tuple[str, ...] = ()
    time: str | None = None
    series_id: str | None = None
    time_parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.look_back < 1:
            raise DataError(f"data.look_back: {self.look_back} is below the limit of 1 step")

    def encode(self, stored: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Keep the scaled values."""
        return stored.to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "*batch"]) -> Float32[Tensor, "*batch"]:
        """Keep the scaled values, in single precision."""
        return content.detach().float()


@dataclass(frozen=True)
class SeriesContent(Content):
    """The next values of a series, scaled by its training rows' mean and standard deviation.

    Args:
        horizon: steps that are forecast.
        channels: names of the targets.
        season: steps after which the series repeats, as far as it does.
        frequency: seconds between two steps, a month being 2,629,746 (a twelfth of the Gregorian calendar's mean
            year); None if steps are numbered.
        scalers: of the training series.
    """

    called = "series"
    remedy = "choose model=series/…"
    suite = "series"
    batches = SeriesBatch

    horizon: int
    channels: tuple[str, ...]
    season: int = 1
    frequency: float | None = None
    scalers: tuple[Scaler, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("horizon", self.horizon), ("season", self.season)):
            if value < 1:
                raise DataError(f"data.{name}: {value} is below the limit of 1 step")
        if not self.channels:
            raise DataError("data.targets: no column is chosen; name at least one")

    @property
    def shape(self) -> tuple[int, int]:
        """``(horizon, channels)``."""
        return self.horizon, len(self.channels)

    def encode(self, stored: Float[Tensor, "*batch horizon channels"]) -> Float[Tensor, "*batch horizon channels"]:
        """Keep the scaled values."""
        return stored.to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "*batch horizon channels"]) -> Float32[Tensor, "*batch horizon channels"]:
        """Keep the scaled values, in single precision."""
        return content.detach().float()

    def batch(
        self, examples: SeriesWindows, index: Int[Tensor, " chosen"], conditions: Mapping[str, Condition]
    ) -> SeriesBatch:
        """Return the windows at ``index``, each conditioned on its history; what was not observed is masked out."""
        past, length = examples.past, examples.length

        def beside(rows: Tensor | None, num: int) -> Tensor | None:
            return None if rows is None else self.encode(examples.taken(index, rows, 0, num))

        series = examples.series[examples.starts[index]]
        statics = examples.static_covariates
        observed = None if examples.observed is None else examples.taken(index, examples.observed, 0, past + length)
        window = self.encode(examples.taken(index, examples.rows, 0, past + length))
        history = History(
            past=window[:, :past],
            scale=self.encode(examples.scale[series]),
            offset=self.encode(examples.offset[series]),
            naive_error=self.encode(examples.naive_error[series]),
            observed=None if observed is None else observed[:, :past],
            past_covariates=beside(examples.past_covariates, past),
            future_covariates=beside(examples.future_covariates, past + length),
            static_covariates=None if statics is None else self.encode(statics[series]),
        )
        mask = None if observed is None else observed[:, past:]
        return SeriesBatch(window[:, past:], index, Given(history=history), mask)

    def show(self, stored: Float[Tensor, "num horizon channels"], *, columns: int | None = None) -> Picture:
        """Draw the first target of each as a curve, scaled."""
        figure = figures.new(7, 3.2)
        axes = figure.subplots()
        axes.plot(range(1, self.horizon + 1), stored[:, :, 0].T.cpu().numpy())
        axes.set_xlabel("step of the horizon")
        axes.set_ylabel(f"{self.channels[0]}, scaled")
        return figures.drawn(figure)
