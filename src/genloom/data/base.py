"""Image data in memory: one uint8 tensor per split, turned into floats a batch at a time, visited in a keyed order.

A data set is one subclass of :class:`ImageData` that reads its splits. Everything else (specification, loaders,
fingerprint) is here.
"""

import hashlib
import os
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import platformdirs
import torch
import torch.nn.functional as F
from jaxtyping import Int, UInt8
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from genloom.batch import ImageBatch, Label
from genloom.data.order import EpochOrder, KeyedBatches
from genloom.errors import ConfigError, DataError
from genloom.spec import ImageContent, LabelCondition, Spec

Split = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Images:
    """One split, or any other set of pictures.

    Args:
        content: 8-bit pixels.
        labels: class of each picture, if known.
    """

    content: UInt8[Tensor, "num channels height width"]
    labels: Int[Tensor, " num"] | None = None

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, index: slice | Tensor) -> "Images":
        return Images(self.content[index], None if self.labels is None else self.labels[index])

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the pixels and labels in their order."""
        digest = hashlib.sha256(repr(tuple(self.content.shape)).encode())
        digest.update(self.content.contiguous().numpy().data)
        if self.labels is not None:
            digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()


class _BatchedImages(Dataset[ImageBatch]):
    """Fetches a whole batch by one indexing operation."""

    def __init__(self, images: Images, content: ImageContent) -> None:
        self.images = images
        self.content = content

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> ImageBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> ImageBatch:
        index = torch.tensor(indices)
        labels = self.images.labels
        return ImageBatch(
            content=self.content.encode(self.images.content[index]),
            condition=None if labels is None else Label(labels[index]),
            index=index,
        )


class ImageData(LightningDataModule):
    """Images of one size, in memory.

    Args:
        name: what the data set is called in tables and file names.
        size: height and width in pixels; None keeps the stored size.
        batch_size: examples of one update, over all devices.
        num_workers: loader processes; 0 is fastest for data in memory.
        seed: of the order; None visits the stored order.
        domain: what the pictures show, for metrics that depend on it.
    """

    def __init__(
        self,
        *,
        name: str,
        size: int | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int | None = 0,
        domain: str | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ConfigError(f"data.batch_size: {batch_size} is below the limit of 1")
        if size is not None and size < 4:
            raise ConfigError(f"data.size: {size} is below the limit of 4 pixels")
        self.name: str = name  # pyright: ignore[reportIncompatibleVariableOverride]
        self.size = size
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.domain = domain
        self.batches_per_iteration = 1  # the model sets it: critic_iterations x accumulation
        self.continues_at = (0, 0)  # epoch, and batches of it already seen, where a resumed run goes on
        self._splits: dict[Split, Images] = {}

    @abstractmethod
    def read(self, split: Split) -> Images:
        """Read one split, at the configured size.

        Raises:
            DataError: naming the file.
        """

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...] | None:
        """Class names, or None for unlabelled data."""

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """Files that were left out, each with the reason."""
        return []

    def split(self, name: Split) -> Images:
        """Return a split, reading it at the first call."""
        if name not in self._splits:
            images = self.read(name)
            if len(images) < 2:
                raise DataError(f"{self.name}: the {name} split holds {len(images)} images; at least 2 are needed")
            self._splits[name] = images
        return self._splits[name]

    def describe(self) -> Spec:
        """Return the specification; the same on every call and every rank."""
        _, channels, height, width = self.split("train").content.shape
        content = ImageContent(channels, height, width, self.domain)
        return Spec(self.name, content, LabelCondition(self.classes) if self.classes else None)

    @property
    def fingerprint(self) -> str:
        """sha256 of the training split as it is used."""
        return self.split("train").fingerprint

    def _loader(self, split: Split, seed: int | None, batch_size: int) -> DataLoader[ImageBatch]:
        images = self.split(split)
        trainer = self.trainer
        world_size = trainer.world_size if trainer else 1
        batches = KeyedBatches(
            EpochOrder(len(images), seed),
            batch_size,
            rank=trainer.global_rank if trainer else 0,
            world_size=world_size,
        )
        smallest = len(images) // len(batches)
        if smallest < world_size:
            raise ConfigError(
                f"data.batch_size: {self.batch_size} gives batches of {smallest}; {world_size} devices need at least "
                f"{world_size}, one example each"
            )
        return DataLoader(
            _BatchedImages(images, self.describe().content),
            batch_sampler=batches,
            collate_fn=_whole,  # pyright: ignore[reportArgumentType]  # a batch is fetched whole
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def train_dataloader(self) -> DataLoader[ImageBatch]:
        """Yield batches of ``batches_per_iteration * batch_size`` examples, so each critic update sees fresh data."""
        images = self.split("train")
        if len(images) < self.batch_size:
            raise DataError(
                f"{self.name}: {len(images)} training images are fewer than one batch; "
                f"set data.batch_size={len(images)}"
            )
        loader = self._loader("train", self.seed, self.batch_size * self.batches_per_iteration)
        (epoch, seen), self.continues_at = self.continues_at, (0, 0)
        batches: KeyedBatches = loader.batch_sampler  # pyright: ignore[reportAssignmentType]
        batches.sampler.set_epoch(epoch + seen // len(loader))  # now: worker processes fetch ahead of Lightning's call
        batches.skip = seen % len(loader)
        return loader


def _whole(batch: ImageBatch) -> ImageBatch:
    return batch


def data_root(root: str | os.PathLike[str] | None) -> Path:
    """Return ``root``, or the user's cache folder when it is None."""
    return Path(root).expanduser() if root else Path(platformdirs.user_cache_path("genloom")) / "data"


def resize(
    images: UInt8[Tensor, "num channels height width"], size: int | None
) -> UInt8[Tensor, "num channels size size"]:
    """Resize by antialiased bilinear interpolation, a thousand at a time; None returns ``images`` as they are."""
    if size is None or images.shape[-2:] == (size, size):
        return images
    resized = [
        F.interpolate(part.float(), size=(size, size), mode="bilinear", antialias=True).round_().to(torch.uint8)
        for part in images.split(1000)
    ]
    return torch.cat(resized)
