"""MNIST, Fashion-MNIST and CIFAR-10 through torchvision: found locally first, else downloaded."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from genloom.data.base import Split, data_root
from genloom.data.images.base import ImageData, Images, resize
from genloom.errors import DataError
from genloom.limits import Whole


class TorchvisionImages(ImageData):
    """A data set of torchvision with a training and a test part; validation is the end of the training part.

    Args:
        root: folder that holds (or gets) the data, as torchvision lays it out; None is the user's cache folder.
        num_val: images held out at the end of the training part.
        download: fetch what is not there.
        **image_data: see :class:`~genloom.data.images.base.ImageData`.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str] | None = None,
        num_val: Whole = 5000,
        download: bool = True,
        **image_data: Any,
    ) -> None:
        super().__init__(**image_data)
        self.root: Path = data_root(root)
        self.num_val = num_val
        self.download = download

    def _open(self, *, train: bool, download: bool) -> Any:
        from torchvision import datasets

        return getattr(datasets, self._dataset)(str(self.root), train=train, download=download)

    @staticmethod
    def _pixels(stored: Any) -> Tensor:
        pixels = torch.as_tensor(stored.data)  # grey: (num, height, width), colour: (num, height, width, 3)
        return pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous()

    def prepare_data(self) -> None:
        """Download once per machine if the files are not there.

        Raises:
            DataError: with the places that were tried.
        """
        try:
            self._open(train=True, download=False)
            return
        except RuntimeError as error:
            problem = error
        if self.download:
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                with FileLock(self.root / f".{self.name}.lock"):
                    self._open(train=True, download=True)
                return
            except (OSError, RuntimeError) as error:
                problem = error
        raise DataError(
            f"{self.name} is not in {self.root.resolve()} and could not be downloaded ({problem}). "
            "Set data.root or GENLOOM_DATA to the folder that holds it; data=digits needs no download."
        )

    @cached_property
    def _train_part(self) -> Images:
        return self._part(train=True)

    def _part(self, *, train: bool) -> Images:
        self.prepare_data()
        stored = self._open(train=train, download=False)
        return Images(resize(self._pixels(stored), self.size), {"label": torch.as_tensor(stored.targets).long()})

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that torchvision states."""
        return tuple(self._class_names)

    def read(self, split: Split) -> Images:
        """Read one split."""
        if split == "test":
            return self._part(train=False)
        images = self._train_part
        last = len(images) - self.num_val
        return images[slice(0, last)] if split == "train" else images[slice(last, None)]

    _dataset: str  # its class in torchvision.datasets
    _class_names: tuple[str, ...]


class MNIST(TorchvisionImages):
    """Handwritten digits, 28x28 grey: 55,000 training, 5,000 validation, 10,000 test images (LeCun et al., 1998)."""

    _dataset = "MNIST"
    _class_names = tuple("0123456789")


class FashionMNIST(TorchvisionImages):
    """Articles of clothing, 28x28 grey, same sizes as MNIST (Xiao et al., 2017)."""

    _dataset = "FashionMNIST"
    _class_names = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip


class CIFAR10(TorchvisionImages):
    """Photographs of ten classes, 32x32 colour: 45,000 training, 5,000 validation, 10,000 test (Krizhevsky, 2009)."""

    _dataset = "CIFAR10"
    _class_names = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
