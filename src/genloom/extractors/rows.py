"""Rows of tables as vectors: each column encoded alike whatever transform a run chose."""

import copy
import hashlib

import torch
from jaxtyping import Float64
from torch import Tensor

from genloom.contents.table import TableContent
from genloom.data.base import InMemoryData
from genloom.extractors.features import FeatureExtractor, Features


class EncodedRows(FeatureExtractor):
    """Numbers and dates as normal scores among the training rows, categories as ones and zeros (one-hot).

    Two independent cells are √2 apart in the mean square where they are normal scores, and where they are two levels,
    so columns weigh alike but for categories of which one is frequent. A number beyond those of the training rows is
    as the outermost of these. A column that may miss cells has two further values, there and missing.
    """

    name = "rows"
    layer = "encoded"
    kind = TableContent

    def __init__(self) -> None:
        self._content: TableContent | None = None  # with the transforms of the data's training rows

    def for_data(self, data: InMemoryData) -> "EncodedRows":
        """Return the extractor with what it knows of the data's training rows."""
        content = data.describe().content
        if self.why_not(content) is not None:
            return self
        fitted = copy.copy(self)
        fitted._content = TableContent.of(content).neutral(data.split("train").content)
        return fitted

    @property
    def weights_sha256(self) -> str:
        """Digest of the columns, with their normal scores."""
        return hashlib.sha256(repr(self._content).encode()).hexdigest()

    @property
    def preprocessing(self) -> dict[str, object]:
        """Of each column."""
        return {"numbers and dates": "normal scores among the training rows", "categories": "one-hot"}

    def extract(self, images: Float64[Tensor, "num columns"]) -> Features:
        """Encode.

        Raises:
            RuntimeError: :meth:`for_data` was not called.
        """
        if self._content is None:
            raise RuntimeError("EncodedRows knows no rows yet; call for_data")
        encoded = self._content.encode(images.cpu()).float()
        return Features(encoded, torch.empty(len(images), 0, dtype=torch.float32))
