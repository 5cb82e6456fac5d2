"""What a person looks at: a picture, or a text. Each saves itself to a file and shows itself to a logger."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor


class Shown(ABC):
    """Something to look at."""

    @abstractmethod
    def save(self, stem: Path) -> Path:
        """Write it to a file, in a folder that is made where there is none.

        Args:
            stem: the file without its ending.

        Returns:
            The file.

        Raises:
            OSError: it cannot be written.
        """

    @abstractmethod
    def beside(self, other: "Shown") -> "Shown":
        """Return this and then the other of the same class, which is real, to be compared."""

    @abstractmethod
    def above(self, other: "Shown") -> "Shown":
        """Return this and, below it, the other of the same class."""

    @abstractmethod
    def to_tensorboard(self, writer: Any, name: str, step: int) -> None:
        """Give it to TensorBoard's ``SummaryWriter`` under a name."""

    @abstractmethod
    def to_wandb(self, logger: Any, name: str, step: int) -> None:
        """Give it to Lightning's ``WandbLogger`` under a name."""


@dataclass(frozen=True, eq=False)
class Picture(Shown):
    """A picture.

    Args:
        pixels: of 8 bits, in one channel (grey) or three (colour).
    """

    pixels: UInt8[Tensor, "channels height width"]

    def save(self, stem: Path) -> Path:
        """Write ``stem.png``, a small picture twice as large."""
        file = stem.with_name(stem.name + ".png")
        self.save_png(file, scale=2 if self.pixels.shape[2] < 800 else 1)
        return file

    def save_png(self, path: Path, *, scale: int = 1) -> None:
        """Write a PNG, each pixel enlarged ``scale`` times without smoothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        image = self.to_pillow()
        if scale > 1:
            image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
        image.save(path)

    def beside(self, other: Shown, *, gap: int = 12) -> "Picture":
        """Put the other to the right, ``gap`` white pixels between."""
        assert isinstance(other, Picture)
        left, right = self.pixels, other.pixels
        height = max(left.shape[1], right.shape[1])
        sheet = torch.full((left.shape[0], height, left.shape[2] + gap + right.shape[2]), 255, dtype=torch.uint8)
        sheet[:, : left.shape[1], : left.shape[2]] = left
        sheet[:, : right.shape[1], left.shape[2] + gap :] = right
        return Picture(sheet)

    def above(self, other: Shown) -> "Picture":
        """Put the other below, white pixels between."""
        assert isinstance(other, Picture)
        return Picture(self._turned.beside(other._turned).pixels.transpose(1, 2))

    @property
    def _turned(self) -> "Picture":
        return Picture(self.pixels.transpose(1, 2))

    def to_pillow(self) -> Image.Image:
        """Return a Pillow image: grey for one channel, colour for three."""
        array = self.pixels.permute(1, 2, 0).cpu().numpy()
        return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)

    def to_tensorboard(self, writer: Any, name: str, step: int) -> None:
        """Add an image."""
        writer.add_image(name, self.pixels.numpy(), step)

    def to_wandb(self, logger: Any, name: str, step: int) -> None:
        """Log an image."""
        logger.log_image(name, [self.to_pillow()], step=step)


@dataclass(frozen=True)
class Text(Shown):
    """A text.

    Args:
        text: of any number of lines.
    """

    text: str

    def save(self, stem: Path) -> Path:
        """Write ``stem.txt``."""
        file = stem.with_name(stem.name + ".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.text, encoding="utf-8")
        return file

    def beside(self, other: Shown) -> "Text":
        """Put the other below."""
        assert isinstance(other, Text)
        return Text(f"{self.text}\n=== real ===\n{other.text}")

    def above(self, other: Shown) -> "Text":
        """Put the other below."""
        assert isinstance(other, Text)
        return Text(f"{self.text}\n{other.text}")

    def to_tensorboard(self, writer: Any, name: str, step: int) -> None:
        """Add a text, indented, so that Markdown leaves it as it is."""
        writer.add_text(name, "\n".join(f"    {line}" for line in self.text.splitlines()), step)

    def to_wandb(self, logger: Any, name: str, step: int) -> None:
        """Log a table of one cell."""
        logger.log_text(name, ["text"], [[self.text]], step=step)


def grid(
    images: UInt8[Tensor, "num channels height width"], *, columns: int | None = None, padding: int = 2
) -> Picture:
    """Arrange images in rows on a mid-grey ground; by default nearly square."""
    num, channels, height, width = images.shape
    columns = columns or ceil(sqrt(num))
    rows = ceil(num / columns)
    sheet = torch.full(
        (channels, rows * (height + padding) + padding, columns * (width + padding) + padding), 128, dtype=torch.uint8
    )
    for position, image in enumerate(images.cpu()):
        top = padding + (position // columns) * (height + padding)
        left = padding + (position % columns) * (width + padding)
        sheet[:, top : top + height, left : left + width] = image
    return Picture(sheet)


def scatter(points: Float[Tensor, "num dim"], *, limit: float = 1.5, size: int = 160) -> Picture:
    """Draw points as dots of 3x3 by their first two coordinates, from -limit to limit, darker where there are more;
    within a frame, so that pictures beside each other are told apart.
    """
    flat = points[:, :2].cpu() if points.shape[1] > 1 else torch.cat([points.cpu(), torch.zeros(len(points), 1)], dim=1)
    cell = ((flat + limit) * (size / (2 * limit))).floor().long()
    inside = ((cell >= 0) & (cell < size)).all(1)
    column, row = cell[inside].unbind(1)
    counts = torch.bincount((size - 1 - row) * size + column, minlength=size * size).view(1, size, size)
    dots = F.avg_pool2d(counts.float(), 3, stride=1, padding=1) * 9
    picture = (255 * 0.5 ** dots.clamp_max(8)).to(torch.uint8)
    edge = F.pad(torch.full((1, size - 2, size - 2), 255, dtype=torch.uint8), (1, 1, 1, 1), value=200)
    return Picture(picture.minimum(edge))
