"""What is drawn can be read."""

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
