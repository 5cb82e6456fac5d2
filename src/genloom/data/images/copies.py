"""Pictures that would mislead: copies that are trained on and judged by, and masks that lie among pictures."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from genloom.contents.files import shown
from genloom.contents.image import Images

_MASK = re.compile(
    r"(?:^|[_\W])(?:masks?|seg(?:mentation)?s?(?:class|object)?|ground_?truths?|gt|annotations?)$", re.IGNORECASE
)


def trained_and_tested(images: Images, paths: Sequence[PurePath], trained: slice, tested: slice) -> str | None:
    """Say how many tested pictures are trained on as well, pixel by pixel; None if there are none.

    Args:
        images: all of them.
        paths: of each, below the root.
        trained, tested: where the two splits lie among them.
    """
    known: dict[bytes, int] = {}
    for place, digest in enumerate(_digests(images[trained]), trained.start):
        known.setdefault(digest, place)
    found = [
        (place, known[digest]) for place, digest in enumerate(_digests(images[tested]), tested.start) if digest in known
    ]
    if not found:
        return None
    place, twin = found[0]
    return (
        f"{len(found)} of the {tested.stop - tested.start} pictures of the test split are in the training split as "
        f"well, pixel by pixel (as {shown(paths[place])} and {shown(paths[twin])}), so what they measure looks "
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


def _digests(images: Images) -> Iterator[bytes]:
    for part in images.parts(1000):
        for image in part:
            yield hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
