"""Examples as they are stored: pixels of 8 bits, coordinates, tokens, rows of series; read from data, or generated."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
        given: what each example goes with, by the names of the spec's conditions: its ``label``, its caption; of a
            generated one, what was asked for, or the value of the generator's ``code``.
        factors: levels of what the examples were made by, where that is known.
    """

    content: Shaped[Tensor, "num ..."]
    given: Mapping[str, Shaped[Tensor, "num ..."]] = field(default_factory=dict)
    factors: Int[Tensor, "num factors"] | None = None

    @property
    def labels(self) -> Int[Tensor, " num"] | None:
        """The class of each example, if known."""
        return self.given.get("label")

    @property
    def codes(self) -> Int[Tensor, " num"] | None:
        """The value of the generator's categorical code, of generated examples that have one."""
        return self.given.get("code")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all content."""
        return tuple(self.content.shape)

    def content_at(self, index: Int[Tensor, " chosen"]) -> Shaped[Tensor, "chosen ..."]:
        """Return the content at these places, in memory of its own."""
        return self.content.index_select(0, index)

    def to(self: _Some, device: torch.device) -> _Some:
        """Return these examples in the memory of a device."""
        given = {name: values.to(device) for name, values in self.given.items()}
        return type(self)(self.content.to(device), given, None if self.factors is None else self.factors.to(device))

    @property
    def num_bytes(self) -> int:
        """How much memory they take."""
        return sum(each.nbytes for each in (self.content, *self.given.values(), self.factors) if each is not None)

    def parts(self, size: int) -> Iterator[Shaped[Tensor, "part ..."]]:
        """Yield all content in its order, at most ``size`` examples at a time: for those that read it whole.

        A part is to be read before the next is taken.
        """
        yield from self.content.split(size)

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self: _Some, index: slice | Tensor) -> _Some:
        given = {name: values[index] for name, values in self.given.items()}
        return type(self)(self.content[index], given, None if self.factors is None else self.factors[index])

    def with_given(self: _Some, given: Mapping[str, Shaped[Tensor, "num ..."]]) -> _Some:
        """Return the same content with something else given."""
        return type(self)(self.content, given, self.factors)

    def __add__(self: _Some, other: _Some) -> _Some:
        """Return these examples, then ``other``, of the same kind and with the same columns."""
        given = {name: torch.cat([values, other.given[name]]) for name, values in self.given.items()}
        factors = [each.factors for each in (self, other) if each.factors is not None]
        return type(self)(torch.cat([self.content, other.content]), given, torch.cat(factors) if factors else None)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the content and of what goes with it, in their order."""
        digest = hashlib.sha256(repr(self.shape).encode())
        for part in self.parts(1000):
            digest.update(part.contiguous().numpy().data)
        for name, values in sorted(self.given.items()):
            if name != "label":  # labels were there before names were
                digest.update(f"{name} {values.dtype} {tuple(values.shape)};".encode())
            digest.update(values.contiguous().numpy().data)
        return digest.hexdigest()

    def remembered(self, name: str, compute: Callable[[], str | None]) -> str | None:
        """Return a text on these examples: computed, unless they lie where it is kept."""
        return compute()

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
        vars(self).update(given={}, factors=None)

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} of {self.past} + {self.length} out of {len(self.rows)} rows)"

    def __getitem__(self: _Some, index: slice | Tensor) -> _Some:
        assert isinstance(self, Windows)
        columns: dict[str, Any] = {**self._columns, "starts": self.starts[index]}
        return type(self)(**columns)

    @property
    def _columns(self) -> dict[str, Any]:
        """All that makes these windows, by name: tensors, numbers, and None for what they lack."""
        return {name: value for name, value in vars(self).items() if name not in _OF_ALL}

    def to(self: _Some, device: torch.device) -> _Some:
        """Return these windows, with all that they share, in the memory of a device."""
        assert isinstance(self, Windows)
        columns: dict[str, Any] = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in self._columns.items()}
        return type(self)(**columns)

    @property
    def num_bytes(self) -> int:
        """How much memory the rows take, with what stands beside them."""
        return sum(value.nbytes for value in self._columns.values() if isinstance(value, Tensor))

    def taken(self, index: Int[Tensor, " chosen"], rows: Tensor, first: int, num: int) -> Tensor:
        """Return ``num`` of ``rows`` for each window at ``index``, counted from row ``first`` of the window."""
        return rows[self.starts[index].unsqueeze(1) + torch.arange(first, first + num, device=index.device)]

    @cached_property
    def content(self) -> Shaped[Tensor, "num length ..."]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The content of all windows: many times as large as the rows, where windows overlap."""
        return self.taken(torch.arange(len(self)), self.rows, self.past, self.length)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the rows, of what stands beside them, and of where the windows are."""
        digest = hashlib.sha256()
        for name, value in sorted(self._columns.items()):
            if isinstance(value, Tensor):
                digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
                digest.update(value.contiguous().numpy().data)
            else:
                digest.update(f"{name} {value!r};".encode())
        return digest.hexdigest()


_OF_ALL = ("content", "given", "factors", "fingerprint", "content_fingerprint")  # not columns of windows
