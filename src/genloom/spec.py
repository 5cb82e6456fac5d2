"""What a data set promises: the shape and kind of its content, what it is conditioned on, and the way back.

A spec is plain data. It is derived from the data once (``DataModule.describe()``), handed to the networks, which
build themselves from it, and stored in every checkpoint, so that sampling needs no data at all.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from genloom.errors import DataError


@dataclass(frozen=True)
class ImageContent:
    """Images of one size, modelled as floats in [-1, 1] and kept as 8-bit values in the user's world.

    Args:
        channels: 1 (grey) or 3 (colour).
        height: pixels.
        width: pixels.
        domain: what the pictures show, where a metric depends on it (``handwritten_digits``), else None.
        binary: whether a model is trained on pixels that are 0 or 255, drawn from grey ones.
    """

    channels: int
    height: int
    width: int
    domain: str | None = None
    binary: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise DataError(f"images with {self.channels} channels: 1 (grey) or 3 (colour) are supported")
        for name, side in (("height", self.height), ("width", self.width)):
            if side < 4:
                raise DataError(f"image {name} {side} is below the limit of 4 pixels; set data.size")

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)``."""
        return self.channels, self.height, self.width

    def encode(
        self, stored: UInt8[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch channels height width"]:
        """Map 0..255 to [-1, 1]."""
        return stored.to(torch.get_default_dtype()).div_(127.5).sub_(1.0)

    def decode(
        self, content: Float[Tensor, "*batch channels height width"]
    ) -> UInt8[Tensor, "*batch channels height width"]:
        """Map [-1, 1] to 0..255: scale, clamp, round. The one way from floats to pixels."""
        return content.detach().float().add(1.0).mul_(127.5).clamp_(0.0, 255.0).round_().to(torch.uint8)


@dataclass(frozen=True)
class VectorContent:
    """Points of a vector space, modelled and kept as they are.

    Args:
        dim: coordinates of a point.
        domain: what the points are, where a metric depends on it (``ring``), else None.
    """

    dim: int
    domain: str | None = None

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise DataError(f"vectors of {self.dim} coordinates: at least 1 is needed")

    @property
    def shape(self) -> tuple[int]:
        """``(dim,)``."""
        return (self.dim,)

    def encode(self, stored: Float32[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Keep the values."""
        return stored.to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "*batch dim"]) -> Float32[Tensor, "*batch dim"]:
        """Keep the values, in single precision."""
        return content.detach().float()


Content = ImageContent | VectorContent
_KINDS: dict[str, type[Content]] = {"image": ImageContent, "vector": VectorContent}


@dataclass(frozen=True)
class LabelCondition:
    """One label per example.

    Args:
        classes: the class names; a label is an index into them.
        counts: training examples of each class, by which a model draws the classes of its samples; None is equally.
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            raise DataError("labelled data with no class names: give at least one class")


@dataclass(frozen=True)
class Spec:
    """The promise of one data set.

    Args:
        name: the data set's name, as its configuration calls it.
        content: what is modelled.
        condition: what it may be conditioned on, or None for unlabelled data.
    """

    name: str
    content: Content
    condition: LabelCondition | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers."""
        plain = asdict(self)
        plain["content"]["kind"] = next(name for name, kind in _KINDS.items() if isinstance(self.content, kind))
        if self.condition is not None:
            plain["condition"] = {name: value and list(value) for name, value in vars(self.condition).items()}
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Spec":
        """Rebuild a spec from :meth:`to_dict`'s result."""
        content = dict(plain["content"])
        kind = _KINDS[content.pop("kind", "image")]
        condition = plain["condition"]
        labels = condition and LabelCondition(**{name: value and tuple(value) for name, value in condition.items()})
        return cls(plain["name"], kind(**content), labels)
