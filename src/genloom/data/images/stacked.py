"""Three digits as one colour image: a thousand modes, one per number from 000 to 999.

The customary count of modes on images: Metz et al., Unrolled Generative Adversarial Networks, 2017, section 3.3.1.
"""

from typing import Any

import torch

from genloom import randomness
from genloom.data.base import Split
from genloom.data.images.base import ImageData, Images
from genloom.errors import DataError
from genloom.limits import Count
from genloom.spec import Spec


class Stacked(ImageData):
    """Random triples of the images of a grey labelled data set, as red, green and blue; the label is the number.

    Args:
        source: the data set; its splits stay apart.
        num: training images; the other splits hold a fifth each.
        **image_data: see :class:`~genloom.data.images.base.ImageData`.
    """

    def __init__(self, *, source: ImageData, num: Count = 20_000, **image_data: Any) -> None:
        super().__init__(**image_data)
        self.source = source
        self.num = num

    def follow(self, spec: Spec) -> None:
        """Take the size of a model of pictures: the source has it."""
        super().follow(spec)
        self.source.follow(spec)

    def prepare_data(self) -> None:
        """Fetch the source."""
        self.source.prepare_data()

    @property
    def classes(self) -> tuple[str, ...]:
        """The numbers, with one digit per channel."""
        digits = self.source.classes or ()
        return tuple(a + b + c for a in digits for b in digits for c in digits)

    def read(self, split: Split) -> Images:
        """Compose a split; the same at every call.

        Raises:
            DataError: the source is not grey or not labelled.
        """
        images = self.source.split(split)
        if images.labels is None or images.content.shape[1] != 1:
            raise DataError(f"data.source: {self.source.name} is not grey and labelled, as stacked digits need it")
        num = self.num if split == "train" else self.num // 5
        chosen = torch.randint(len(images), (num, 3), generator=randomness.generator("stacked", split))
        digits = images.labels[chosen]
        base = len(self.source.classes or ())
        labels = digits[:, 0] * base**2 + digits[:, 1] * base + digits[:, 2]
        return Images(images.content[chosen].squeeze(2), {"label": labels})
