"""Examples as they are stored: pixels of 8 bits, coordinates, tokens, rows of series; read from data, or generated."""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float32, Int, Int64, Integer, Shaped, UInt8
from torch import Tensor

from genloom.batch import Batch, History, ImageBatch, Label, Prompt, SeriesBatch, TextBatch
from genloom.spec import Content, ImageContent

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

    def batch(self, index: Int[Tensor, " chosen"], content: Content) -> Batch:
        """Return the examples at ``index`` as a model sees them.

        Args:
            index: positions.
            content: what the examples are.
        """
        kind = ImageBatch if isinstance(content, ImageContent) else Batch
        labels = None if self.labels is None else Label(self.labels.index_select(0, index))
        return kind(content=content.encode(self.content.index_select(0, index)), index=index, condition=labels)

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


class Images(Examples):
    """Pictures.

    Args:
        content: 8-bit pixels.
        labels: see :class:`Examples`.
        codes: see :class:`Examples`.
        factors: see :class:`Examples`.
    """

    content: UInt8[Tensor, "num channels height width"]


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


class TextWindows(Windows):
    """Windows of a text: the tokens before, then those to be modelled.

    Args:
        rows: the text's tokens, of any integer type.
        starts, past, length: see :class:`Windows`.
        origin: row of the first token that is scored, where windows follow on each other and score each token once. A
            window that stands no whole number of lengths from there was moved back to end with the text: the tokens
            that the one before it has scored are masked out. None scores all tokens of every window.
    """

    rows: Integer[Tensor, " rows"]
    origin: int | None

    def __init__(
        self, rows: Tensor, starts: Tensor, *, past: int, length: int, origin: int | None = None, **columns: Any
    ) -> None:
        super().__init__(rows, starts, past=past, length=length, origin=origin, **columns)

    def batch(self, index: Int[Tensor, " chosen"], content: Content) -> TextBatch:
        """Return the windows at ``index``, each conditioned on the tokens before it."""
        window = content.encode(self.taken(index, self.rows, 0, self.past + self.length))
        prompt = Prompt(window[:, : self.past])
        return TextBatch(content=window[:, self.past :], index=index, condition=prompt, mask=self._scored(index))

    def _scored(self, index: Int[Tensor, " chosen"]) -> Bool[Tensor, "chosen length"] | None:
        if self.origin is None:
            return None
        repeated = (self.origin - self.past - self.starts[index]) % self.length
        return torch.arange(self.length) >= repeated.unsqueeze(1)

    @property
    def text(self) -> Integer[Tensor, " covered"]:
        """All that the windows model, in the text's order; of windows that cover a part without gaps."""
        first = self.starts.min().item() + self.past if self.origin is None else self.origin
        return self.rows[int(first) : int(self.starts.max()) + self.past + self.length]


class SeriesWindows(Windows):
    """Windows of scaled series: the look-back, then the horizon.

    Args:
        rows: scaled targets; filled in where nothing was observed.
        starts, past, length: see :class:`Windows`.
        series: which series each row belongs to.
        offset, scale, naive_error: of each series, see :class:`~genloom.batch.History`.
        observed: false where a row's value was filled in; None if none was.
        past_covariates, future_covariates: beside the rows.
        static_covariates: of each series.
        innovations: of each row what nobody could know one step before, scaled; None if nobody knows that.
        response: how much of an innovation is left after 0, 1, … steps, up to the horizon; as well.
    """

    rows: Float32[Tensor, "rows channels"]
    series: Int64[Tensor, " rows"]
    offset: Float32[Tensor, "all_series channels"]
    scale: Float32[Tensor, "all_series channels"]
    naive_error: Float32[Tensor, "all_series channels"]
    observed: Bool[Tensor, "rows channels"] | None
    past_covariates: Float32[Tensor, "rows covariates"] | None
    future_covariates: Float32[Tensor, "rows known"] | None
    static_covariates: Float32[Tensor, "all_series static"] | None
    innovations: Float32[Tensor, "rows channels"] | None = None
    response: Float32[Tensor, " length"] | None = None

    @cached_property
    def content_fingerprint(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """sha256 of the future values and their places: the look-back and the covariates are a model's own choice."""
        digest = hashlib.sha256(repr(self.length).encode())
        for part in (self.rows, self.starts + self.past, self.observed):
            if part is not None:
                digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()

    def batch(self, index: Int[Tensor, " chosen"], content: Content) -> SeriesBatch:
        """Return the windows at ``index``, each conditioned on its history."""

        def beside(rows: Tensor | None, num: int) -> Tensor | None:
            return None if rows is None else content.encode(self.taken(index, rows, 0, num))

        series = self.series[self.starts[index]]
        statics = self.static_covariates
        observed = None if self.observed is None else self.taken(index, self.observed, 0, self.past + self.length)
        window = content.encode(self.taken(index, self.rows, 0, self.past + self.length))
        return SeriesBatch(
            content=window[:, self.past :],
            index=index,
            mask=None if observed is None else observed[:, self.past :],
            condition=History(
                past=window[:, : self.past],
                scale=content.encode(self.scale[series]),
                offset=content.encode(self.offset[series]),
                naive_error=content.encode(self.naive_error[series]),
                observed=None if observed is None else observed[:, : self.past],
                past_covariates=beside(self.past_covariates, self.past),
                future_covariates=beside(self.future_covariates, self.past + self.length),
                static_covariates=None if statics is None else content.encode(statics[series]),
            ),
        )

    def optimal_errors(self, index: Int[Tensor, " chosen"]) -> Float32[Tensor, "chosen length channels"] | None:
        """Return the errors of the best forecasts that there are for the windows at ``index``; None if unknown.

        The error h steps ahead is Σ_{j<h} ψ_j ε_{h−j}, with the response ψ and the window's innovations ε.
        """
        if self.innovations is None or self.response is None:
            return None
        later = torch.arange(self.length)
        lag = later.unsqueeze(1) - later
        psi = torch.where(lag >= 0, self.response[lag.clamp_min(0)], 0.0)
        return torch.einsum("hk,nkc->nhc", psi, self.taken(index, self.innovations, self.past, self.length))
