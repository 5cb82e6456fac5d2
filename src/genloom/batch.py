"""What a loader yields: content, what it is conditioned on, mask and index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(eq=False)
class Fields:
    """A condition of several tensors; the first axis of each is the batch."""

    def map(self: "_Some", function: Callable[[Tensor], Tensor]) -> "_Some":
        """Apply ``function`` to every tensor."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: function(value) for name, value in values.items() if value is not None})


_Some = TypeVar("_Some", bound=Fields)


class Given(dict[str, Any]):
    """What content is conditioned on, by name: tensors, or :class:`Fields`, whose first axis is the batch.

    The names are those of the spec: ``label``, ``prompt``, ``history``, or a data set's own.

    Attributes:
        dropped: by name, which examples a network shall not be told that condition of; a name that is not there is told
            to all.
    """

    dropped: dict[str, Bool[Tensor, " batch"]]

    def __init__(self, *values: Any, dropped: Mapping[str, Tensor] | None = None, **named: Any) -> None:
        super().__init__(*values, **named)
        self.dropped = dict(dropped or {})

    def map(self, function: Callable[[Tensor], Tensor]) -> "Given":
        """Apply ``function`` to every tensor."""
        mapped = {k: value.map(function) if isinstance(value, Fields) else function(value) for k, value in self.items()}
        return Given(mapped, dropped={name: function(mask) for name, mask in self.dropped.items()})


@dataclass(eq=False)
class History(Fields):
    """The past of each series, scaled like the content, and what is known beside it.

    Args:
        past: the targets up to the present.
        scale: standard deviation of each target, in the user's units.
        offset: mean of each target, in the user's units: value = scaled * scale + offset.
        naive_error: error of the seasonal naive forecast within the training rows, scaled.
        observed: false where ``past`` was filled in; None if nothing was.
        past_covariates: known up to the present.
        future_covariates: known ahead: over the past and the horizon.
        static_covariates: constant within a series.
    """

    past: Float[Tensor, "batch look_back channels"]
    scale: Float[Tensor, "batch channels"]
    offset: Float[Tensor, "batch channels"]
    naive_error: Float[Tensor, "batch channels"]
    observed: Bool[Tensor, "batch look_back channels"] | None = None
    past_covariates: Float[Tensor, "batch look_back covariates"] | None = None
    future_covariates: Float[Tensor, "batch steps known"] | None = None
    static_covariates: Float[Tensor, "batch static"] | None = None


NOTHING = Given()  # is given; never changed

Latent = dict[str, Tensor]  # named, any dtype: z | w, noise | codes | levels


# Not frozen: Lightning's 64-true and bf16-true precision refuse frozen batches. Treat it as immutable all the same.
@dataclass(eq=False)
class Batch:
    """Examples of one data set.

    Args:
        content: what is modelled; the first axis is the batch.
        index: position of each example in its split; -1 for generated content.
        given: what the content is conditioned on, by name; empty if it is not.
        mask: true where content is real rather than padding.
    """

    content: Tensor
    index: Int[Tensor, " batch"]
    given: Given = field(default_factory=Given)
    mask: Bool[Tensor, "batch ..."] | None = None

    def __len__(self) -> int:
        return len(self.content)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Apply ``function`` to every tensor."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        mapped = {
            name: value.map(function) if isinstance(value, Given) else function(value)
            for name, value in values.items()
            if value is not None
        }
        return replace(self, **mapped)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch on ``device``."""
        if self.content.device == torch.device(device):
            return self
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory."""
        return self.map(Tensor.pin_memory)

    def chunks(self, num: int) -> list["Batch"]:
        """Split into ``num`` batches whose sizes differ by at most one."""
        if num == 1:
            return [self]
        bounds = torch.linspace(0, len(self), num + 1).round().int().tolist()
        return [self.map(lambda tensor, a=a, b=b: tensor[a:b]) for a, b in pairwise(bounds)]
