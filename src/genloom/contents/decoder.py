"""One image file turned into 8-bit pixels of the wanted size and kind, or the reason why that cannot be done."""

import io
import re
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, ImageOps

from genloom.limits import Count

#: Pillow's names. EPS is not among them, because it would start another program.
_FORMATS = (
    "PNG", "JPEG", "MPO", "BMP", "DIB", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM", "TGA", "PCX", "SGI", "QOI",
    "DDS", "ICO", "PSD",
)  # fmt: skip
#: Pictures, too, which other programs read; named, so that they are not missed without a word.
_FOREIGN = {
    ".heic", ".heif", ".jxl", ".svg", ".exr", ".hdr", ".eps", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf",
    ".rw2", ".raf",
}  # fmt: skip
_SIXTEEN_BITS = re.compile(r"\b(L|LA|I|RGB|RGBA|RGBX|CMYK);16")  # Pillow's names for 16 bits per channel in a file


@cache
def _readable() -> tuple[str, ...]:
    """Return the formats that the installed Pillow can read, which are recognised by content."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@cache
def _endings() -> frozenset[str]:
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in _readable())


def is_picture(path: PurePath) -> bool:
    """Return whether a file calls itself a picture by its ending, in letters of either case."""
    return path.suffix.lower() in _endings() or path.suffix.lower() in _FOREIGN


class UnusableFileError(Exception):
    """Why a file cannot be used, and what would help."""


@dataclass(frozen=True)
class Decoder:
    """Reads image files; of several pictures in one file, the first. EXIF orientation is honoured.

    Args:
        size: pixels; the shorter side is scaled to it (Lanczos, antialiased), then the centre is cut out. None keeps
            the stored size.
        channels: 1 or 3 converts every mode that can be converted, transparent images over white; None takes L, 1 and
            RGB only.
    """

    size: int | None
    channels: Count | None

    def __call__(self, source: Path | bytes) -> UInt8[np.ndarray, "height width *colour"]:
        """Return the pixels: (height, width) if grey, (height, width, 3) if in colour.

        Args:
            source: a file, or what one holds.

        Raises:
            UnusableFileError: with the reason, whatever is wrong with the file.
        """
        try:
            return self._decode(source)
        except UnusableFileError:
            raise
        except Image.UnidentifiedImageError:
            if isinstance(source, Path) and source.suffix.lower() in _FOREIGN:
                raise UnusableFileError(f"{source.suffix} is not read here; convert it to png or jpg") from None
            raise UnusableFileError("not an image of a known format") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise UnusableFileError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
        except OSError as error:
            raise UnusableFileError(error.strerror or str(error)) from error
        except Exception as error:  # a damaged file makes Pillow raise anything from SyntaxError to struct.error
            raise UnusableFileError(str(error) or repr(error)) from error

    def _decode(self, source: Path | bytes) -> UInt8[np.ndarray, "height width *colour"]:
        if isinstance(source, Path) and not stat.S_ISREG(source.stat().st_mode):
            raise UnusableFileError("not a regular file")
        if (len(source) if isinstance(source, bytes) else source.stat().st_size) == 0:
            raise UnusableFileError("empty file (0 bytes)")
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_readable()) as image:
            self._check_mode(image)
            if self.size is not None:
                image.draft(None, (2 * self.size, 2 * self.size))  # JPEG decodes large photographs at reduced size
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            converted = self._convert(image)
            if self.size is not None:
                converted = ImageOps.fit(converted, (self.size, self.size), Image.Resampling.LANCZOS)
            return np.array(converted)

    def _check_mode(self, image: ImageFile.ImageFile) -> None:
        if image.mode in ("I", "F") or image.mode.startswith("I;16") or _SIXTEEN_BITS.search(str(image.tile)):
            raise UnusableFileError(f"mode {image.mode} with more than 8 bits per channel; convert it to 8 bits")
        if self.channels is None and image.mode not in ("1", "L", "RGB"):
            raise UnusableFileError(
                f"mode {image.mode}; L and RGB are read as they are; set data.channels=3 to convert it"
            )

    def _convert(self, image: Image.Image) -> Image.Image:
        if self.channels is not None and image.has_transparency_data:
            opaque = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
        mode = {None: "RGB" if image.mode == "RGB" else "L", 1: "L", 3: "RGB"}[self.channels]
        return image if image.mode == mode else image.convert(mode)
