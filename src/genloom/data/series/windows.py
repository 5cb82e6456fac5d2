"""Windows of rows that were read: scaled, with what was not observed filled in."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64

from genloom.contents.series import CovariateScale, HistoryCondition, Scaler, SeriesContent, SeriesWindows
from genloom.data.series.panel import Panel
from genloom.data.series.seasonal_process import SeasonalProcess
from genloom.spec import Spec


def deviation(known: Float64[np.ndarray, " values"]) -> float:
    """Return the standard deviation; 1 of a constant."""
    return float(known.std()) if len(known) and known.min() < known.max() else 1.0


def scaler(name: str, values: Float64[np.ndarray, "rows channels"], season: int) -> Scaler:
    """Return mean, standard deviation and seasonal naive error of each channel; NaN is left out."""
    means, stds, naive = [], [], []
    for channel in values.T:
        known = channel[~np.isnan(channel)]
        means.append(float(known.mean()) if len(known) else 0.0)
        stds.append(deviation(known))
        changes = np.abs(channel[season:] - channel[:-season])
        changes = changes[~np.isnan(changes)]
        naive.append(float(changes.mean()) / stds[-1] if len(changes) else 0.0)
    return Scaler(name, tuple(means), tuple(stds), tuple(naive))


def series_windows(
    panel: Panel,
    spec: Spec,
    *,
    starts: Int64[np.ndarray, " windows"],
    scalers: Mapping[str, Scaler] | None = None,
    innovations: Float64[np.ndarray, "rows channels"] | None = None,
) -> SeriesWindows:
    """Return windows of a panel, scaled as a spec says; what was not observed repeats the value before.

    Args:
        panel: the rows.
        spec: of the data; the panel holds the columns that it names.
        starts: the first row of each window.
        scalers: of each series, by name; None are those of the spec.
        innovations: scaled, of rows that :class:`~genloom.data.series.seasonal_process.SeasonalProcess` made.
    """
    content, condition = SeriesContent.of(spec.content), HistoryCondition.of(spec.given["history"])
    scalers = scalers or {each.series: each for each in content.scalers}
    of_series = [scalers[name] for name in panel.names]
    mean, std, naive = (
        np.array([getattr(each, name) for each in of_series]).reshape(len(of_series), len(content.channels))
        for name in ("mean", "std", "naive_error")
    )
    series = panel.series
    firsts = panel.bounds[series]
    values = (np.stack([panel.numbers[name] for name in content.channels], axis=1) - mean[series]) / std[series]
    observed = ~np.isnan(values)
    scales = {each.column: each for each in condition.scales}

    def scaled(column: str) -> Float64[np.ndarray, " rows"]:
        return (panel.numbers[column] - scales[column].mean) / scales[column].std

    past = [_filled(scaled(name), firsts) for name in condition.past_covariates]
    num_features = 2 * len(condition.calendar)
    known = condition.future_covariates[: len(condition.future_covariates) - num_features]
    future = [_filled(scaled(name), firsts) for name in known]
    for feature in condition.calendar:
        future += list(panel.times.calendar(feature).T)
    return SeriesWindows(
        torch.from_numpy(np.stack([_filled(column, firsts) for column in values.T], axis=1)).float(),
        torch.from_numpy(starts),
        past=condition.look_back,
        length=content.horizon,
        series=torch.from_numpy(series),
        offset=torch.from_numpy(mean).float(),
        scale=torch.from_numpy(std).float(),
        naive_error=torch.from_numpy(naive).float(),
        observed=None if observed.all() else torch.from_numpy(observed),
        past_covariates=_stacked(past),
        future_covariates=_stacked(future),
        static_covariates=_stacked([_static(panel, scales, name) for name in condition.static_covariates]),
        innovations=None if innovations is None else torch.from_numpy(innovations).float(),
        response=None
        if innovations is None
        else torch.from_numpy(SeasonalProcess().moving_average(content.horizon)).float(),
    )


def _stacked(columns: Sequence[np.ndarray]) -> torch.Tensor | None:
    return torch.from_numpy(np.stack(columns, axis=1)).float() if columns else None


def _static(panel: Panel, scales: Mapping[str, CovariateScale], name: str) -> Float64[np.ndarray, " series"]:
    if name in scales:
        values = (np.array(panel.constant(name), dtype=np.float64) - scales[name].mean) / scales[name].std
        return np.nan_to_num(values)  # the mean, where it is not known
    column, _, value = name.partition("=")
    return np.array([float(given == value) for given in panel.constant(column)])


def _filled(values: Float64[np.ndarray, " rows"], firsts: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """Return scaled values with the one before where there is none; 0, the mean, where none is before."""
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
    return np.where(last >= firsts, values[last], 0.0)
