"""The contract of samplers."""

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

import torch

from genloom.batch import Batch, Given
from genloom.errors import CapabilityError
from genloom.models.abilities import Model, Samples, checked
from genloom.part import Part

_Kind = TypeVar("_Kind", bound="Sampler")


class Sampler(Part, ABC):
    """How to draw from a model. Subclasses are frozen dataclasses of plain values.

    A sampler knows a model by an ability alone, so it draws from every model that offers that.

    Attributes:
        needs: the ability of :mod:`genloom.models.abilities` by which it draws.
    """

    needs: ClassVar[type] = Samples

    @abstractmethod
    def draw(self, model: Any, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
        """Return ``num`` examples; content as the model sees it, images in [-1, 1].

        Args:
            model: one that offers what is needed, with the weights that shall draw.
            num: how many.
            rng: on the CPU, so that the same numbers are drawn on every device.
            given: what each of them is given; what is missing is as it is in the data.
        """

    def checked(self, model: Any) -> Any:
        """Return the model, which offers what is needed.

        Raises:
            CapabilityError: it does not; names both sides.
        """
        return checked(f"sampler: {type(self).__name__}", self.needs, model)

    @property
    def is_plain(self) -> bool:
        """Whether its draws have the model's own distribution, and so compare with those of every such sampler."""
        return False

    @property
    def protocol(self) -> dict[str, Any]:
        """What a number says of it that was taken of its draws: its name, its values, whether it is plain."""
        kind = type(self)
        name = kind.__name__ if kind.__module__.startswith("genloom.") else f"{kind.__module__}.{kind.__qualname__}"
        values = asdict(self)  # pyright: ignore[reportArgumentType, reportCallIssue]
        return {"name": name, "values": values, "plain": self.is_plain}


def sampler_of(model: Model, kind: type[_Kind], usual: _Kind, *, does: str) -> _Kind:
    """Return the sampler of a model, as one of a kind that does more than draw examples.

    Args:
        model: draws by it.
        kind: what has to be done is a method of it.
        usual: what draws from the model's own distribution, if that is wanted.
        does: what has to be done, for the message.

    Raises:
        CapabilityError: the model's sampler is of another kind.
    """
    sampler = model.sampler
    if isinstance(sampler, kind):
        return sampler
    if sampler is None or sampler.protocol["plain"]:
        return usual
    raise CapabilityError(
        f"sampler: {type(sampler).__name__} does not {does}; derive it from {kind.__module__}.{kind.__qualname__}, or "
        f"choose sampler={type(usual).__name__.lower()}"
    )
