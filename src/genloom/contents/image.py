"""Images: what they are in the user's world and to a model, the files that they are written to and read from."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

from genloom.batch import Batch
from genloom.contents.base import Values
from genloom.contents.decoder import Decoder, UnusableFileError, is_picture
from genloom.contents.files import first_array, shown, walk
from genloom.contents.partial import Partial
from genloom.contents.shown import Picture, grid
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class ImageBatch(Batch):
    """Images in [-1, 1]."""

    content: Float[Tensor, "batch channels height width"]


#: Returns other pixels of the same shape.
Redraw = Callable[[UInt8[Tensor, "part channels height width"]], UInt8[Tensor, "part channels height width"]]
_OF_SEVERAL = ("grid", "beside")  # what files that show several pictures are called in a folder of samples
REDRAWN = 500  # pictures that are redrawn at a time


class Images(Examples):
    """Pictures.

    Args:
        content: 8-bit pixels.
        given: see :class:`Examples`.
        factors: see :class:`Examples`.
    """

    content: UInt8[Tensor, "num channels height width"]

    def redrawn(self, name: str, redraw: Redraw) -> "Images":
        """Return these pictures with other pixels.

        Args:
            name: says what is done to them, for pictures that lie where what was made of them is kept.
            redraw: returns the new pixels of some pictures; called with all in their order.
        """
        return replace(self, content=torch.cat([redraw(part) for part in self.parts(REDRAWN)]))


@dataclass(frozen=True)
class ImageContent(Values):
    """Images of one size, modelled as floats in [-1, 1] and kept as 8-bit values in the user's world.

    Args:
        channels: 1 (grey) or 3 (colour).
        height: pixels.
        width: pixels.
        domain: what the pictures show, where a metric depends on it (``handwritten_digits``), else None.
        binary: whether a model is trained on pixels that are 0 or 255, drawn from grey ones.
    """

    called = "pictures"
    bounded = True
    batches = ImageBatch
    examples = Images
    array = "images"
    layout = " as NHWC uint8"
    units = "values in [0, 1]"
    resized = " (channels x height x width, for pictures); set data.size and data.channels to theirs"

    channels: int
    height: int
    width: int
    domain: str | None = None
    binary: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise DataError(f"images with {self.channels} channels: 1 (grey) or 3 (colour) are supported")
        for name, side in (("height", self.height), ("width", self.width)):
            if side < 4:
                raise DataError(f"image {name} {side} is below the limit of 4 pixels; set data.size")

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(channels, height, width)``."""
        return self.channels, self.height, self.width

    @property
    def alphabet(self) -> tuple[float, ...]:
        """The 256 grey levels, or black and white."""
        levels = torch.tensor([0, 255] if self.binary else range(256), dtype=torch.uint8)
        return tuple(self.encode(levels.view(-1, 1, 1, 1)).flatten().tolist())

    def encode(
        self, stored: UInt8[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch channels height width"]:
        """Map 0..255 to [-1, 1]."""
        content = stored.to(torch.get_default_dtype())
        # by a number a GPU would not divide, but multiply with its rounded reciprocal: other last bits than on a CPU
        return content.div_(content.new_full((), 127.5)).sub_(1.0)

    def decode(
        self, content: Float[Tensor, "*batch channels height width"]
    ) -> UInt8[Tensor, "*batch channels height width"]:
        """Map [-1, 1] to 0..255: scale, clamp, round. The one way from floats to pixels."""
        return content.detach().float().add(1.0).mul_(127.5).clamp_(0.0, 255.0).round_().to(torch.uint8)

    def masked(
        self, stored: UInt8[Tensor, "num channels height width"], mask: Path | None, box: Sequence[float] | None
    ) -> Partial:
        """Draw what is white in a picture of the same size, or lies in a box."""
        if mask is not None:
            drawn = self.read(mask, "mask").content[0].float().mean(0) > 127
            named = f"mask: {mask} leaves nothing to draw; what is white in it is drawn"
        else:
            drawn = self._within(box or ())
            named = f"box: {list(box or ())} leaves nothing to draw; widen it"
        if not drawn.any():
            raise ConfigError(named)
        return Partial(stored, ~drawn.expand_as(stored))

    def _within(self, box: Sequence[float]) -> Bool[Tensor, "height width"]:
        if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
            raise ConfigError(
                f"box: {list(box)} is not [left,top,right,bottom] as shares of the sides; [0.5,0,1,1] is the right half"
            )
        left, top, right, bottom = box
        inside = torch.zeros(self.height, self.width, dtype=torch.bool)
        inside[
            round(top * self.height) : round(bottom * self.height), round(left * self.width) : round(right * self.width)
        ] = True
        return inside

    def show(self, stored: UInt8[Tensor, "num channels height width"], *, columns: int | None = None) -> Picture:
        """Arrange them in rows; without a number of columns, nearly square."""
        return grid(stored, columns=columns)

    def thumbnails(
        self, stored: UInt8[Tensor, "num channels height width"], most: int
    ) -> Float[Tensor, "num channels side side"]:
        """Stretch each to a square."""
        side = min(max(self.height, self.width), most)
        return F.interpolate(stored.float() / 255, size=(side, side), mode="bilinear", antialias=True).clamp(0, 1)

    def save(self, examples: Examples, out: Path, *, columns: int | None = None) -> list[str]:
        """Write a PNG of each, ``grid.png`` of all, and ``samples.npz``."""
        digits = len(str(len(examples) - 1))
        for position, image in enumerate(examples.content):
            Picture(image).save_png(out / f"{position:0{digits}d}.png")
        self.show(examples.content, columns=columns).save_png(out / "grid.png", scale=2)
        return [
            f"grid:     {os.path.relpath(out / 'grid.png')}",
            f"single:   {os.path.relpath(out)}/*.png",
            self.save_arrays(examples, out / "samples.npz"),
        ]

    def to_numpy(
        self, stored: UInt8[Tensor, "num channels height width"]
    ) -> UInt8[np.ndarray, "num height width channels"]:
        """Put the channels last."""
        return stored.permute(0, 2, 3, 1).numpy()

    def read(self, path: Path, key: str, *, at_least: int = 1) -> Images:
        """Read a folder (grid.png, beside.png and hidden files are passed over), a picture, or an npz.

        The npz's first array is uint8 as NHWC, NCHW or NHW.

        Raises:
            DataError: there are fewer pictures, or they differ in shape; names the file.
        """
        if path.is_dir():
            found = walk(path, lambda file: is_picture(file) and file.stem not in _OF_SEVERAL)
            if found.unreadable:
                folder, why = found.unreadable[0]
                raise DataError(f"{key}: {shown(folder)} cannot be read ({why})")
            if not found.files:
                raise DataError(f"{key}: {path} holds no pictures" + (f": {found.passed_over}" if found.others else ""))
            if found.passed_over:
                _log.warning(f"{shown(path)}: {found.passed_over}")
            images = self._read_files(found.files, key)
        elif is_picture(path):
            images = self._read_files([path], key)
        elif path.suffix.lower() == ".npz":
            images = self._read_npz(path, key)
        else:
            raise DataError(f"{key}: {path} is neither a folder of pictures, nor a picture, nor an .npz file")
        if len(images) < at_least or images.shape[1:] != self.shape:
            raise DataError(
                f"{key}: {path} holds {len(images)} images of {tuple(images.shape[1:])}; "
                f"at least {at_least} of {self.shape} (channels, height, width) are needed, as in the data"
            )
        return Images(images)

    def _read_files(self, files: list[Path], key: str) -> Tensor:
        decode = Decoder(size=None, channels=self.channels)
        arrays = []
        for file in files:
            try:
                array = decode(file)
            except UnusableFileError as error:
                raise DataError(f"{key}: {shown(file)}: {error}") from error
            height, width = array.shape[:2]
            if (height, width) != (self.height, self.width):
                raise DataError(
                    f"{key}: {shown(file)} is {width}x{height}, the data {self.width}x{self.height}; "
                    "resize them, or set data.size to theirs (of a model: when it is trained)"
                )
            arrays.append(array.reshape(height, width, self.channels))
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()

    def _read_npz(self, path: Path, key: str) -> Tensor:
        array = first_array(path, key)
        if array.dtype != np.uint8 or array.ndim not in (3, 4):
            raise DataError(f"{key}: {path} holds {array.dtype} with {array.ndim} axes; uint8 with 3 or 4 is needed")
        images = torch.from_numpy(array)
        if images.ndim == 3:
            return images.unsqueeze(1)
        return images if images.shape[1:] == self.shape else images.permute(0, 3, 1, 2).contiguous()

    def seen(self, examples: Examples) -> Examples:
        """Make grey pixels white or black, whichever is nearer, for a model of such."""
        return Images(255 * (examples.content > 127).to(torch.uint8)) if self.binary else examples

    def check(self, drawn: Shaped[Tensor, "..."], name: str) -> None:
        """Refuse also what is not of 8 bits."""
        super().check(drawn, name)
        if drawn.dtype != torch.uint8:
            raise DataError(f"{name}: {drawn.dtype} of {tuple(drawn.shape)} are no pictures; give uint8")

    def squared_error(self, ours: Shaped[Tensor, "num ..."], real: Shaped[Tensor, "num ..."]) -> float:
        """Return that of pixels as values in [0, 1]."""
        return (ours.float() - real.float()).div(255).square().mean().item()
