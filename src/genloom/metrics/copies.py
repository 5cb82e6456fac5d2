"""Examples that are equal to a training example."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from genloom.contents.base import Values
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score


@dataclass(frozen=True)
class ExactCopies(Comparison):
    """The share of candidates that are equal to some training example in every value, missing ones included.

    Where values are few, as in a table of categories, unseen real examples are equal to training examples, too: the
    floor says how often.
    """

    kind = Values
    also = ("train",)
    quantities: ClassVar = {"copies": Direction.NONE}
    serves_pixels: ClassVar[bool] = True

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return the share; their number is among the details."""
        train = evidence.real("train", candidate.extractor).images
        known = {each for part in train.parts(500) for each in _written(part)}
        copies = sum(each in known for part in candidate.images.parts(500) for each in _written(part))
        return {"copies": Score(copies / len(candidate), details={"copies": copies, "of": len(candidate)})}


def _written(content: Shaped[Tensor, "num ..."]) -> list[bytes]:
    """Return each example's values as bytes, which are equal where the values are: one NaN, one zero."""
    values = content.flatten(1).numpy()
    if np.issubdtype(values.dtype, np.floating):
        values = np.where(np.isnan(values), np.nan, values + 0.0)
    return [row.tobytes() for row in values]
