"""How the future of a series is told by a model that draws: by many draws of the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genloom import randomness
from genloom.batch import Batch, Given, History
from genloom.distributions.outputs.base import Prediction
from genloom.distributions.outputs.draws import Draws, drawn
from genloom.errors import ConfigError
from genloom.limits import Count, InsideShare
from genloom.models.abilities import Forecasts, Simulates, offers
from genloom.outlook import LEVELS
from genloom.samplers.base import Sampler, sampler_of
from genloom.samplers.dpm_solver import DpmSolver
from genloom.samplers.paths import Paths
from genloom.samplers.times import LogSnr


@dataclass(frozen=True)
class Ensemble(Paths):
    """Mean and quantiles of as many draws of each future, and these draws, whose steps belong together.

    Args:
        num_paths: draws of the future of each series, at least 2.
        levels: of the quantiles; ascending, within 0 and 1.
        by: the sampler that draws each.

    Raises:
        ConfigError: a value is out of its limits.
    """

    needs = Simulates

    num_paths: Count = 100
    levels: Sequence[InsideShare] = LEVELS
    by: Sampler = field(default_factory=lambda: DpmSolver(steps=10, times=LogSnr(sigma_min=0.02)))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_paths < 2:
            raise ConfigError(f"sampler.num_paths: {self.num_paths} is below the limit of 2; set it to 100")

    @property
    def is_plain(self) -> bool:
        """As of its parent: a forecast is held against what came, however it was made."""
        return type(self) is Ensemble

    @property
    def protocol(self) -> dict[str, Any]:
        """Also that of how each future is drawn."""
        protocol = super().protocol
        return {**protocol, "values": {**protocol["values"], "by": self.by.protocol}}

    def prediction(self, model: Simulates, history: History, rng: torch.Generator | None = None) -> Prediction:
        """Return what is drawn of each history."""
        history = history.map(lambda tensor: tensor.to(model.device))
        rng = rng or randomness.generator(model.seed, "forecast")
        return drawn(partial(self.by.draw, model), history, self.num_paths, rng)

    def paths(
        self, prediction: Prediction, num: int, rng: torch.Generator
    ) -> Float[Tensor, "num batch horizon channels"]:
        """Return the draws that the prediction was made of."""
        assert isinstance(prediction, Draws)
        return prediction.content

    def draw(self, model: Simulates, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return one future for each of ``num`` histories."""
        return self.by.draw(self.checked(model), num, rng=rng, given=given)


def paths_of(model: Forecasts) -> Paths:
    """Return how the model's sampler tells the future; as is usual if it has none, and by draws if it draws futures.

    Raises:
        CapabilityError: the sampler tells none.
    """
    if not offers(model, Simulates):
        return sampler_of(model, Paths, Paths(), does="tell the future of a series")
    sampler = model.sampler
    if isinstance(sampler, Sampler) and not isinstance(sampler, Paths):
        return Ensemble(by=sampler)
    return sampler_of(model, Paths, Ensemble(), does="tell the future of a series")
