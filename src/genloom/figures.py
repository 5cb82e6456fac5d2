"""Figures with axes, drawn by matplotlib into pictures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genloom.contents.shown import Picture
from genloom.outlook import Forecast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100


def new(width: float, height: float) -> "Figure":
    """Return an empty figure of so many inches, which no window belongs to."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def drawn(figure: "Figure") -> Picture:
    """Return the figure as pixels."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())  # pyright: ignore[reportAttributeAccessIssue]
    return Picture(torch.from_numpy(pixels[:, :, :3].copy()).permute(2, 0, 1))


def forecasts(
    past: Float[Tensor, "num look_back"],
    forecast: Forecast,
    *,
    future: Float[Tensor, "num horizon"] | None = None,
    titles: Sequence[str] = (),
    shown_past: int = 96,
    columns: int = 2,
) -> Picture:
    """Draw forecasts of single targets with their intervals, and the truth where it is known.

    Args:
        past: up to the present.
        forecast: of one channel each, in the units of ``past``.
        future: what came.
        titles: of the panels.
        shown_past: steps of the past, at most.
        columns: of panels.
    """
    num, horizon = forecast.mean.shape[:2]
    rows = -(-num // columns)
    figure = new(5.5 * columns, 2.4 * rows)
    past = past[:, -shown_past:].cpu()
    before, after = np.arange(-past.shape[1] + 1, 1), np.arange(1, horizon + 1)
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if place >= num:
            axes.set_visible(False)
            continue
        axes.plot(before, past[place], color="0.35", linewidth=1)
        if forecast.levels is not None and forecast.quantiles is not None:
            half = len(forecast.levels) // 2
            for outer in range(half):
                low, high = (forecast.quantiles[level, place, :, 0].cpu() for level in (outer, -outer - 1))
                share = forecast.levels[-outer - 1] - forecast.levels[outer]
                axes.fill_between(after, low, high, color=_shade(outer), linewidth=0, label=f"{share:.0%}")
        axes.plot(after, forecast.mean[place, :, 0].cpu(), color="C0", linewidth=1.5, label="forecast")
        if future is not None:
            axes.plot(after, future[place].cpu(), color="C3", linewidth=1, label="truth")
        axes.axvline(0.5, color="0.7", linewidth=0.8)
        axes.margins(x=0)
        axes.set_title(titles[place] if place < len(titles) else "", fontsize=9)
        axes.tick_params(labelsize=8)
        if place == 0:
            figure.legend(*axes.get_legend_handles_labels(), fontsize=7, loc="outside upper center", ncols=6)
    figure.supxlabel("steps from now", fontsize=9)
    return drawn(figure)


def _shade(depth: int) -> tuple[float, ...]:
    """Return the colour of a band within so many others: opaque, so that the legend shows what is seen."""
    from matplotlib.colors import to_rgb

    share = 1 - 0.85 ** (depth + 1)
    return tuple(1 - share * (1 - channel) for channel in to_rgb("C0"))


def curves(values: Mapping[str, Sequence[float]], *, xlabel: str, ylabel: str) -> Picture:
    """Draw named curves over 1, 2, …"""
    figure = new(7, 3.2)
    axes = figure.subplots()
    for name, ys in values.items():
        axes.plot(range(1, len(ys) + 1), ys, label=name)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.margins(x=0)
    axes.set_ylim(bottom=0)
    axes.legend()
    return drawn(figure)


def marginals(
    cells_of: Mapping[str, Sequence[float] | Sequence[str]], *, num: int, note: str | None = None, columns: int = 4
) -> Picture:
    """Draw how the cells of each column are distributed: numbers as a histogram, texts as bars of the most frequent.

    Args:
        cells_of: by a column's name, those that are there.
        num: rows; where fewer cells are there, the share of the missing ones is said.
        note: written below.
        columns: of panels.
    """
    columns = min(columns, len(cells_of))
    rows = -(-len(cells_of) // columns)
    figure = new(3 * columns, 2.2 * rows + (0.3 if note else 0))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(cells_of) :]:
        axes.set_visible(False)
    for axes, (name, cells) in zip(panels, cells_of.items(), strict=False):
        if cells and isinstance(cells[0], str):
            frequent = Counter(cells).most_common(_BARS)
            axes.barh([_short(str(text)) for text, _ in frequent], [count / num for _, count in frequent])
            axes.invert_yaxis()
        elif cells:
            axes.hist(cells, bins=min(30, max(5, int(len(cells) ** 0.5))), weights=[1 / num] * len(cells))
            axes.locator_params(axis="x", nbins=4)
        missing = f" ({1 - len(cells) / num:.0%} missing)" if len(cells) < num else ""
        axes.set_title(f"{_short(name, 28)}{missing}", fontsize=9)
        axes.tick_params(labelsize=7)
    if note:
        figure.supxlabel(note, fontsize=8)
    return drawn(figure)


_BARS = 8  # texts of a panel


def _short(text: str, most: int = 14) -> str:
    text = text.replace("$", r"\$")  # else matplotlib reads formulas
    return text if len(text) <= most else f"{text[: most - 1]}…"


def attention(
    weights: Float[Tensor, "maps queries keys"], *, titles: Sequence[str], ticks: Sequence[str] = ()
) -> Picture:
    """Draw who looks at what: a row per position that looks, a column per position that is looked at.

    Args:
        weights: of each row sum to 1.
        titles: of the maps.
        ticks: names of the positions.
    """
    columns = min(4, len(weights))
    rows = -(-len(weights) // columns)
    figure = new(4 * columns, 4.6 * rows)  # squares, and room for the titles above and the names below
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if place >= len(weights):
            axes.set_visible(False)
            continue
        axes.imshow(weights[place].float().cpu(), cmap="viridis", vmin=0)
        axes.set_title(titles[place], fontsize=9)
        axes.set_xlabel("looked at", fontsize=8)
        axes.set_ylabel("looks", fontsize=8)
        if ticks:
            upright = max(map(len, ticks)) == 1  # longer names would run into each other
            axes.set_xticks(range(len(ticks)), ticks, fontsize=5, rotation=0 if upright else 90)
            axes.set_yticks(range(len(ticks)), ticks, fontsize=5)
        else:
            axes.tick_params(labelsize=7)
    return drawn(figure)
