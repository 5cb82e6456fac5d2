"""Pictures that would mislead: copies that are trained on and judged by, and masks that lie among pictures."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePath

from jaxtyping import UInt8
from torch import Tensor

from genloom.contents.files import shown

_MASK = re.compile(
    r"(?:^|[_\W])(?:masks?|seg(?:mentation)?s?(?:class|object)?|ground_?truths?|gt|annotations?)$", re.IGNORECASE
)


def trained_and_tested(
    images: UInt8[Tensor, "num channels height width"], paths: Sequence[PurePath], trained: slice, tested: slice
) -> str | None:
    """Say how many tested pictures are trained on as well, pixel by pixel; None if there are none.

    Args:
        images: all of them.
        paths: of each, below the root.
        trained, tested: where the two splits lie among them.
    """
    known: dict[bytes, int] = {}
    for place in range(trained.start, trained.stop):
        known.setdefault(_digest(images[place]), place)
    found = [place for place in range(tested.start, tested.stop) if _digest(images[place]) in known]
    if not found:
        return None
    twin = known[_digest(images[found[0]])]
    return (
        f"{len(found)} of the {tested.stop - tested.start} pictures of the test split are in the training split as "
        f"well, pixel by pixel (as {shown(paths[found[0]])} and {shown(paths[twin])}), so what they measure looks "
        "better than it is; remove the copies"
    )


def masks(paths: Sequence[PurePath]) -> str | None:
    """Say what lies among pictures and is called as masks are; None if nothing, or all is."""
    named = [path for path in paths if any(_MASK.search(part) for part in (*path.parts[:-1], path.stem))]
    if not named or len(named) == len(paths):
        return None
    return (
        f"{len(named)} of {len(paths)} pictures are called as masks are (as {shown(named[0])}), and taken for examples "
        "like the others; move them away if they are none"
    )


def _digest(image: UInt8[Tensor, "channels height width"]) -> bytes:
    return hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
