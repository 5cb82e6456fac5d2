"""Pictures that are still to be decoded, and what becomes of them in memory."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from genloom.contents.image import Images
from genloom.data.images.decoding import Pixels
from genloom.devices import main_memory
from genloom.errors import DataError
from genloom.printable import in_bytes


class Pictures(ABC):
    """Pictures that can be decoded, by their position.

    Attributes:
        where: they are, for messages.
        remedy: what to do where there are too few.
    """

    where: str
    remedy: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def path(self, position: int) -> Path:
        """Return what a person finds a picture by."""

    @abstractmethod
    def called(self, path: Path) -> str:
        """Return the part of such a path that says what is not said by ``where``."""

    @abstractmethod
    def identity(self) -> str:
        """Return a digest of what is decoded; another one where a picture was added, changed or taken away."""

    @abstractmethod
    def decoded(self, first: int = 0) -> Generator[Pixels | str]:
        """Yield the pixels of each picture from position ``first`` on, or why there are none."""

    def differ(self, first: int, size: tuple[int, int], other: int, size_of_other: tuple[int, int]) -> DataError:
        """Return the refusal of two pictures of different (height, width)."""
        sizes = (
            f"{self.called(self.path(place))} is {width}x{height}"
            for place, (height, width) in ((first, size), (other, size_of_other))
        )
        return DataError(
            f"images in {self.where} differ in size: {', '.join(sizes)}; set data.size=64 to scale and crop all"
        )


@dataclass(frozen=True)
class Decoded:
    """What became of pictures.

    Args:
        images: those that can be used, in their order; without labels.
        bad: positions of the others, each with the reason.
    """

    images: Images
    bad: list[tuple[int, str]]

    @property
    def usable(self) -> list[int]:
        """The positions of ``images``."""
        bad = dict(self.bad)
        return [position for position in range(len(self.images) + len(bad)) if position not in bad]


def in_memory(pictures: Pictures) -> Decoded:
    """Decode all pictures into one tensor.

    Raises:
        DataError: they differ in size, or need more memory than there is.
    """
    kept: list[Pixels] = []
    bad: list[tuple[int, str]] = []
    for position, pixels in enumerate(pictures.decoded()):
        if isinstance(pixels, str):
            bad.append((position, pixels))
            continue
        if not kept:
            _check_memory(pictures, len(pictures) * pixels.nbytes)
        elif pixels.shape[:2] != kept[0].shape[:2]:
            first = next(place for place in range(position) if place not in dict(bad))
            raise pictures.differ(first, kept[0].shape[:2], position, pixels.shape[:2])
        kept.append(pixels)
    return Decoded(Images(torch.from_numpy(_stack(kept))), bad)


def _check_memory(pictures: Pictures, num_bytes: int) -> None:
    if num_bytes > (memory := main_memory()):
        raise DataError(
            f"the images in {pictures.where} need {in_bytes(num_bytes)}, and this machine has "
            f"{in_bytes(memory)} of memory; set data.storage=disk, or a smaller data.size"
        )


def planar(pixels: Pixels, channels: int) -> UInt8[np.ndarray, "channels height width"]:
    """Return pixels with the channels first; grey ones repeated in each of several."""
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(np.broadcast_to(planes, (channels, *planes.shape[1:])))


def _stack(kept: list[Pixels]) -> UInt8[np.ndarray, "num channels height width"]:
    """Stack grey and colour images, grey ones repeated where any is in colour; empties the list as it goes."""
    if not kept:
        return np.empty((0, 1, 0, 0), np.uint8)
    channels = max(1 if each.ndim == 2 else 3 for each in kept)
    stacked = np.empty((len(kept), channels, *kept[0].shape[:2]), np.uint8)
    for place, each in enumerate(kept):
        stacked[place] = planar(each, channels)
        kept[place] = np.empty((0, 0), np.uint8)  # frees the memory
    return stacked
