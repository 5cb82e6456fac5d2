"""From content to what a person can look at: pictures, or text."""

from functools import singledispatch
from math import ceil, sqrt
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from genloom.spec import Content, ImageContent, TextContent, VectorContent

Picture = UInt8[Tensor, "channels _ _"]
Shown = Picture | str


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
    return sheet


def scatter(points: Float[Tensor, "num dim"], *, limit: float = 1.5, size: int = 160) -> Picture:
    """Draw points as dots of 3x3 by their first two coordinates, from -limit to limit, darker where there are more."""
    flat = points[:, :2].cpu() if points.shape[1] > 1 else torch.cat([points.cpu(), torch.zeros(len(points), 1)], dim=1)
    cell = ((flat + limit) * (size / (2 * limit))).long()
    inside = ((cell >= 0) & (cell < size)).all(1)
    column, row = cell[inside].unbind(1)
    counts = torch.bincount((size - 1 - row) * size + column, minlength=size * size).view(1, size, size)
    dots = F.avg_pool2d(counts.float(), 3, stride=1, padding=1) * 9
    return (255 * 0.5 ** dots.clamp_max(8)).to(torch.uint8)


@singledispatch
def sheet(content: Content, stored: Tensor, *, columns: int | None = None) -> Shown:
    """Show examples as they are stored.

    Args:
        content: what they are.
        stored: the examples.
        columns: of pictures, where they are in a grid.

    Raises:
        TypeError: nobody can look at this content by itself.
    """
    raise TypeError(f"{type(content).__name__} has no picture of its own")


@sheet.register
def _(content: ImageContent, stored: Tensor, *, columns: int | None = None) -> Picture:
    return grid(stored, columns=columns)


@sheet.register
def _(content: VectorContent, stored: Tensor, *, columns: int | None = None) -> Picture:
    return scatter(stored)


@sheet.register
def _(content: TextContent, stored: Tensor, *, columns: int | None = None) -> str:
    texts = (content.vocabulary.decode(tokens) for tokens in stored.cpu())
    return "\n".join(f"--- {number} ---\n{text}" for number, text in enumerate(texts, 1)) + "\n"


def beside(left: Shown, right: Shown, *, gap: int = 12) -> Shown:
    """Put two pictures beside each other, white between; two texts below each other, the second one being real."""
    if isinstance(left, str) or isinstance(right, str):
        return f"{left}\n=== real ===\n{right}"
    height = max(left.shape[1], right.shape[1])
    sheet = torch.full((left.shape[0], height, left.shape[2] + gap + right.shape[2]), 255, dtype=torch.uint8)
    sheet[:, : left.shape[1], : left.shape[2]] = left
    sheet[:, : right.shape[1], left.shape[2] + gap :] = right
    return sheet


def to_image(picture: Picture) -> Image.Image:
    """Return a Pillow image: grey for one channel, colour for three."""
    array = picture.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def save_png(picture: Picture, path: Path, *, scale: int = 1) -> None:
    """Write a PNG, each pixel enlarged ``scale`` times without smoothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = to_image(picture)
    if scale > 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    image.save(path)


def save(shown: Shown, stem: Path) -> Path:
    """Write a picture as ``stem.png``, a small one twice as large, or a text as ``stem.txt``.

    Returns:
        The file.
    """
    file = stem.with_name(stem.name + (".txt" if isinstance(shown, str) else ".png"))
    if isinstance(shown, str):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    else:
        save_png(shown, file, scale=2 if shown.shape[2] < 800 else 1)
    return file
