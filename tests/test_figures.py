"""What is drawn can be read."""

import numpy as np
import torch

from genloom import figures
from genloom.outlook import Forecast


def test_the_legend_shows_the_colour_that_each_interval_is_seen_in():
    levels = torch.tensor([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    quantiles = torch.arange(-3.0, 4.0).view(7, 1, 1, 1).expand(7, 2, 10, 1)
    picture = figures.forecasts(torch.zeros(2, 20), Forecast(torch.zeros(2, 10, 1), levels, quantiles)).pixels
    legend, panels = picture[:, :35].flatten(1).T.tolist(), picture[:, 35:].flatten(1).T.tolist()
    colours, counts = picture.flatten(1).T.unique(dim=0, return_counts=True)
    blues = [
        colour for colour, count in zip(colours.tolist(), counts, strict=True) if count > 5000 and colour[0] < colour[2]
    ]
    assert len(blues) >= 3  # 90 %, 80 %, 50 %
    for colour in blues:
        assert colour in legend and colour in panels


GREY, BLUE = [191, 191, 191], [31, 119, 180]


def drawn_columns(pixels: torch.Tensor, colour: list[int]) -> list[int]:
    """Return the columns of pixels where a colour fills at least a tenth of the height."""
    same = (pixels == torch.tensor(colour, dtype=torch.uint8).view(3, 1, 1)).all(0)
    return (same.float().mean(0) > 0.1).nonzero().flatten().tolist()


def test_real_cells_and_those_of_samples_have_one_scale():
    low, high = np.linspace(0, 1, 200).tolist(), np.linspace(9, 10, 200).tolist()
    alike = figures.marginals({"real": {"a": low}, "samples": {"a": low}}, columns=1).pixels
    apart = figures.marginals({"real": {"a": low}, "samples": {"a": high}}, columns=1).pixels
    width = alike.shape[2]
    assert len(drawn_columns(alike, GREY)) > 0.7 * width  # the whole panel
    assert 0 < len(drawn_columns(apart, GREY)) < 0.2 * width
    assert max(drawn_columns(apart, GREY)) < min(drawn_columns(apart, BLUE))


def test_texts_of_both_are_in_the_order_of_the_first(monkeypatch):
    figure = figures.new(3, 3)
    monkeypatch.setattr(figures, "new", lambda *size: figure)
    sets = {"real": {"a": ["x"] * 3 + ["y"] * 2}, "samples": {"a": ["y"] * 4 + ["z"]}}
    figures.marginals(sets, columns=1)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y", "z"]
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers}
    assert widths == {"real": [0.6, 0.4, 0], "samples": [0, 0.8, 0.2]}


def test_a_column_that_is_empty_in_one_of_them_is_drawn():
    sets = {"real": {"a": [], "b": []}, "samples": {"a": [1.0, 2.0], "b": []}}
    assert figures.marginals(sets).pixels.float().std() > 0
