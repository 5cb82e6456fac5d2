"""Pictures that some program generated: a folder of image files or an npz."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from genloom.data.image_file import SUFFIXES, Decoder, UnusableFileError
from genloom.errors import DataError
from genloom.spec import ImageContent


def read_samples(path: Path, content: ImageContent) -> UInt8[Tensor, "num channels height width"]:
    """Read generated pictures, which must have the shape of the real ones.

    Args:
        path: a folder (grid.png is passed over), or an npz whose first array is uint8 as NHWC, NCHW or NHW.
        content: what the real pictures are.

    Raises:
        DataError: there are none, or they differ from the data in shape; names the file.
    """
    if path.is_dir():
        images = _read_folder(path, content)
    elif path.suffix == ".npz":
        images = _read_npz(path, content)
    else:
        raise DataError(f"samples: {path} is neither a folder of pictures nor an .npz file")
    if len(images) < 2 or images.shape[1:] != content.shape:
        raise DataError(
            f"samples: {path} holds {len(images)} images of {tuple(images.shape[1:])}; "
            f"at least 2 of {content.shape} (channels, height, width) are needed, as in the data"
        )
    return images


def _read_folder(path: Path, content: ImageContent) -> Tensor:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.stem != "grid")
    if not files:
        raise DataError(f"samples: {path} holds no pictures")
    decode = Decoder(size=None, channels=content.channels)
    arrays = []
    for file in files:
        try:
            array = decode(file)
        except UnusableFileError as error:
            raise DataError(f"samples: {file}: {error}") from error
        height, width = array.shape[:2]
        if (height, width) != (content.height, content.width):
            raise DataError(
                f"samples: {file} is {width}x{height}, the data {content.width}x{content.height}; "
                "set data.size to the samples' size, or resize them"
            )
        arrays.append(array.reshape(height, width, content.channels))
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def _read_npz(path: Path, content: ImageContent) -> Tensor:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive[archive.files[0]]
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"samples: {path} cannot be read ({error})") from error
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise DataError(f"samples: {path} holds {array.dtype} with {array.ndim} axes; uint8 with 3 or 4 is needed")
    images = torch.from_numpy(array)
    if images.ndim == 3:
        return images.unsqueeze(1)
    return images if images.shape[1:] == content.shape else images.permute(0, 3, 1, 2).contiguous()
