"""Conditions: what a model may be told. Every kind of content is one; some things are only ever conditions.

A condition of your own is a frozen dataclass with ``called``, ``encode`` and ``decode``; ``draw`` if it can be drawn
without data, and ``asked`` if the command line can name it. A data set names it in ``conditions()``, and an embedder
(:mod:`genloom.networks.embedders`) makes vectors of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from jaxtyping import Shaped
from torch import Tensor

from genloom.errors import ConfigError
from genloom.part import Part

if TYPE_CHECKING:
    from genloom.contents.base import Content  # which is one

_Kind = TypeVar("_Kind", bound="Condition")


class Condition(Part, ABC):
    """What may be given. A subclass is a frozen dataclass of numbers, texts, tuples, and further dataclasses that are
    parts: it stands in every checkpoint.

    Attributes:
        called: what a person calls its examples, in the plural.
        is_drawn: whether :meth:`draw` is there; others are taken from real examples.
    """

    called: ClassVar[str]
    is_drawn: ClassVar[bool] = False

    @classmethod
    def of(cls: type[_Kind], content: "Condition") -> _Kind:
        """Return ``content`` itself, for parts whose kind was checked to be this one."""
        assert isinstance(content, cls), f"{content} is no {cls.__name__}"
        return content

    @property
    def encoded(self) -> "Content | None":
        """What examples are once they are encoded, where that takes so long that a loader encodes all of them before it
        makes batches; None where it encodes each batch.
        """
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """All that can be asked for by name; empty where there is no such list."""
        return ()

    @abstractmethod
    def encode(self, stored: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Return what a model sees of stored examples; leading axes stay, and so does the shape of a mere condition.

        Examples may be on a GPU: a tensor that is made beside them is made on their device.
        """

    @abstractmethod
    def decode(self, content: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Return what is stored, without gradients; the way back of :meth:`encode`."""

    def draw(self, num: int, rng: torch.Generator) -> Any:
        """Return ``num`` conditions as a model sees them, as frequent as in the training data, by a CPU generator."""
        raise NotImplementedError

    def asked(self, texts: Sequence[str], num: int, key: str) -> Any:
        """Return ``num`` conditions as a model sees them, of what a person asks for, dealt in turn.

        Args:
            texts: what is asked for, as the command line has it.
            num: how many.
            key: of the configuration that asked.

        Raises:
            ConfigError: there is nothing, or something that cannot be.
        """
        raise ConfigError(f"{key}: {self.called} cannot be asked for by a text; leave it out")


def dealt(choices: Shaped[Tensor, "choices ..."], num: int) -> Shaped[Tensor, "num ..."]:
    """Return ``num`` values, of the choices in turn."""
    return choices[torch.arange(num) % len(choices)]


def as_list(texts: Sequence[str], key: str) -> str:
    """Return how to ask for several, to end a message with, where one text looks as if several were meant.

    Args:
        texts: what was asked for.
        key: of the configuration that asked.
    """
    return f"; to ask for several set {key}=[{texts[0]}]" if len(texts) == 1 and "," in texts[0] else ""
