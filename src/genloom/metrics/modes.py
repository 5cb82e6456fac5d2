"""Extractors for data sets whose modes are known: stacked digits, and the ring of Gaussians.

Their classes are the modes, so every metric of classes counts modes, and the Fréchet distance is taken between what
they see: three digits' features side by side, or the coordinates themselves.
"""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from genloom.contents.base import Content
from genloom.contents.image import ImageContent
from genloom.contents.vector import VectorContent
from genloom.data import ring
from genloom.extractors.digits import DigitsExtractor
from genloom.extractors.features import FeatureExtractor, Features


class StackedDigitsExtractor(FeatureExtractor):
    """The digits' extractor on each channel: 3 x 64 features, 1,000 classes.

    log p(abc) = log p(a) + log p(b) + log p(c), since each channel is classified alone.

    Args:
        weights_path: see :class:`~genloom.extractors.digits.DigitsExtractor`.
    """

    name = "stacked_digits_cnn_v1"
    layer = "penultimate of each channel"
    classes = tuple(f"{number:03d}" for number in range(1000))
    num_logits = len(classes)
    gives_way = True
    domain = "stacked_handwritten_digits"

    def __init__(self, weights_path: str | Path | None = None) -> None:
        self._digits = DigitsExtractor(weights_path)

    @property
    def weights_sha256(self) -> str:
        """Those of the digits' extractor."""
        return self._digits.weights_sha256

    @property
    def caution(self) -> str | None:
        """That of the digits' extractor."""
        return self._digits.caution

    @property
    def preprocessing(self) -> dict[str, object]:
        """Each channel as a grey picture."""
        return {**self._digits.preprocessing, "channels": "three, each alone"}

    def why_not(self, content: Content) -> str | None:
        """Only stacked digits."""
        if reason := super().why_not(content):
            return reason
        pictures = ImageContent.of(content)
        if pictures.domain == self.domain and pictures.channels == 3:
            return None
        return f"made for colour pictures with data.domain={self.domain}"

    def extract(self, images: UInt8[Tensor, "num 3 height width"]) -> Features:
        """Return 192 features and 1,000 log-probabilities each."""
        seen = [self._digits.extract(channel.unsqueeze(1)) for channel in images.unbind(1)]
        a, b, c = (each.logits.log_softmax(1) for each in seen)
        joint = a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]
        return Features(torch.cat([each.vectors for each in seen], dim=1), joint.flatten(1))


class RingExtractor(FeatureExtractor):
    """The coordinates, and log-densities of the eight Gaussians that they come from."""

    name = "ring"
    layer = "coordinates"
    kind = VectorContent
    classes = tuple(str(mode) for mode in range(ring.NUM_MODES))
    num_logits = ring.NUM_MODES

    @property
    def weights_sha256(self) -> str:
        """There are no weights: the digest of the definition."""
        return hashlib.sha256(repr((ring.NUM_MODES, ring.RADIUS, ring.SIGMA)).encode()).hexdigest()

    @property
    def preprocessing(self) -> dict[str, object]:
        """None."""
        return {"content": "as stored"}

    def why_not(self, content: Content) -> str | None:
        """Only the ring."""
        if reason := super().why_not(content):
            return reason
        points = VectorContent.of(content)
        return None if points.domain == "ring" else "made for data=ring"

    def extract(self, images: Float[Tensor, "num 2"]) -> Features:
        """Return the points, and one logit per mode."""
        squared = torch.cdist(images, ring.centres().to(images)).square()
        return Features(images.float(), (-squared / (2 * ring.SIGMA**2)).float())
