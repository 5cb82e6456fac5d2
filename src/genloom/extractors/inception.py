"""Inception-v3 as the field uses it for FID, KID and the inception score.

The network and its weights are torch-fidelity's conversion of the 2015 TensorFlow graph. Numbers taken with another
resizer do not compare: :class:`Inception` has torchmetrics' (antialiased bilinear), :class:`PublishedInception`
torch-fidelity's, which is that of the graph and of published numbers. One pass gives the 2,048 pooled features and the
logits without bias.
"""

import warnings
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import ClassVar

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3
from torchmetrics.image.fid import NoTrainInceptionV3

from genloom.errors import CheckpointError
from genloom.extractors.features import FeatureExtractor, Features
from genloom.extractors.weights_file import file_sha256


class Inception(FeatureExtractor):
    """torch-fidelity's Inception-v3, on pictures that torchmetrics resizes.

    Args:
        weights_path: torch-fidelity's file of weights; None is the one in torch's own cache.
        download: fetch it once, if it is not there.
    """

    name = "inception"
    layer = "2048, logits_unbiased"
    num_logits = 1008
    costly = True
    chunk_size = 50
    labels: ClassVar[dict[str, str]] = {
        "fd": "fid", "rfd": "rfid", "fd_reconstructed": "fid_reconstructed", "kd": "kid",
        "classifier_score": "inception_score",
    }  # fmt: skip
    resizer: ClassVar[str] = "bilinear, antialiased (torchmetrics)"
    official_prefix: ClassVar[str] = "6726825d"  # of the official file's sha256, as its name states it

    def __init__(self, weights_path: str | Path | None = None, *, download: bool = True) -> None:
        self._given = None if weights_path is None else Path(weights_path).expanduser()
        self._download = download

    @cached_property
    def path(self) -> Path:
        """Where the weights are, after downloading them if need be.

        Raises:
            CheckpointError: if they cannot be downloaded.
        """
        if self._given is not None:
            return self._given
        path = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]
        if not path.exists():
            if not self._download:
                raise CheckpointError(
                    f"Inception's weights are not in {path}, and what a file asks for is not fetched; choose the "
                    "metrics yourself, as by metrics=inception"
                )
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), self.official_prefix, progress=False)
            except (OSError, RuntimeError) as error:
                raise CheckpointError(
                    f"Inception's weights are not in {path} and could not be downloaded ({error}). Put "
                    f"{path.name} there, or set metrics.extractors.inception.weights_path to where it is"
                ) from error
        return path

    @cached_property
    def weights_sha256(self) -> str:
        """sha256 of the file.

        Raises:
            CheckpointError: if it is missing and cannot be downloaded.
        """
        return file_sha256(self.path)

    @property
    def caution(self) -> str | None:
        """How the values differ from what others publish under these names."""
        return "; ".join(filter(None, [self._other_weights, self._other_protocol])) or None

    @property
    def _other_protocol(self) -> str | None:
        return (
            "fid, kid and inception_score are not by the published protocol, which resizes as TensorFlow 1 does and "
            "holds 50,000 samples against the whole training set, the score in 10 parts of 5,000: here torchmetrics "
            "resizes, at most metrics.num_samples (10,000) are on each side, and the reference leaves out the images "
            "set aside for validation; metrics=inception_published follows it"
        )

    @property
    def _other_weights(self) -> str | None:
        if self.weights_sha256.startswith(self.official_prefix):
            return None
        return (
            f"the Inception weights in {self.path.name} are not the official ones (sha256 {self.weights_sha256[:8]}…, "
            f"not {self.official_prefix}…): the values compare with no published FID"
        )

    @property
    def preprocessing(self) -> dict[str, object]:
        """299x299; grey pictures are repeated."""
        return {
            "size": 299,
            "filter": self.resizer,
            "range": "(x - 128) / 128",
            "channels": "colour; grey repeated three times",
        }

    def label(self, quantity: str) -> str:
        """Return the field's own name where there is one."""
        return self.labels.get(quantity) or super().label(quantity)

    @cached_property
    def _network(self) -> NoTrainInceptionV3:
        try:
            # torch-fidelity unpickles without restriction: see that the restricted unpickler accepts the file first
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of pickle protocols: what is no good raises
                torch.load(self.path, weights_only=True, map_location="cpu")
            network = NoTrainInceptionV3("inception-v3-compat", ["2048", "logits_unbiased"], str(self.path))
        except (UnpicklingError, RuntimeError, EOFError, OSError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{self.path} does not hold torch-fidelity's Inception weights ({type(error).__name__}); "
                "set metrics.extractors.inception.weights_path to a good file"
            ) from error
        return network

    def extract(self, images: UInt8[Tensor, "num channels height width"]) -> Features:
        """Return 2,048 features and 1,008 logits each."""
        vectors, logits = self._forward(self._network.to(images.device), images.expand(-1, 3, -1, -1))
        return Features(vectors.float(), logits.float())

    def _forward(self, network: NoTrainInceptionV3, images: UInt8[Tensor, "num 3 height width"]) -> tuple[Tensor, ...]:
        return network._torch_fidelity_forward(images)  # its own forward keeps only the first of the two outputs


class PublishedInception(Inception):
    """torch-fidelity's Inception-v3 with its own resizer, as published numbers were taken.

    Args:
        weights_path: torch-fidelity's file of weights; None is the one in torch's own cache.
        download: fetch it once, if it is not there.
    """

    name = "inception_published"
    resizer = "bilinear, as TensorFlow 1 (torch-fidelity)"

    @property
    def _other_protocol(self) -> None:
        return None

    def _forward(self, network: NoTrainInceptionV3, images: UInt8[Tensor, "num 3 height width"]) -> tuple[Tensor, ...]:
        return FeatureExtractorInceptionV3.forward(network, images)  # pyright: ignore[reportArgumentType]  # its base
