"""The shipped extractor for handwritten digits."""

from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genloom.contents.base import Content
from genloom.contents.image import ImageContent
from genloom.data.images.base import resize
from genloom.errors import CheckpointError
from genloom.extractors.cnn import StridedCNN
from genloom.extractors.features import FeatureExtractor, Features
from genloom.extractors.weights_file import file_sha256


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
