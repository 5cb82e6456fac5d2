"""Captions of pictures, out of the cells of a column: one text, or several of which the first is taken."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Integer
from torch import Tensor

from genloom.contents.caption import CaptionCondition
from genloom.contents.vocabulary import Vocabulary
from genloom.errors import DataError
from genloom.limits import Count

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Captions:
    """What was read.

    Args:
        condition: the length and the vocabulary.
        tokens: of each picture, in a small type.
    """

    condition: CaptionCondition
    tokens: Integer[Tensor, "num length"]


def read(
    cells: Sequence[Any],
    place: Callable[[int], str],
    trained: slice,
    vocabulary: Callable[[str, str], Vocabulary],
    length: Count,
) -> Captions:
    """Return the captions of all pictures; what is cut, since it is too long, is said.

    Args:
        cells: of each picture.
        place: names a picture's cell.
        trained: which of them are trained on.
        vocabulary: called with all texts and those that are trained on, one a line.
        length: tokens, at most.

    Raises:
        DataError: naming a cell that holds no text.
    """
    texts = [_text(cell) for cell in cells]
    if (lacking := next((row for row, text in enumerate(texts) if not text), None)) is not None:
        raise DataError(
            f"{place(lacking)} has no caption but {cells[lacking]!r:.40}; every row needs one: leave the row out, or "
            "set data.columns.caption=null"
        )
    if several := [row for row, cell in enumerate(cells) if not isinstance(cell, str) and len(cell) > 1]:
        _log.warning(
            f"{place(several[0])}: of the captions of this and {len(several) - 1:,} other pictures the first is taken"
        )
    condition = CaptionCondition(length, vocabulary("\n".join(texts), "\n".join(texts[trained])))
    small = next(
        dtype for dtype in (torch.uint8, torch.int16, torch.int32) if condition.nothing <= torch.iinfo(dtype).max
    )
    tokens = torch.empty(len(texts), length, dtype=small)
    long: list[int] = []
    for row, text in enumerate(texts):
        encoded = condition.vocabulary.encode(text)
        tokens[row] = condition.filled(encoded)
        if len(encoded) > length:
            long.append(row)
    if long:
        _log.warning(
            f"{place(long[0])}: longer than data.caption_length={length} tokens, and cut, as {len(long) - 1:,} other "
            "captions are"
        )
    return Captions(condition, tokens)


def _text(cell: Any) -> str:
    """Return the text, or the first of several; an empty one of anything else."""
    first = cell[0] if isinstance(cell, (list, tuple)) and cell else cell
    return first.strip() if isinstance(first, str) else ""
