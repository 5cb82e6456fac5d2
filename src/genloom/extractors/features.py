"""Feature extractors: frozen networks that turn 8-bit pictures into vectors which distances are taken between.

An extractor is identified by its name and the sha256 of its weights; both belong to the protocol of every number
that was computed with it. It receives uint8 pixels and does its own resizing and scaling, in float32, outside any
autocast and always in evaluation mode.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, Float32, Shaped, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from genloom.contents.base import Content, why_not
from genloom.contents.image import ImageContent
from genloom.data.base import InMemoryData
from genloom.data.images.base import resize
from genloom.errors import CheckpointError
from genloom.limits import Count, Counts
from genloom.part import Part
from genloom.precision import matrix_products


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
        return self.of_parts(images.split(self.chunk_size), device=device or images.device)

    def of_parts(self, parts: Iterable[Shaped[Tensor, "_num ..."]], *, device: torch.device | str) -> Features:
        """Return the features of pictures that come in parts of ``chunk_size``, of which one is in memory at a time."""
        device = torch.device(device)
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), torch.autocast(device.type, enabled=False), exact, matrix_products("highest"):
            seen = [self.extract(chunk.to(device)) for chunk in parts]
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


class StridedCNN(nn.Module):
    """A small classifier of square pictures, whose penultimate layer gives the features.

    Args:
        channels: 1 (grey) or 3 (colour).
        size: height and width, in pixels.
        widths: channels of each stage: a convolution that halves the map, of 5x5 in the first stage and 3x3 after it.
        num_features: width of the penultimate layer.
        num_classes: classes to tell apart.
    """

    def __init__(self, channels: Count, size: int, widths: Counts, num_features: int, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side = size
        for position, (width_in, width_out) in enumerate(pairwise((channels, *widths))):
            kernel_size = 3 if position else 5
            convolution = nn.Conv2d(width_in, width_out, kernel_size, stride=2, padding=kernel_size // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(width_out), nn.ReLU()]
            side = -(-side // 2)
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * side * side, num_features))
        self.classify = nn.Sequential(nn.ReLU(), nn.Linear(num_features, num_classes))
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(()))  # makes the trace of the real features' covariance num_features

    def forward(
        self, images: Shaped[Tensor, "num channels size size"]
    ) -> tuple[Float[Tensor, "num features"], Float[Tensor, "num classes"]]:
        """Return the features, scaled, and the logits of pixels in 0..255."""
        features = self.features(images.float() / 255)
        return features * self.scale, self.classify(features)


class DigitsCNN(StridedCNN):
    """The shipped one: 32x32 grey images.

    Args:
        num_features: width of the penultimate layer.
        num_classes: classes to tell apart.
    """

    def __init__(self, num_features: int = 64, num_classes: int = 10) -> None:
        super().__init__(1, 32, (24, 48, 64), num_features, num_classes)


class DigitsExtractor(FeatureExtractor):
    """The shipped extractor for handwritten digits; its model card is docs/digits_cnn_v1.md.

    Args:
        weights_path: a safetensors file of :class:`DigitsCNN`; None is the shipped one, whose digest is checked.
    """

    name = "digits_cnn_v1"
    layer = "penultimate, scaled"
    num_features = 64
    classes = tuple("0123456789")
    num_logits = len(classes)
    gives_way = True
    domain: ClassVar[str] = "handwritten_digits"
    shipped_sha256: ClassVar[str] = "7a86a09826dac1ff90021135c8238d36baf62e123dc6f14a4094216644d1142b"

    def __init__(self, weights_path: str | Path | None = None) -> None:
        self.path = Path(weights_path or str(files("genloom.extractors") / "weights" / f"{self.name}.safetensors"))
        self._shipped = weights_path is None

    @cached_property
    def weights_sha256(self) -> str:
        """sha256 of the file.

        Raises:
            CheckpointError: if the file is missing, or is the shipped one and damaged.
        """
        digest = file_sha256(self.path)
        if self._shipped and digest != self.shipped_sha256:
            raise CheckpointError(
                f"{self.path}: sha256 {digest} is not the shipped extractor's {self.shipped_sha256}; reinstall genloom"
            )
        return digest

    @property
    def caution(self) -> str | None:
        """Other weights than the shipped ones give numbers that do not compare."""
        return None if self._shipped else f"{self.name} ran with the weights of {self.path.name}, not the shipped ones"

    @property
    def preprocessing(self) -> dict[str, object]:
        """32x32 grey."""
        return {"size": 32, "filter": "bilinear, antialiased", "range": "[0, 1]", "channels": "grey only"}

    @cached_property
    def _network(self) -> DigitsCNN:
        digest = self.weights_sha256  # checked before the file is used
        network = DigitsCNN(self.num_features, self.num_logits).float().eval().requires_grad_(False)
        try:
            network.load_state_dict(load_file(self.path))
        except (SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{self.path} (sha256 {digest}) does not hold a DigitsCNN: {error}") from error
        return network

    def why_not(self, content: Content) -> str | None:
        """Only grey pictures whose data set says that they are handwritten digits."""
        if reason := super().why_not(content):
            return reason
        pictures = ImageContent.of(content)
        if pictures.domain == self.domain and pictures.channels == 1:
            return None
        return f"made for grey pictures with data.domain={self.domain}; metrics=inception measures pictures of any kind"

    def extract(self, images: UInt8[Tensor, "num 1 height width"]) -> Features:
        """Return 64 features and 10 logits each."""
        vectors, logits = self._network.to(images.device)(resize(images, 32))
        return Features(vectors, logits)


def file_sha256(path: Path, key: str = "weights_path") -> str:
    """Return the sha256 of a file of weights, which the configuration names by ``key``.

    Raises:
        CheckpointError: if it cannot be read.
    """
    endless = path.exists() and not path.is_dir() and not (path.is_file() and path.stat().st_size)
    if endless:  # a pipe or a device, or a file that the system makes up, might never end
        raise CheckpointError(f"{path}: this is no regular file of weights; check {key}")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: the weights cannot be read ({error.strerror}); check {key}") from error


def trace_scale(vectors: Float[Tensor, "num features"]) -> float:
    """Return the factor that makes the trace of the covariance of ``vectors`` equal to their dimension."""
    return math.sqrt(vectors.shape[1] / vectors.double().var(dim=0).sum().item())
