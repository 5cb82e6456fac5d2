"""A process whose best forecast is known: (1 − a B)(1 − b Bᴾ) (y − level) = σ ε, ε ~ N(0, 1), B the step back.

A seasonal autoregression; Box and Jenkins, Time Series Analysis, 1970, chapter 9. Written as a moving average,
y_t − level = σ Σ_j ψ_j ε_{t−j}, with ψ_j = Σ_k b^k a^{j−kP} over k ≤ j/P. Who knows a, b, the level and the last
P + 1 values forecasts y_{t+h} with the error σ Σ_{j<h} ψ_j ε_{t+h−j}, whose expected square is σ² Σ_{j<h} ψ_j², and
nobody with less.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from genloom import randomness
from genloom.data.series.panel import Panel
from genloom.data.series.time_grid import DAY, SECOND, Clock, Times
from genloom.limits import Count


@dataclass(frozen=True)
class SeasonalProcess:
    """The process that all series share; each has its own level and σ.

    Args:
        short: a, within −1 and 1.
        seasonal: b, within −1 and 1.
        season: P, steps.
    """

    short: float = 0.6
    seasonal: float = 0.7
    season: Count = 24

    def moving_average(self, num: int) -> Float64[np.ndarray, " num"]:
        """Return ψ_0 to ψ_{num−1}."""
        psi = np.zeros(num)
        for j in range(num):
            whole = j // self.season
            psi[j] = sum(self.seasonal**k * self.short ** (j - k * self.season) for k in range(whole + 1))
        return psi

    def squared_errors(self, horizon: int) -> Float64[np.ndarray, " horizon"]:
        """Return the expected squared error of the best forecast, 1 to ``horizon`` steps ahead, for σ = 1."""
        return np.cumsum(self.moving_average(horizon) ** 2)

    def draw(self, num: int, length: int, *names: int | str) -> Float64[np.ndarray, "num length"]:
        """Return ``num`` stationary series for level 0 and σ = 1; the same for the same ``names``."""
        noise = self._noise(num, length, *names)
        y = np.zeros_like(noise)
        a, b, season = self.short, self.seasonal, self.season
        for t, drawn in enumerate(noise):
            y[t] = drawn
            if t > season:
                y[t] += a * y[t - 1] + b * y[t - season] - a * b * y[t - season - 1]
        return y[-length:].T

    def innovations(self, num: int, length: int, *names: int | str) -> Float64[np.ndarray, "num length"]:
        """Return the ε_t of what :meth:`draw` returns: what nobody could know one step before."""
        return self._noise(num, length, *names)[-length:].T

    def _noise(self, num: int, length: int, *names: int | str) -> Float64[np.ndarray, "steps num"]:
        """Return the ε_t, and before them those of twenty seasons, after which no start shows."""
        rng = np.random.Generator(np.random.PCG64(randomness.key("seasonal process", *names)))
        return rng.standard_normal((20 * self.season + length, num))


def synthetic_panel(
    process: SeasonalProcess, num: int, length: int, *names: int | str
) -> tuple[Panel, Float64[np.ndarray, " num"]]:
    """Return ``num`` hourly series with levels and σ of their own, and those σ; the same for the same ``names``."""
    rng = np.random.Generator(np.random.PCG64(randomness.key("levels", *names)))
    level, sigma = 100 * rng.lognormal(size=num), 10 * rng.lognormal(size=num)
    values = level[:, None] + sigma[:, None] * process.draw(num, length, *names)
    hour = 3600 * SECOND
    start = 18262 * DAY  # 2020-01-01
    panel = Panel(
        names=tuple(str(series) for series in range(num)),
        bounds=np.arange(num + 1) * length,
        times=Times(np.tile(start + hour * np.arange(length), num)),
        clock=Clock(hour),
        numbers={"value": values.reshape(-1)},
        texts={},
        source=np.arange(num * length),
        time="time",
        series_id="series",
    )
    return panel, sigma
