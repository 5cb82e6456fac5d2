"""Examples as they are stored: pixels of 8 bits, coordinates, tokens, rows of series; read from data, or generated."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

_Some = TypeVar("_Some", bound="Examples")


@dataclass(frozen=True)
class Examples:
    """One split, or any other set of examples, as they are in the user's world.

    Args:
        content: pixels, coordinates, generated tokens.
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

    def __add__(self: _Some, other: _Some) -> _Some:
        """Return these examples, then ``other``, of the same kind and with the same columns."""
        pairs = ((vars(self)[column.name], vars(other)[column.name]) for column in fields(Examples))
        joined: list[Any] = [None if first is None else torch.cat([first, second]) for first, second in pairs]
        return type(self)(*joined)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the pixels and labels in their order."""
        digest = hashlib.sha256(repr(tuple(self.content.shape)).encode())
        digest.update(self.content.contiguous().numpy().data)
        if self.labels is not None:
            digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()

    @property
    def content_fingerprint(self) -> str:
        """sha256 of what a model is measured on, whatever it sees beside: examples alike in this may be compared."""
        return self.fingerprint


class Windows(Examples):
    """Examples that are windows of long sequences: so many rows of the past, then the content.

    Windows share their rows, which are kept once; a subclass holds further columns beside them.

    Args:
        rows: all sequences, one after the other.
        starts: the first row of each window.
        past: rows before the content.
        length: rows of content.
    """

    rows: Shaped[Tensor, "rows ..."]
    starts: Int[Tensor, " num"]
    past: int
    length: int

    def __init__(self, rows: Tensor, starts: Tensor, *, past: int, length: int, **columns: Any) -> None:
        vars(self).update(rows=rows, starts=starts, past=past, length=length, **columns)
        vars(self).update(labels=None, codes=None, factors=None)

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} of {self.past} + {self.length} out of {len(self.rows)} rows)"

    def __getitem__(self: _Some, index: slice | Tensor) -> _Some:
        shared = {name: value for name, value in vars(self).items() if name not in _OF_ALL}
        return type(self)(**(shared | {"starts": self.starts[index]}))  # pyright: ignore[reportAttributeAccessIssue]

    def taken(self, index: Int[Tensor, " chosen"], rows: Tensor, first: int, num: int) -> Tensor:
        """Return ``num`` of ``rows`` for each window at ``index``, counted from row ``first`` of the window."""
        return rows[self.starts[index].unsqueeze(1) + torch.arange(first, first + num)]

    @cached_property
    def content(self) -> Shaped[Tensor, "num length ..."]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The content of all windows: many times as large as the rows, where windows overlap."""
        return self.taken(torch.arange(len(self)), self.rows, self.past, self.length)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the rows, of what stands beside them, and of where the windows are."""
        digest = hashlib.sha256()
        for name, value in sorted(vars(self).items()):
            if name in _OF_ALL:
                continue
            if isinstance(value, Tensor):
                digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
                digest.update(value.contiguous().numpy().data)
            else:
                digest.update(f"{name} {value!r};".encode())
        return digest.hexdigest()


_OF_ALL = ("content", "labels", "codes", "factors", "fingerprint")  # not columns of windows
