"""Progress bars on stderr."""

import sys
from typing import Any

from tqdm import tqdm


def bar(total: int | None, what: str, unit: str, *, shown: bool = True, **more: Any) -> "tqdm[Any]":
    """Return a bar that moves where somebody watches; elsewhere (a log file, CI) a line every twenty seconds.

    Args:
        total: units until it is full; None if that is not known.
        what: is going on.
        unit: of what is counted.
        shown: false makes one that counts in silence.
        **more: of tqdm's arguments.
    """
    watched = sys.stderr.isatty()
    looks = {"dynamic_ncols": watched, "mininterval": 0.2 if watched else 20, "ascii": not watched}
    return tqdm(total=total, desc=what, unit=unit, disable=not shown, **looks, **more)
