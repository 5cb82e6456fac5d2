"""Texts of strangers, so that a terminal shows them and does nothing else."""

import re

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line end


def printable(text: str) -> str:
    r"""Return ``text`` with its control characters written out, as ``\x1b``, which would steer the terminal.

    A name in a file may hold some: to a terminal they say to clear it, to change its title, or to type an answer.
    """
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def in_bytes(number: int) -> str:
    """Return so many bytes as a person reads them."""
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if number >= size / 10:
            return f"{number / size:.1f} {unit}"
    return f"{number:,} bytes"
