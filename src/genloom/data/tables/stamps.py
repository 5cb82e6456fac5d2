"""Points in time as people and programs write them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

EPOCHS = {"epoch": 1_000_000, "epoch_ms": 1_000}  # ticks, which are microseconds
_LOOKS = {
    "%Y%m%d": re.compile(r"(?:19|20)\d{6}"),
    "%Y%j": re.compile(r"(?:19|20)\d{5}"),
    "%Y%m": re.compile(r"(?:19|20)\d{4}"),
    "epoch": re.compile(r"1\d{9}"),
    "epoch_ms": re.compile(r"1\d{12}"),
}
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_YEAR_FIRST = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")
_QUARTER = re.compile(r"(\d{4})[- ]?[Qq]([1-4])")
_MONTH = re.compile(r"\d{4}-\d{2}")
_TICK = timedelta(microseconds=1)


def are_whole(texts: Sequence[str]) -> bool:
    """Whether all are whole numbers."""
    return all(_WHOLE.fullmatch(text) for text in texts)


def look_like(numbers: Sequence[str]) -> str | None:
    """Return the form that whole numbers have if they may be times; None if they are no such numbers."""
    for form, pattern in _LOOKS.items():
        if all(pattern.fullmatch(text) and (form in EPOCHS or parsed(text, form)) for text in numbers):
            return form
    return None


def is_date(text: str) -> bool:
    """Whether a text is a day or more exact than that."""
    if are_whole([text]):
        return look_like([text]) == "%Y%m%d"
    return len(text) >= 8 and parsed(text, None) is not None


def parsed(text: str, form: str | None) -> tuple[int, int | None] | None:
    """Return ticks since 1970 and how many its zone is ahead of UTC, if that is known; None if it is no time.

    Args:
        text: what is written.
        form: for ``strptime``; None is ISO 8601, with years first parted by slashes, months alone and quarters besides.
    """
    try:
        if form is not None:
            stamp = datetime.strptime(text, form)
        else:
            text = _YEAR_FIRST.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", text)
            text = _QUARTER.sub(lambda found: f"{found[1]}-{3 * int(found[2]) - 2:02}", text)
            stamp = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        return None
    ahead = stamp.utcoffset()
    if ahead is None:
        return (stamp - datetime(1970, 1, 1)) // _TICK, None
    return (stamp - datetime(1970, 1, 1, tzinfo=UTC)) // _TICK, ahead // _TICK
