"""What a loader yields: content, condition, mask and index."""

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(eq=False)
class Label:
    """The class of each example."""

    index: Int[Tensor, " batch"]

    def map(self, function: Any) -> "Label":
        """Apply ``function`` to every tensor."""
        return Label(function(self.index))


@dataclass(eq=False)
class Code:
    """The value of a generator's categorical code, which stands for a class that nobody named."""

    index: Int[Tensor, " batch"]

    def map(self, function: Any) -> "Code":
        """Apply ``function`` to every tensor."""
        return Code(function(self.index))


Latent = dict[str, Tensor]  # named, any dtype: z | w, noise | codes | levels
Condition = Label | Code  # grows: Prompt | History | Caption | LowResolution


# Not frozen: Lightning's 64-true and bf16-true precision refuse frozen batches. Treat it as immutable all the same.
@dataclass(eq=False)
class Batch:
    """Examples of one data set.

    Args:
        content: what is modelled; the first axis is the batch.
        index: position of each example in its split; -1 for generated content.
        condition: what the content is conditioned on.
        mask: true where content is real rather than padding.
    """

    content: Tensor
    index: Int[Tensor, " batch"]
    condition: Condition | None = None
    mask: Bool[Tensor, "batch ..."] | None = None

    def __len__(self) -> int:
        return len(self.content)

    def _map(self, function: Any) -> "Batch":
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        mapped = {
            name: value.map(function) if isinstance(value, Condition) else function(value)
            for name, value in values.items()
            if value is not None
        }
        return replace(self, **mapped)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """Return the batch on ``device``."""
        if self.content.device == torch.device(device):
            return self
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory."""
        return self._map(Tensor.pin_memory)

    def chunks(self, num: int) -> list["Batch"]:
        """Split into ``num`` batches whose sizes differ by at most one."""
        if num == 1:
            return [self]
        bounds = torch.linspace(0, len(self), num + 1).round().int().tolist()
        return [self._map(lambda tensor, a=a, b=b: tensor[a:b]) for a, b in pairwise(bounds)]


@dataclass(eq=False)
class ImageBatch(Batch):
    """Images in [-1, 1]."""

    content: Float[Tensor, "batch channels height width"]
