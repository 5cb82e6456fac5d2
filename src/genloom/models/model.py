"""What all models share: the content that they are of, what they offer, and the choice among their weight sets."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from genloom.batch import Batch, Given
from genloom.contents.base import Content, Values
from genloom.contents.condition import Condition
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.models.abilities import Sampling
from genloom.spec import Spec

Module = TypeVar("Module", bound=nn.Module)
Same = TypeVar("Same", bound="GenerativeModel")


class GenerativeModel(LightningModule, ABC):
    """A model of some data.

    What it can be asked besides is in :mod:`genloom.models.abilities`.

    Attributes:
        kind: of content that the data may hold.
        sampler: how commands, looks and judges draw from it; None is its own distribution.

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
        self.sampler: Sampling | None = None
        self._weights: str | None = None  # the chosen set; None is the default
        self._taken: Examples | None = None  # whose conditions are taken where they cannot be drawn

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
    def conditions(self) -> Mapping[str, Condition]:
        """What the model can be given, by name."""
        return {}

    @property
    def drop_given(self) -> Mapping[str, float]:
        """Conditions that the model can do without; none."""
        return {}

    def taking(self: Same, examples: Examples) -> Same:
        """Return the model, with real examples whose conditions it takes where they cannot be drawn; the model itself
        stays as it is.

        Args:
            examples: stored, with the conditions that the model is told.
        """
        return self._copied(_taken=examples)

    def draw_given(self, num: int, rng: torch.Generator, known: Given | None = None) -> Given:
        """Return what ``num`` samples are given: what is known, and the rest as it is in the data.

        Args:
            num: how many.
            rng: on the CPU.
            known: some of the conditions.

        Raises:
            ConfigError: a condition cannot be drawn, and there are no real examples to take it from.
        """
        drawn = Given(known or {}, dropped=getattr(known, "dropped", None))  # a plain dict has none
        missing = {name: each for name, each in self.conditions.items() if name not in drawn}
        joint = self.spec.joint
        if joint is not None and any(name in missing for name in joint.names):
            together = joint.draw(num, rng, {name: drawn[name] for name in joint.names if name in drawn})
            for name in joint.names:
                if name in missing:
                    drawn[name] = missing.pop(name).encode(together[name]).to(self.device)
        index = None  # of the real examples, the same for all conditions, since they belong together
        for name, condition in missing.items():
            if condition.is_drawn:
                drawn[name] = condition.draw(num, rng).to(self.device)
                continue
            if self._taken is None or name not in self._taken.given:
                raise ConfigError(
                    f"given.{name}: the model is told {condition.called}, which cannot be made up; give some, as by "
                    f"given.{name}=FILE, or real examples that have them"
                )
            index = torch.randint(len(self._taken), (num,), generator=rng) if index is None else index
            drawn[name] = condition.encode(self._taken.given[name][index]).to(self.device)
        return drawn

    # Weight sets

    def averaged(self) -> dict[str, tuple[nn.Module, nn.Module]]:
        """Return (average, source) pairs of modules; see :mod:`genloom.models.training.averaging`."""
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
        return self._copied(_weights=weights)

    def _copied(self: Same, **changed: Any) -> Same:
        copied = object.__new__(type(self))  # not by copy.copy, for which Lightning leaves out the trainer
        vars(copied).update(vars(self), **changed)
        return copied

    @contextmanager
    def evaluating(self, source: Module, *, differentiable: bool = False) -> Iterator[Module]:
        """Yield ``source`` or its average, whichever is used, in evaluation mode and without gradients.

        Args:
            source: the module.
            differentiable: by its input, for whoever enables gradients.
        """
        network = self.weights_of(source)
        training = network.training
        network.eval()
        try:
            with torch.inference_mode(not differentiable), torch.no_grad():
                yield network
        finally:
            network.train(training)

    def weights_of(self, source: Module) -> Module:
        """Return ``source`` or its average, whichever is used."""
        averages = [average for average, origin in self.averaged().values() if origin is source]
        return averages[0] if self.weights == "ema" else source  # pyright: ignore[reportReturnType]

    def generated(self, content: Tensor, given: Given) -> Batch:
        """Return generated content as a batch of the spec's kind."""
        index = torch.full((len(content),), -1, device=content.device)
        return self.spec.content.batches(content=content, index=index, given=given)
