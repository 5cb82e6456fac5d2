"""Feature extractors: frozen networks that turn 8-bit pictures into vectors which distances are taken between.

An extractor is identified by its name and the sha256 of its weights; both belong to the protocol of every number
that was computed with it. It receives uint8 pixels and does its own resizing and scaling, in float32, outside any
autocast and always in evaluation mode.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Float32, Shaped, UInt8
from torch import Tensor

from genloom.contents.base import Content, why_not
from genloom.contents.image import ImageContent
from genloom.data.base import InMemoryData
from genloom.data.images.base import resize
from genloom.limits import Count
from genloom.part import Part
from genloom.precision import tf32


@dataclass(frozen=True, eq=False)
class Features:
    """What an extractor saw.

    Args:
        vectors: the features that distances are taken between.
        logits: unnormalised class scores; no columns if the extractor is not a classifier.
    """

    vectors: Float32[Tensor, "num features"]
    logits: Float32[Tensor, "num classes"]

    def __len__(self) -> int:
        return len(self.vectors)


class FeatureExtractor(Part, ABC):
    """A frozen map from pictures to vectors.

    Attributes:
        name: ends the name of every number that was computed with it.
        layer: where the vectors and logits are taken from.
        kind: of content that it looks at.
        num_logits: columns of the logits; 0 if it is not a classifier.
        classes: what the logits mean, where they are the data's own classes.
        trained: whether distances between its vectors compare distributions; else it only serves for neighbours.
        gives_way: whether it is left out where the user names an extractor of their own.
        costly: whether a whole training split is too much for it on a CPU.
        chunk_size: images per forward pass.
    """

    name: str
    layer: str
    kind: ClassVar[type[Content]] = ImageContent
    num_logits: int = 0
    classes: tuple[str, ...] = ()
    trained: bool = True
    gives_way: bool = False
    costly: bool = False
    chunk_size: int = 500

    @property
    @abstractmethod
    def weights_sha256(self) -> str:
        """Digest of the weights, or of the definition where there are none."""

    @property
    @abstractmethod
    def preprocessing(self) -> dict[str, object]:
        """Size, filter, channel rule and scaling: whatever changes the numbers."""

    def why_not(self, content: Content) -> str | None:
        """Return None if the extractor can look at ``content``, else the reason why not and what to do: by default,
        whether that is of its kind.
        """
        return why_not(self, content)

    def for_data(self, data: InMemoryData) -> "FeatureExtractor":
        """Return the extractor as it looks at ``data``, whose classes it may know or not."""
        return self

    @abstractmethod
    def extract(self, images: UInt8[Tensor, "num channels height width"]) -> Features:
        """Return the features of one chunk of pictures."""

    @property
    def caution(self) -> str | None:
        """What a reader of its numbers has to know, if anything."""
        return None

    @property
    def protocol(self) -> dict[str, object]:
        """Return all that identifies the numbers it gives, as plain data."""
        return {
            "name": self.name,
            "weights_sha256": self.weights_sha256,
            "layer": self.layer,
            "preprocessing": self.preprocessing,
            "dtype": "float32",
            "caution": self.caution,
        }

    def label(self, quantity: str) -> str:
        """Return the full name of ``quantity`` when it was computed with this extractor."""
        return f"{quantity}_{self.name}"

    def __call__(self, images: Shaped[Tensor, "num ..."], *, device: torch.device | str | None = None) -> Features:
        """Return the features of all ``images``, computed on ``device`` (theirs by default), on the CPU."""
        device = torch.device(device or images.device)
        same = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        with torch.inference_mode(), torch.autocast(device.type, enabled=False), same, tf32(False):
            seen = [self.extract(chunk.to(device)) for chunk in images.split(self.chunk_size)]
            return Features(
                torch.cat([each.vectors for each in seen]).cpu(), torch.cat([each.logits for each in seen]).cpu()
            )


class Pixels(FeatureExtractor):
    """The pictures themselves, reduced and scaled to [0, 1]: for neighbours, where no trained extractor applies.

    Args:
        max_size: larger pictures are reduced to this height and width, in pixels.
    """

    name = "pixels"
    layer = "input"
    trained = False

    def __init__(self, max_size: Count = 32) -> None:
        self.max_size = max_size

    @property
    def weights_sha256(self) -> str:
        """There are no weights: the digest of the definition."""
        return hashlib.sha256(f"pixels, at most {self.max_size}".encode()).hexdigest()

    @property
    def preprocessing(self) -> dict[str, object]:
        """Antialiased bilinear reduction."""
        return {
            "max_size": self.max_size,
            "filter": "bilinear, antialiased",
            "range": "[0, 1]",
            "channels": "as stored",
        }

    def extract(self, images: UInt8[Tensor, "num channels height width"]) -> Features:
        """Flatten."""
        small = resize(images, self.max_size if max(images.shape[-2:]) > self.max_size else None)
        return Features(small.flatten(1).float() / 255, torch.empty(len(images), 0, dtype=torch.float32))


def trace_scale(vectors: Float[Tensor, "num features"]) -> float:
    """Return the factor that makes the trace of the covariance of ``vectors`` equal to their dimension."""
    return math.sqrt(vectors.shape[1] / vectors.double().var(dim=0).sum().item())
