"""How far forecasts are from what came: errors of points, scores of distributions, and what their intervals are worth.

Every observed value of every window counts once, whatever the batches; what was filled in counts nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from genloom import randomness
from genloom.batch import History
from genloom.contents.series import SeriesContent, SeriesWindows
from genloom.examples import Examples
from genloom.judging.measuring import Held, Measurement
from genloom.judging.metric import Direction, Score
from genloom.limits import Count
from genloom.models.abilities import Forecasts, Model
from genloom.samplers.ensemble import paths_of

_INTERVALS = (80, 90)  # percent


@dataclass(frozen=True)
class ForecastErrors(Measurement):
    """Errors, averaged over all observed values, by step of the horizon and by target in the details.

    In scaled units, where all series count alike: ``mse`` of the mean, ``mae`` of the median, ``crps``, and the width
    of central intervals. In the user's units: ``smape``, |error| / (½ |value| + ½ |forecast|), a share up to 2;
    ``mase``, |error| by the seasonal naive forecast's mean |error| within the training rows, left out where that is 0
    (Hyndman and Koehler, Another Look at Measures of Forecast Accuracy, 2006). ``coverage_80`` is the share of values
    within the central 80 % interval. ``mse_of_optimum`` is the error, on the same windows, of the best forecast that
    there is: of one who knows the process, for data made in code.

    Args:
        num_samples: draws of a distribution whose ranked probability score has no closed form.
        batch_size: windows at once.
    """

    kind = SeriesContent
    requires = Forecasts
    quantities: ClassVar = {
        "mse": Direction.LOWER,
        "mse_of_optimum": Direction.NONE,
        "mae": Direction.LOWER,
        "mase": Direction.LOWER,
        "smape": Direction.LOWER,
        "crps": Direction.LOWER,
        **{f"coverage_{percent}": Direction.NONE for percent in _INTERVALS},
        **{f"width_{percent}": Direction.LOWER for percent in _INTERVALS},
    }

    num_samples: Count = 100
    batch_size: Count = 500

    def why_not(self, model: Model, examples: Examples) -> str | None:
        """Refuse windows in which nothing was observed."""
        observed = getattr(examples, "observed", None)
        if observed is not None and not observed.any():
            return "no value was observed; look for empty columns"
        return super().why_not(model, examples)

    def measure(self, model: Forecasts, held: Held) -> dict[str, Score]:
        """Return all that the model's predictions have."""
        content = SeriesContent.of(model.spec.content)
        rng = randomness.generator("forecast errors", device=model.device)
        sampler, drawing = paths_of(model), randomness.generator(model.seed, "forecast errors")
        totals = _Totals(content)
        windows = held.examples
        assert isinstance(windows, SeriesWindows)
        for batch in model.spec.batches(held.examples, self.batch_size):
            prediction = sampler.prediction(model, batch.given["history"], drawing)
            batch = batch.to(model.device)
            observed = torch.ones_like(batch.content, dtype=torch.bool) if batch.mask is None else batch.mask
            for name, values in _point_errors(
                batch.content, batch.given["history"], prediction.mean, prediction.median
            ).items():
                totals.add(name, values, observed & values.isfinite() if name == "mase" else observed)
            if (errors := windows.optimal_errors(batch.index.cpu())) is not None:
                totals.add("mse_of_optimum", errors.square().to(model.device), observed)
            if not prediction.has_quantiles:
                continue
            totals.add("crps", prediction.crps(batch.content, rng=rng, num_samples=self.num_samples), observed)
            for percent in _INTERVALS:
                tail = (1 - percent / 100) / 2
                low, high = prediction.quantiles(torch.tensor([tail, 1 - tail]))
                within = (low <= batch.content) & (batch.content <= high)
                totals.add(f"coverage_{percent}", within, observed)
                totals.add(f"width_{percent}", high - low, observed)
        return totals.scores()

    def warnings(self, scores: Mapping[str, Score]) -> list[str]:
        """Name what is not there."""
        if "crps" in scores:
            return []
        return [
            "the model gives points only, so there is no crps and no interval; output@model.output=gaussian has both"
        ]


def _point_errors(
    content: Float[Tensor, "batch horizon channels"],
    history: History,
    mean: Float[Tensor, "batch horizon channels"],
    median: Float[Tensor, "batch horizon channels"],
) -> dict[str, Float[Tensor, "batch horizon channels"]]:
    """Return each error of each value; the scaled absolute one is infinite or undefined where it has no unit."""
    scale, offset = history.scale.unsqueeze(1), history.offset.unsqueeze(1)
    error = (median - content).abs()
    sizes = (median * scale + offset).abs() + (content * scale + offset).abs()
    return {
        "mse": (mean - content).square(),
        "mae": error,
        "mase": error / history.naive_error.unsqueeze(1),
        "smape": torch.where(sizes > 0, 2 * error * scale / sizes, 0.0),
    }


class _Totals:
    """Sums and numbers of values by step and target, in double precision."""

    def __init__(self, content: SeriesContent) -> None:
        self.content = content
        self.sums: dict[str, Float64[Tensor, "horizon channels"]] = {}
        self.counts: dict[str, Float64[Tensor, "horizon channels"]] = {}

    def add(
        self,
        name: str,
        values: Float[Tensor, "batch horizon channels"] | Bool[Tensor, "batch horizon channels"],
        counted: Bool[Tensor, "batch horizon channels"],
    ) -> None:
        """Add those of ``values`` that are ``counted``."""
        zeros = torch.zeros(self.content.shape, dtype=torch.float64)
        total = torch.where(counted, values, torch.zeros_like(values)).cpu().double().sum(0)
        self.sums[name] = self.sums.get(name, zeros) + total
        self.counts[name] = self.counts.get(name, zeros) + counted.cpu().double().sum(0)

    def scores(self) -> dict[str, Score]:
        """Return the means of all values, with those of each step and target as details."""
        return {name: self._score(name) for name in self.sums if self.counts[name].any()}

    def _score(self, name: str) -> Score:
        sums, counts = self.sums[name], self.counts[name]
        by_step = _ratios(sums.sum(1), counts.sum(1))
        by_target = dict(zip(self.content.channels, _ratios(sums.sum(0), counts.sum(0)), strict=True))
        details = {"by_step": by_step, "by_target": by_target, "values": int(counts.sum())}
        return Score((sums.sum() / counts.sum()).item(), details=details)


def _ratios(sums: Float64[Tensor, " num"], counts: Float64[Tensor, " num"]) -> list[float | None]:
    """Return the means; None where nothing is counted."""
    pairs = zip(sums.tolist(), counts.tolist(), strict=True)
    return [total / count if count else None for total, count in pairs]
