"""Data in memory: one tensor per split, turned into floats a batch at a time, visited in a keyed order.

A data set is one subclass of :class:`InMemoryData`, or of :class:`genloom.data.images.base.ImageData`, that reads its
splits. Everything else (specification, loaders, fingerprint) is here.
"""

import os
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import platformdirs
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from genloom.batch import Batch
from genloom.contents.base import Content
from genloom.contents.condition import Condition
from genloom.contents.joint import joint
from genloom.contents.label import LabelContent
from genloom.data.loading import loader
from genloom.data.order import EpochOrder, KeyedBatches
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples
from genloom.limits import Count, Share, Whole
from genloom.part import Part
from genloom.spec import Spec

__all__ = ["Examples", "InMemoryData", "Split", "data_root"]

Split = Literal["train", "val", "test"]


class InMemoryData(LightningDataModule, Part):
    """Examples of one shape, in memory.

    Attributes:
        kind: the kind of content of models that it can follow.

    Args:
        name: what the data set is called in tables and file names.
        batch_size: examples of one update, over all devices.
        num_workers: loader processes; 0 is fastest for data in memory.
        gpu_share: of a GPU's free memory, what the training examples may take to be kept there, where their batches are
            gathered; 0 keeps them in main memory.
        seed: of the order; None visits the stored order.
        domain: what the examples are, for metrics that depend on it.
    """

    kind: ClassVar[type[Content]] = Content

    def __init__(
        self,
        *,
        name: str,
        batch_size: Count = 64,
        num_workers: Whole = 0,
        gpu_share: Share = 0.25,
        seed: Whole | None = 0,
        domain: str | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ConfigError(f"data.batch_size: {batch_size} is below the limit of 1")
        if not 0 <= gpu_share <= 1:
            raise ConfigError(f"data.gpu_share: {gpu_share} is not within 0 and 1")
        self.name: str = name  # pyright: ignore[reportIncompatibleVariableOverride]
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.gpu_share = gpu_share
        self.seed = seed
        self.domain = domain
        self._batches_per_iteration, self._continues_at = 1, (0, 0)
        self._splits: dict[Split, Examples] = {}

    def follow(self, spec: Spec) -> None:
        """Read examples as the model of ``spec`` does, where there is a choice; called before anything is read.

        Args:
            spec: of a model; its content is of this data's ``kind``.
        """

    def prepare_training(self, *, batches_per_iteration: Count, continues_at: tuple[Whole, Whole] = (0, 0)) -> None:
        """Take what the loader of training examples must know of the training.

        Args:
            batches_per_iteration: batches of ``batch_size`` that one iteration consumes.
            continues_at: epoch, and batches of it already seen, where a resumed run goes on.
        """
        self._batches_per_iteration, self._continues_at = batches_per_iteration, continues_at

    @abstractmethod
    def read(self, split: Split) -> Examples:
        """Read one split.

        Raises:
            DataError: naming the file.
        """

    @abstractmethod
    def content(self) -> Content:
        """Return what the examples are."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...] | None:
        """Class names, or None for unlabelled data."""

    @property
    def why_unlabelled(self) -> str | None:
        """Why data that looks as if it had classes has none, and what would give some; else None."""
        return None

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """Files that were left out, each with the reason."""
        return []

    def split(self, name: Split) -> Examples:
        """Return a split, reading it at the first call."""
        if name not in self._splits:
            examples = self.read(name)
            if len(examples) < 2:
                raise DataError(f"{self.name}: the {name} split holds {len(examples)} examples; at least 2 are needed")
            self._splits[name] = examples
        return self._splits[name]

    def modelled(self, name: Split) -> Examples:
        """Return a split as a model sees it when it is measured: fixed, also where training sees random variations."""
        return self.split(name)

    def whole_training_set(self) -> Examples:
        """Return all that others train on: the training split with what was set aside of it for validation."""
        return self.split("train") + self.split("val")

    def describe(self) -> Spec:
        """Return the specification; the same on every call and every rank."""
        return self._spec

    def conditions(self) -> Mapping[str, Condition]:
        """Return what content may be conditioned on, by the names that :attr:`Examples.given` has: labels, if known."""
        labels = self.split("train").labels
        if not self.classes or labels is None:
            return {}
        counts = torch.bincount(labels, minlength=len(self.classes)).tolist()
        return {"label": LabelContent(self.classes, tuple(counts))}

    @cached_property
    def _spec(self) -> Spec:
        trained, conditions = self.split("train"), self.conditions()
        together = joint(conditions, trained.given)
        return Spec(self.name, self.content(), conditions, num_examples=len(trained), joint=together)

    @property
    def fingerprint(self) -> str:
        """sha256 of the training split as it is used."""
        return self.split("train").fingerprint

    def _loader(self, split: Split, seed: int | None, batch_size: int) -> DataLoader[Batch]:
        examples = self._trained_on(split)
        trainer = self.trainer
        world_size = trainer.world_size if trainer else 1
        batches = KeyedBatches(
            EpochOrder(len(examples), seed),
            batch_size,
            rank=trainer.global_rank if trainer else 0,
            world_size=world_size,
        )
        smallest = len(examples) // len(batches)
        if smallest < world_size:
            raise ConfigError(
                f"data.batch_size: {self.batch_size} gives batches of {smallest}; {world_size} devices need at least "
                f"{world_size}, one example each"
            )
        place = trainer.strategy.root_device if trainer else torch.device("cpu")
        spec = self.describe()
        return loader(examples, spec, batches, place=place, gpu_share=self.gpu_share, num_workers=self.num_workers)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Return the batch on ``device``; a GPU takes it from page-locked memory while the program goes on."""
        return batch.to(device, non_blocking=device.type == "cuda")

    def _trained_on(self, split: Split) -> Examples:
        """Return what batches are made of, before what is drawn anew each time."""
        return self.split(split)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Yield batches of ``batches_per_iteration * batch_size`` examples, so each critic update sees fresh data."""
        num = len(self.split("train"))
        if num < self.batch_size:
            raise DataError(f"{self.name}: {num} training examples are fewer than one batch; set data.batch_size={num}")
        made = self._loader("train", self.seed, self.batch_size * self._batches_per_iteration)
        (epoch, seen), self._continues_at = self._continues_at, (0, 0)
        batches: KeyedBatches = made.batch_sampler  # pyright: ignore[reportAssignmentType]
        batches.sampler.set_epoch(epoch + seen // len(made))  # now: worker processes fetch ahead of Lightning's call
        batches.skip = seen % len(made)
        return made


def data_root(root: str | os.PathLike[str] | None) -> Path:
    """Return ``root``, or the user's cache folder when it is None."""
    return Path(root).expanduser() if root else Path(platformdirs.user_cache_path("genloom")) / "data"
