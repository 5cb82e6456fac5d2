"""Figures with axes, drawn by matplotlib into pictures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from genloom.contents.shown import Picture
from genloom.outlook import Forecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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


def trends(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    xlabel: str,
    ylabel: str,
    floor: tuple[str, float] | None = None,
) -> Picture:
    """Draw named curves by their points, both axes logarithmic; what is not above 0 is left out. Few x are written.

    Args:
        curves: by their names, (x, y) of each point.
        xlabel: of the axis.
        ylabel: of the axis.
        floor: a value of y with its name, drawn as a level line.
    """
    figure = new(7, 3.6)
    axes = figure.subplots()
    for name, points in curves.items():
        axes.loglog(*zip(*points, strict=True), marker="o", markersize=4, label=name)
    if floor is not None:
        axes.axhline(floor[1], color="0.4", linestyle="--", linewidth=1, label=floor[0])
    if len(xs := sorted({x for points in curves.values() for x, _ in points})) <= _WRITTEN:
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.set_xticks([], minor=True)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(color="0.9")
    axes.legend()
    return drawn(figure)


_WRITTEN = 10  # values of x
Cells = Sequence[float] | Sequence[str]


def marginals(sets: Mapping[str, Mapping[str, Cells]], *, note: str | None = None, columns: int = 4) -> Picture:
    """Draw how the cells of each column are distributed: numbers as a histogram, texts as bars of the most frequent.

    Args:
        sets: by what they are called, the cells that are there of each column, by its name; the same names in each. Of
            several the first is drawn as grey areas, and what is frequent there is shown.
        note: written below.
        columns: of panels.
    """
    names = list(next(iter(sets.values())))
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure = new(3 * columns, 2.2 * rows + 0.3 * ((note is not None) + (len(sets) > 1)))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(panels, names, strict=False):
        cells = {called: each[name] for called, each in sets.items()}
        if any(each and isinstance(each[0], str) for each in cells.values()):
            _bars(axes, cells)
        elif any(cells.values()):
            _histograms(axes, cells)
        axes.set_title(_short(name, 28), fontsize=9)
        axes.tick_params(labelsize=7)
    if len(sets) > 1:
        handles = next(axes for axes in panels if axes.get_legend_handles_labels()[0]).get_legend_handles_labels()
        figure.legend(*handles, fontsize=8, loc="outside upper center", ncols=len(sets))
    if note:
        figure.supxlabel(note, fontsize=8)
    return drawn(figure)


_BARS = 8  # texts of a panel
_COLOURS = ("0.75", "C0")  # of the first of several sets, and of the others


def _bars(axes: "Axes", cells: Mapping[str, Sequence[Any]]) -> None:
    counts = {called: Counter(each) for called, each in cells.items()}
    first = next(iter(counts.values()))
    texts = [text for text, _ in sum(counts.values(), Counter()).most_common()]
    texts = sorted(texts, key=lambda text: -first[text])[:_BARS]
    height = 0.8 / len(cells)
    for place, (called, each) in enumerate(counts.items()):
        shares = [each[text] / max(each.total(), 1) for text in texts]
        heights = [position + (place + 0.5) * height - 0.4 for position in range(len(texts))]
        axes.barh(heights, shares, height, color=_COLOURS[place] if len(cells) > 1 else "C0", label=called)
    axes.set_yticks(range(len(texts)), [_short(str(text)) for text in texts])
    axes.invert_yaxis()


def _histograms(axes: "Axes", cells: Mapping[str, Sequence[Any]]) -> None:
    together = [value for each in cells.values() for value in each]
    fewest = min(len(each) for each in cells.values() if each)
    edges = np.histogram_bin_edges(together, bins=min(30, max(5, int(fewest**0.5))))
    for place, (called, each) in enumerate(cells.items()):
        weights = np.full(len(each), 1 / max(len(each), 1))
        shared: dict[str, Any] = {"bins": edges, "weights": weights, "label": called}
        if place:
            axes.hist(each, **shared, color=_COLOURS[1], histtype="step", linewidth=1.5)
        else:
            axes.hist(each, **shared, color=_COLOURS[0] if len(cells) > 1 else "C0")
    axes.locator_params(axis="x", nbins=4)


def associations(
    names: Sequence[str],
    real: Float64[np.ndarray, "columns columns"],
    ours: Float64[np.ndarray, "columns columns"],
    pairs: Mapping[tuple[str, str], Mapping[str, tuple[Cells, Cells]]],
) -> Picture:
    """Draw how columns go together: matrices of real rows, of samples and of their difference; below, some pairs.

    Args:
        names: of the columns.
        real: their association in real rows, from -1 to 1.
        ours: in samples.
        pairs: by the names of two columns, the cells of each set, by what it is called; the second is drawn above.
    """
    side = min(4.5, 2.4 + 0.08 * len(names))
    figure = new(3 * side + 0.8, side + (2.8 if pairs else 0))
    whole = figure.subfigures(2 if pairs else 1, 1, height_ratios=[side, 2.8] if pairs else None, squeeze=False)[:, 0]
    panels = whole[0].subplots(1, 3)
    for axes, (title, matrix) in zip(
        panels, {"real": real, "samples": ours, "samples − real": ours - real}.items(), strict=True
    ):
        axes.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r")
        axes.set_title(title, fontsize=9)
        few = len(names) <= _NAMED
        axes.set_xticks(range(len(names)) if few else [], [_short(name) for name in names] if few else [], rotation=90)
        axes.set_yticks(
            range(len(names)) if few and axes is panels[0] else [],
            [_short(name) for name in names] if few and axes is panels[0] else [],
        )
        axes.tick_params(labelsize=6)
    whole[0].colorbar(panels[0].images[0], ax=list(panels), shrink=0.8).ax.tick_params(labelsize=7)
    if pairs:
        below = whole[1].subplots(1, len(pairs), squeeze=False)[0]
        for axes, ((one, other), sets) in zip(below, pairs.items(), strict=True):
            for place, (called, (x, y)) in enumerate(sets.items()):
                axes.scatter(x, y, s=8, color=("C0", "0.25")[place], alpha=0.6, linewidths=0, label=called)
            axes.set_xlabel(_short(one, 28), fontsize=8)
            axes.set_ylabel(_short(other, 28), fontsize=8)
            axes.tick_params(labelsize=7)
        below[0].legend(fontsize=7)
    return drawn(figure)


_NAMED = 40  # columns whose names are written


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
