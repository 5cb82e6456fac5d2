"""How the future of a series is told: quantiles and draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.batch import Batch, Given, History
from genloom.distributions.outputs.base import Prediction
from genloom.errors import CapabilityError, ConfigError
from genloom.limits import InsideShare, Whole
from genloom.models.abilities import Forecasts
from genloom.outlook import LEVELS, Forecast
from genloom.samplers.base import Sampler


@dataclass(frozen=True)
class Paths(Sampler):
    """Quantiles of each future value, and draws of all of them.

    Args:
        num_paths: draws of the future of each series, by models that know quantiles; 0 draws none.
        levels: of the quantiles; ascending, within 0 and 1.

    Raises:
        ConfigError: a value is out of its limits.
    """

    needs = Forecasts

    num_paths: Whole = 0
    levels: Sequence[InsideShare] = LEVELS

    def __post_init__(self) -> None:
        levels = tuple(self.levels)
        object.__setattr__(self, "levels", levels)
        if self.num_paths < 0:
            raise ConfigError(f"sampler.num_paths: {self.num_paths} is below the limit of 0")
        if not levels or list(levels) != sorted(set(levels)) or not all(0 < level < 1 for level in levels):
            raise ConfigError(f"sampler.levels: {list(levels)} are not ascending within 0 and 1")

    @property
    def is_plain(self) -> bool:
        """Of itself, whatever its values: it says what the model predicts."""
        return type(self) is Paths

    def forecast(self, model: Forecasts, history: History, *, rng: torch.Generator | None = None) -> Forecast:
        """Return what comes after each history, in scaled units.

        Args:
            model: with the weights that shall forecast.
            history: of each series.
            rng: of the draws; None draws none.
        """
        prediction = self.prediction(model, history, rng)
        if not prediction.has_quantiles:
            return Forecast(prediction.mean)
        levels = torch.tensor(list(self.levels))
        paths = self.paths(prediction, self.num_paths, rng) if self.num_paths and rng is not None else None
        return Forecast(prediction.mean, levels, prediction.quantiles(levels), paths)

    def prediction(self, model: Forecasts, history: History, rng: torch.Generator | None = None) -> Prediction:
        """Return what the model says comes after each history, in scaled units.

        Args:
            model: with the weights that shall forecast.
            history: of each series.
            rng: on the CPU, of what has to be drawn; None is the model's own.
        """
        return model.forecast(history)

    def paths(
        self, prediction: Prediction, num: int, rng: torch.Generator
    ) -> Float[Tensor, "num batch horizon channels"]:
        """Return ``num`` draws of each future."""
        return prediction.sample(num, rng)

    def draw(self, model: Forecasts, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return one future for each of ``num`` histories.

        Raises:
            CapabilityError: there is no history, or the model gives points only.
        """
        model = self.checked(model)
        if given is None or "history" not in given:
            raise CapabilityError("sampler: Paths draws what comes after a history, and none is given")
        prediction = self.prediction(model, given["history"], rng)
        if not prediction.has_quantiles:
            raise CapabilityError("sampler: Paths draws from a distribution, and this model gives a point")
        return model.generated(self.paths(prediction, 1, rng)[0], given)
