"""scikit-learn's handwritten digits: 1,797 grey images of 8x8 that ship inside the package.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test part).
"""

from typing import Any

import numpy as np
import torch

from genloom.data.base import Split
from genloom.data.images.base import ImageData, Images, resize

_SPLITS = {"train": (0, 1097), "val": (1097, 1297), "test": (1297, 1797)}
_SPLIT_SEED = 8  # fixed, so that every run is judged on the same images whatever its own seed


class Digits(ImageData):
    """1,097 training, 200 validation and 500 test images, resized from 8x8 by bilinear interpolation."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    def read(self, split: Split) -> Images:
        """Read one split; the intensities 0..16 become 0..255."""
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        order = np.random.Generator(np.random.PCG64(_SPLIT_SEED)).permutation(len(digits.images))
        first, last = _SPLITS[split]
        chosen = order[first:last]
        pixels = torch.from_numpy((digits.images[chosen] * (255.0 / 16.0)).round().astype(np.uint8)).unsqueeze(1)
        return Images(resize(pixels, self.size), {"label": torch.from_numpy(digits.target[chosen]).long()})
