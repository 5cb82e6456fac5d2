"""``genloom forecast``: what comes after the rows of a new table, by a checkpoint alone."""

import os
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from genloom import figures, randomness
from genloom.commands import output
from genloom.commands.assembly import load_model
from genloom.contents.shown import Picture
from genloom.data.series.forecasting import Present, read_present
from genloom.errors import ConfigError
from genloom.models.abilities import Forecasts, checked
from genloom.outlook import Forecast
from genloom.printable import printable
from genloom.samplers.ensemble import paths_of

_OTHERWISE = "one trained with output@model.output=gaussian or quantiles gives more"


def run(config: DictConfig) -> None:
    """Write a CSV with a row per step and series, and a figure; with the sampler's ``num_paths``, draws as an npz too.

    Raises:
        GenloomError: the checkpoint or the table cannot be used, or its model does not forecast.
    """
    model, file = load_model(config)
    model = checked("genloom forecast", Forecasts, model).using(config.weights)
    sampler = paths_of(model)
    path = Path(config.data.path).expanduser()
    present = read_present(
        path,
        model.spec,
        gaps=config.data.gaps,
        time_format=config.data.time_format,
        separator=config.data.separator,
        decimal=config.data.decimal,
        on_unknown=config.data.on_unknown,
    )
    rng = randomness.generator(config.seed, "paths")
    forecast = sampler.forecast(model, present.history, rng=rng)
    if sampler.num_paths and forecast.paths is None:
        raise ConfigError(f"sampler.num_paths: {sampler.num_paths} draws of a model that gives a point; {_OTHERWISE}")
    named = config.out and f"{config.out.removesuffix('.csv')}.csv"  # beside it lie a picture and draws
    out = output.file(named, Path("samples") / f"{file.stem}-{path.stem}.csv")
    try:
        present.table(forecast).write_csv(out)
        picture = _picture(present, forecast).save(out.with_suffix(""))
        if forecast.paths is not None:
            np.savez_compressed(out.with_suffix(".npz"), paths=present.unscaled(forecast.paths).numpy())
    except OSError as error:
        raise ConfigError(f"out: {out} cannot be written ({error.strerror}); set out") from error
    intervals = f"quantiles {', '.join(f'{level:g}' for level in sampler.levels)}"
    if forecast.levels is None:
        intervals = f"no intervals: this model gives a point; {_OTHERWISE}"
    targets = printable(", ".join(present.content.channels))
    print(f"{len(present.names)} series, {present.content.horizon} steps of {targets}")
    print(f"table:    {os.path.relpath(out)} ({intervals})\nfigure:   {os.path.relpath(picture)}")
    if forecast.paths is not None:
        print(f"paths:    {os.path.relpath(out.with_suffix('.npz'))} (paths x series x steps x targets)")


def _picture(present: Present, forecast: Forecast, most: int = 8) -> Picture:
    """Draw each target of the first series, and of as many more as there is room for."""
    channels = present.content.channels
    panels = [(series, channel) for series in range(len(present.names)) for channel in range(len(channels))][:most]
    series, channel = torch.tensor(panels).unbind(1)
    past, mean = present.unscaled(present.history.past), present.unscaled(forecast.mean)
    quantiles = None if forecast.quantiles is None else present.unscaled(forecast.quantiles).movedim(-1, 2)
    return figures.forecasts(
        past[series, :, channel].float(),
        Forecast(
            mean[series, :, channel].unsqueeze(-1).float(),
            forecast.levels,
            None if quantiles is None else quantiles[:, series, channel].unsqueeze(-1).float(),
        ),
        titles=[
            channels[each] if len(present.names) == 1 else f"{present.names[which]}: {channels[each]}"
            for which, each in panels
        ],
    )
