"""Forecasts of held-out series beside what came, and how the error grows with the horizon."""

from collections.abc import Callable

import torch
from torch import Tensor

from genloom import figures, randomness
from genloom.contents.series import SeriesContent, SeriesWindows
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook
from genloom.limits import Count, Whole
from genloom.models import abilities
from genloom.outlook import Forecast
from genloom.samplers.ensemble import paths_of


class SeriesLook(PictureLook):
    """Base of the looks at forecasts."""

    kind = SeriesContent
    requires = abilities.Forecasts


class Forecasts(SeriesLook):
    """Windows of the validation split, one target each, with intervals where the model knows them.

    Args:
        num: windows, chosen once.
        shown_past: steps of the past.
        every_iterations: how often; None is the end only.
    """

    name = "forecasts"

    def __init__(self, *, num: Count = 6, shown_past: Whole = 96, every_iterations: Count | None = 500) -> None:
        super().__init__(every_iterations=every_iterations)
        for name, value in (("num", num), ("shown_past", shown_past)):
            if value < 1:
                raise ValueError(f"{name}: {value} is below the limit of 1")
        self.num = num
        self.shown_past = shown_past

    def picture(self, model: abilities.Forecasts, data: Callable[[], InMemoryData]) -> Shown:
        """Forecast; the targets take turns."""
        given = data()
        windows = given.modelled("val")
        assert isinstance(windows, SeriesWindows)
        chosen = randomness.permutation(len(windows), "forecasts")[: self.num]
        content = SeriesContent.of(model.spec.content)
        batch = model.spec.batch(windows, chosen)
        history = batch.given["history"]
        forecast = paths_of(model).forecast(model, history)
        channel = torch.arange(len(batch)) % len(content.channels)
        rows = torch.arange(len(batch))
        scale, offset = history.scale[rows, channel].view(-1, 1), history.offset[rows, channel].view(-1, 1)
        quantiles = forecast.quantiles
        one = Forecast(  # of each window its own target, in the user's units
            (forecast.mean.cpu()[rows, :, channel] * scale + offset).unsqueeze(-1),
            forecast.levels,
            None
            if quantiles is None
            else (quantiles.cpu().movedim(-1, 2)[:, rows, channel] * scale + offset).unsqueeze(-1),
        )
        return figures.forecasts(
            history.past[rows, :, channel] * scale + offset,
            one,
            future=batch.content[rows, :, channel] * scale + offset,
            titles=_titles(SeriesContent.of(given.describe().content), windows, chosen, channel),
            shown_past=self.shown_past,
        )


def _titles(content: SeriesContent, windows: SeriesWindows, chosen: Tensor, channel: Tensor) -> list[str]:
    """Return the target of each window, and the series where there are several."""
    targets = [content.channels[each] for each in channel.tolist()]
    if len(content.scalers) == 1:
        return targets
    series = windows.series[windows.starts[chosen]].tolist()
    return [f"{content.scalers[each].series}: {target}" for each, target in zip(series, targets, strict=True)]


class HorizonErrors(SeriesLook):
    """The mean squared error of each step of the horizon, beside that of repeating the last value; scaled units.

    Args:
        num: windows of the validation split, at most.
        every_iterations: how often; None is the end only.
    """

    name = "horizon_errors"

    def __init__(self, *, num: Count = 1000, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        if num < 1:
            raise ValueError(f"num: {num} is below the limit of 1")
        self.num = num

    def picture(self, model: abilities.Forecasts, data: Callable[[], InMemoryData]) -> Shown:
        """Measure."""
        windows = data().modelled("val")
        chosen = windows[randomness.permutation(len(windows), "forecasts")[: self.num]]
        sampler = paths_of(model)
        sums: dict[str, torch.Tensor] = {}
        counts = torch.zeros(())
        for batch in model.spec.batches(chosen, 250):
            history = batch.given["history"]
            seen = torch.ones_like(batch.content) if batch.mask is None else batch.mask.to(batch.content)
            counts = counts + seen.sum((0, 2))
            ours = {
                type(model).__name__: sampler.prediction(model, history).mean.cpu(),
                "last value": history.past[:, -1:],
            }
            for name, values in ours.items():
                squares = ((values - batch.content).square() * seen).sum((0, 2))
                sums[name] = sums.get(name, torch.zeros_like(squares)) + squares
        errors = {name: (total / counts.clamp_min(1)).tolist() for name, total in sums.items()}
        return figures.curves(errors, xlabel="step of the horizon", ylabel="mean squared error, scaled")
