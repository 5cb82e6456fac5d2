"""Images in memory, of one size; resized, and drawn black and white, if wanted."""

from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from genloom import randomness
from genloom.batch import Batch
from genloom.contents.image import ImageContent, Images
from genloom.data.base import InMemoryData, Split
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.limits import Ge
from genloom.spec import Spec

__all__ = ["ImageData", "Images", "resize"]

Binarization = Literal["static", "dynamic"]


class ImageData(InMemoryData):
    """Images of one size, in memory.

    Args:
        size: height and width in pixels; None keeps the stored size.
        binarize: let a model see pixels that are white with the probability that their grey value gives: ``static``
            draws them once for all runs, ``dynamic`` anew each time an example is trained on. Either way a model is
            measured on the one fixed draw, and samples are compared with the grey images.
        **in_memory: see :class:`InMemoryData`.
    """

    kind = ImageContent

    def __init__(
        self, *, size: Annotated[int, Ge(4)] | None = None, binarize: Binarization | None = None, **in_memory: Any
    ) -> None:
        super().__init__(**in_memory)
        if size is not None and size < 4:
            raise ConfigError(f"data.size: {size} is below the limit of 4 pixels")
        self.size = size
        self.binarize = binarize
        self._binarized: dict[Split, Images] = {}

    @abstractmethod
    def read(self, split: Split) -> Images:
        """Read one split, at the configured size.

        Raises:
            DataError: naming the file.
        """

    def split(self, name: Split) -> Images:
        """Return a split, reading it at the first call."""
        images = super().split(name)
        assert isinstance(images, Images)
        return images

    def follow(self, spec: Spec) -> None:
        """Take the size of a model of pictures; and, for one of black and white pixels, the fixed draw of them.

        Its likelihood of grey values would be a number without a meaning.
        """
        content = ImageContent.of(spec.content)
        if content.height == content.width:
            self.size = content.height
        if content.binary and self.binarize is None:
            self.binarize = "static"

    def content(self) -> ImageContent:
        """Return the shape of the training images."""
        _, channels, height, width = self.split("train").content.shape
        return ImageContent(channels, height, width, self.domain, binary=self.binarize is not None)

    def modelled(self, name: Split) -> Images:
        """Return a split; its fixed draw of black and white pixels, if the data is binarized."""
        if self.binarize is None:
            return self.split(name)
        if name not in self._binarized:
            rng = randomness.generator("binarize", name)
            self._binarized[name] = self.split(name).redrawn(
                f"binarized-{name}", lambda part: 255 * (_uniform_pixels(part, rng) < part).to(torch.uint8)
            )
        return self._binarized[name]

    def _trained_on(self, split: Split) -> Examples:
        return self.modelled(split) if self.binarize == "static" else self.split(split)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Draw the pixels of a training batch, on its device; keyed by the iteration and the rank."""
        if self.binarize != "dynamic":
            return batch
        trainer: Any = self.trainer
        names = ("binarize", trainer.global_step, trainer.global_rank)
        rng = randomness.generator(self.seed or 0, *names, device=batch.content.device)
        white = torch.rand(batch.content.shape, generator=rng, device=rng.device) < (batch.content + 1) / 2
        return replace(batch, content=2 * white.to(batch.content.dtype) - 1)


def _uniform_pixels(like: Tensor, rng: torch.Generator) -> Tensor:
    return torch.rand(like.shape, generator=rng) * 255


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
