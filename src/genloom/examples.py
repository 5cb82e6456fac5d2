"""Examples as they are in the user's world: pixels of 8 bits, coordinates; read from data, or generated."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

_Some = TypeVar("_Some", bound="Examples")


@dataclass(frozen=True)
class Examples:
    """One split, or any other set of examples, as they are in the user's world.

    Args:
        content: pixels, coordinates.
        labels: class of each example, if known; of a generated one, the class that was asked for.
        codes: value of the generator's categorical code, for generated examples that have one.
        factors: levels of what the examples were made by, where that is known.
    """

    content: Shaped[Tensor, "num ..."]
    labels: Int[Tensor, " num"] | None = None
    codes: Int[Tensor, " num"] | None = None
    factors: Int[Tensor, "num factors"] | None = None

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self: _Some, index: slice | Tensor) -> _Some:
        return type(self)(
            self.content[index],
            None if self.labels is None else self.labels[index],
            None if self.codes is None else self.codes[index],
            None if self.factors is None else self.factors[index],
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the pixels and labels in their order."""
        digest = hashlib.sha256(repr(tuple(self.content.shape)).encode())
        digest.update(self.content.contiguous().numpy().data)
        if self.labels is not None:
            digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()


class Images(Examples):
    """Pictures.

    Args:
        content: 8-bit pixels.
        labels: see :class:`Examples`.
        codes: see :class:`Examples`.
        factors: see :class:`Examples`.
    """

    content: UInt8[Tensor, "num channels height width"]
