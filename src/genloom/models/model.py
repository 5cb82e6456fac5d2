"""What all models share: the content that they are of, what they offer, and the choice among their weight sets."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from genloom.batch import Batch, Condition
from genloom.contents.base import Content, Values
from genloom.errors import ConfigError
from genloom.spec import Spec

Module = TypeVar("Module", bound=nn.Module)
Same = TypeVar("Same", bound="GenerativeModel")


class GenerativeModel(LightningModule, ABC):
    """A model of some data.

    What it can be asked besides is in :mod:`genloom.models.abilities`.

    Attributes:
        kind: of content that the data may hold.

    Args:
        spec: the data's.

    Raises:
        ConfigError: the data holds something else.
    """

    kind: ClassVar[type[Content] | tuple[type[Content], ...]] = Values

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        spec.check(self, "model")
        self.spec = spec
        self._weights: str | None = None  # the chosen set; None is the default

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; not as a possible part of the module where Lightning notes the name of every hook."""
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    @abstractmethod
    def abilities(self) -> frozenset[type]:
        """Which protocols of :mod:`genloom.models.abilities` this model offers, by the parts it was built of."""

    @property
    def conditional(self) -> bool:
        """Whether the model is told a class."""
        return False

    # Weight sets

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """Return (average, source) pairs of modules, made by :meth:`make_average`."""
        return {}

    @property
    def weight_sets(self) -> tuple[str, ...]:
        """Names that :meth:`using` accepts; the first is the default."""
        return ("ema", "raw") if self.averaged() else ("raw",)

    @property
    def weights(self) -> str:
        """Name of the weight set that is used."""
        return self._weights or self.weight_sets[0]

    def using(self: Same, weights: str | None) -> Same:
        """Return the model with one of its weight sets; the model itself stays as it is.

        Both share their modules. All else is as it is now: ask again after the model went to another device.

        Args:
            weights: a name of :attr:`weight_sets`; None is the default.

        Raises:
            ConfigError: the model holds no such weights.
        """
        if weights and weights not in self.weight_sets:
            raise ConfigError(f"weights: {weights!r} is not in this model, which holds {', '.join(self.weight_sets)}")
        chosen = object.__new__(type(self))  # not by copy.copy, for which Lightning leaves out the trainer
        vars(chosen).update(vars(self), _weights=weights)
        return chosen

    @contextmanager
    def evaluating(self, source: Module) -> Iterator[Module]:
        """Yield ``source`` or its average, whichever is used, in evaluation mode and without gradients."""
        network = self.weights_of(source)
        training = network.training
        network.eval()
        try:
            with torch.inference_mode():
                yield network
        finally:
            network.train(training)

    def weights_of(self, source: Module) -> Module:
        """Return ``source`` or its average, whichever is used."""
        averages = [average for average, origin in self.averaged().values() if origin is source]
        return averages[0] if self.weights == "ema" else source  # pyright: ignore[reportReturnType]

    def generated(self, content: Tensor, condition: Condition | None) -> Batch:
        """Return generated content as a batch of the spec's kind."""
        index = torch.full((len(content),), -1, device=content.device)
        return self.spec.content.batches(content=content, index=index, condition=condition)
