"""The contract of denoisers, and how they are told the level of noise and the conditions."""

from collections.abc import Mapping, Sequence
from math import log
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.diffusion.prediction import Prediction
from genloom.diffusion.process import Level
from genloom.errors import ConfigError
from genloom.networks.embedders import MakeEmbedder, Told
from genloom.precision import exactly
from genloom.spec import Spec

_Layer = TypeVar("_Layer", bound=nn.Module)


class DenoiserNetwork(nn.Module):
    """Maps noised content to what a prediction asks for, in the same shape. Built by ``network(spec)``.

    Attributes:
        says: the prediction that it is made for; any, unless it is made of a formula, or was trained before.
        conditions: names of those that it is told.
        found: values of its configuration that it found elsewhere, and that a checkpoint builds it from.
        jumps: whether it is told a second level, to which the content shall be brought at once.
    """

    says: type[Prediction] = Prediction
    conditions: tuple[str, ...] = ()
    found: Mapping[str, Any] = MappingProxyType({})
    jumps: bool = False

    def check(self, prediction: Prediction) -> None:
        """Refuse a prediction that it is not made for.

        Raises:
            ConfigError: naming what it says instead.
        """
        if not isinstance(prediction, self.says):
            says = self.says.__name__
            raise ConfigError(
                f"model.prediction: {type(prediction).__name__} is not what model.network says, as "
                f"{type(self).__name__} says {says}; choose prediction@model.prediction={says.lower()}"
            )

    def forward(
        self,
        noised: Float[Tensor, "batch ..."],
        level: Level,
        given: Given = NOTHING,
        until: Level | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """Return what is asked for.

        Args:
            noised: content and noise, scaled as the prediction wants it.
            level: of each example, or one for all, of one axis.
            given: what the content is given.
            until: of networks that jump, the second level, of which the same holds; None is the first one.
        """
        raise NotImplementedError


class Embedding(nn.Module):
    """One vector of the level of noise and all that is told: the sum of both, through a small network.

    Of the level it sees sines and cosines of ¼ log σ/α: Karras et al., Elucidating the Design Space of Diffusion-Based
    Generative Models, 2022, https://arxiv.org/abs/2206.00364; log σ/α is kept within ±10, beyond which there is nothing
    but content, or noise. Of two levels it sees those of the angles whose tangents σ/α are, and of their difference:
    these are smooth up to pure noise, where jumps begin.

    Args:
        spec: the data's.
        width: length of the vector.
        names: of the conditions that are told; None is all that the data has.
        embedders: by a condition's name, what makes a vector of it.
        jumps: whether there is a second level.
    """

    frequencies: Float[Tensor, " half"]

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        names: Sequence[str] | None = None,
        embedders: Mapping[str, MakeEmbedder] | None = None,
        jumps: bool = False,
    ) -> None:
        super().__init__()
        self.jumps = jumps
        half = max(width // 4, 8)
        self.register_buffer("frequencies", torch.exp(torch.linspace(log(0.5), log(50.0), half)), persistent=False)
        self.level = nn.Linear((4 if jumps else 2) * half, width)
        self.told = Told(spec, "model.network", names=names, required=False, embedders=embedders, dim=width)
        self.last = nn.Linear(width, width)

    def forward(self, level: Level, given: Given, until: Level | None = None) -> Float[Tensor, "batch width"]:
        """Return the vector of each example, or one for all of them."""
        if self.jumps:
            here, there = (torch.atan2(each.sigma, each.alpha).float() for each in (level, until or level))
            places = torch.stack([here, here - there], dim=1)
        else:
            places = level.ratio.log().clamp(-10, 10).float()[:, None] / 4
        scaled = (places[:, :, None] * self.frequencies).flatten(1)
        vectors = self.told.vectors(given)
        with exactly(scaled):  # as in Karras et al., 2022: neighbouring levels differ in less than 8 bits can tell
            vector = self.level(torch.cat([scaled.sin(), scaled.cos()], dim=1))
            for told in vectors:
                vector = vector + told
            return nn.functional.silu(self.last(nn.functional.silu(vector)))


def zeroed(layer: _Layer) -> _Layer:
    """Return a layer that gives zeros at first, so that what it is added to stays as it is."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
