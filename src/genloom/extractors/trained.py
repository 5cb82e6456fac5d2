"""An extractor in one file, as ``genloom extractor`` writes it: weights, and all that is known of them.

The file is safetensors, so reading it executes nothing. Its metadata holds one entry, JSON: the format, the
:class:`~genloom.extractors.card.Card` and a digest of card and tensors. (One entry, because safetensors writes
several in random order, and equal extractors are to be equal files.)
"""

import copy
import hashlib
import json
import os
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from genloom.contents.base import Content
from genloom.contents.image import ImageContent
from genloom.data.base import InMemoryData
from genloom.data.images.base import resize
from genloom.errors import CheckpointError, ConfigError
from genloom.extractors.card import Card
from genloom.extractors.cnn import StridedCNN
from genloom.extractors.features import FeatureExtractor, Features
from genloom.extractors.reference_cache import canonical_json, tensors_digest
from genloom.extractors.weights_file import file_sha256

_ENTRY, _FORMAT = "genloom_extractor", 1


def network(card: Card) -> StridedCNN:
    """Return the untrained network that ``card`` describes."""
    return StridedCNN(card.channels, card.size, card.widths, card.num_features, len(card.classes))


def save(path: Path, trained: StridedCNN, card: Card) -> None:
    """Write an extractor completely or not at all.

    Raises:
        ConfigError: the place cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.state_dict().items()}
    plain = asdict(card)
    entry = {"format": _FORMAT, "card": plain, "sha256": _digest(plain, tensors)}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(serialize(tensors, metadata={_ENTRY: canonical_json(entry)}))
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(f"out: {path} cannot be written ({error.strerror}); set out") from error
    finally:
        temporary.unlink(missing_ok=True)


class TrainedExtractor(FeatureExtractor):
    """What ``genloom extractor`` made.

    Args:
        path: the file.

    Raises:
        CheckpointError: it is missing, damaged or no such file.
    """

    layer = "penultimate, scaled"

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        assert self.weights_sha256  # a missing file shows now
        self.card, self._network = _read(self.path)
        self.name = self.card.name
        self.classes = self.card.classes
        self.num_logits = len(self.classes)
        self._elsewhere: str | None = None

    @cached_property
    def weights_sha256(self) -> str:
        """sha256 of the file, card included.

        Raises:
            CheckpointError: if it cannot be read.
        """
        return file_sha256(self.path, "metrics.extractor")

    @property
    def preprocessing(self) -> dict[str, object]:
        """A square of the size that it was trained on."""
        return {
            "size": self.card.size,
            "filter": "bilinear, antialiased",
            "range": "[0, 1]",
            "channels": f"{_colours(self.card.channels)} only",
        }

    @property
    def protocol(self) -> dict[str, object]:
        """The classes that it offers and the data that it was trained on, too."""
        trained_on = {name: self.card.data[name] for name in ("name", "fingerprint")}
        return {**super().protocol, "classes": list(self.classes), "trained_on": trained_on}

    @property
    def caution(self) -> str | None:
        """What its calibration warns of, and that it looks at other data than its own."""
        doubts = [f"{self.name}: {warning}" for warning in self.card.warnings]
        if self._elsewhere is not None:
            doubts.append(
                f"{self.name} was trained on {self.card.data['name']}, in other pixels than this {self._elsewhere} has"
                " (another size, split or set): its ladder was not measured here"
            )
        return "; ".join(doubts) or None

    def why_not(self, content: Content) -> str | None:
        """Any pictures with as many channels as its own."""
        if reason := super().why_not(content):
            return reason
        channels = ImageContent.of(content).channels
        if channels == self.card.channels:
            return None
        return (
            f"made for {_colours(self.card.channels)} pictures, and these are {_colours(channels)}; set "
            f"data.channels={self.card.channels}, or train one on this data by genloom extractor"
        )

    def for_data(self, data: InMemoryData) -> "TrainedExtractor":
        """Offer its classes only where they are the data's; remember whether it was trained on this data."""
        looking = copy.copy(self)
        looking.classes = self.card.classes if data.classes == self.card.classes else ()
        looking._elsewhere = None if data.fingerprint == self.card.data["fingerprint"] else data.name
        return looking

    def extract(self, images: UInt8[Tensor, "num channels height width"]) -> Features:
        """Return features and logits."""
        vectors, logits = self._network.to(images.device)(resize(images, self.card.size))
        return Features(vectors, logits)


def _read(path: Path) -> tuple[Card, StridedCNN]:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_ENTRY)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if text else {}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: this is no safetensors file, or a damaged one ({error}); {_REMEDY}") from error
    if not text:
        raise CheckpointError(f"{path}: genloom extractor did not make this file; {_REMEDY}")
    try:
        entry = json.loads(text)
        if entry["format"] != _FORMAT:
            raise CheckpointError(
                f"{path}: its format is {entry['format']}, this version of genloom reads {_FORMAT}; {_REMEDY}"
            )
        if entry["sha256"] != _digest(entry["card"], tensors):
            raise CheckpointError(f"{path}: damaged, since its digest is not that of its content; {_REMEDY}")
        plain: dict[str, Any] = {field.name: entry["card"][field.name] for field in fields(Card)}
        plain.update({name: tuple(plain[name]) for name in ("classes", "widths", "warnings")})
        card = Card(**plain)
        with torch.device("meta"):  # the file's own tensors are put in, so a wrong card cannot claim memory
            empty = network(card)
        empty.load_state_dict(tensors, assign=True)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError(f"{path}: card and weights do not fit ({error!r}); {_REMEDY}") from error
    return card, empty.float().eval().requires_grad_(False)


_REMEDY = "metrics.extractor takes what genloom extractor data=… wrote"


def _digest(card: dict[str, object], tensors: dict[str, Tensor]) -> str:
    return hashlib.sha256((canonical_json(card) + tensors_digest(tensors)).encode()).hexdigest()


def _colours(channels: int) -> str:
    return "grey" if channels == 1 else "colour"
