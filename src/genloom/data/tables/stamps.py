"""Points in time as people and programs write them."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

_DAY = 86_400_000_000  # ticks, which are microseconds
#: of counts from a moment: the ticks of one, and the count at 1970
EPOCHS = {
    "epoch": (Decimal(1_000_000), 0),
    "epoch_ms": (Decimal(1_000), 0),
    "epoch_us": (Decimal(1), 0),
    "epoch_ns": (Decimal("0.001"), 0),
    "excel": (Decimal(_DAY), 25_569),  # days since the end of 1899, as spreadsheets count them
}
_LOOKS = {
    "%Y%m%d": re.compile(r"(?:19|20)\d{6}"),
    "%Y%j": re.compile(r"(?:19|20)\d{5}"),
    "%Y%m": re.compile(r"(?:19|20)\d{4}"),
    "epoch": re.compile(r"1\d{9}(?:\.\d*)?"),
    "epoch_ms": re.compile(r"1\d{12}(?:\.0*)?"),
    "epoch_us": re.compile(r"1\d{15}(?:\.0*)?"),
    "epoch_ns": re.compile(r"1\d{18}"),
    "excel": re.compile(r"[345]\d{4}(?:\.\d*)?"),  # from 1982 to 2064
}
_WRITTEN = (
    "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%d.%m.%y %H:%M", "%m/%d/%Y", "%d/%m/%Y",
    "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p",
    "%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M:%S %p", "%m/%d/%y", "%d/%m/%y", "%m/%d/%y %H:%M",
    "%d/%m/%y %H:%M", "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y",
    "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%b-%y", "%b-%Y", "%b %Y", "%B %Y", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H", "%Y %m %d", "%Y %m %d %H", "%Y %m", "%Y-%m-%d-%H", "%Y-%m-%d %I:%M %p", "%Y%m%d%H", "%Y%m%d %H:%M",
    "%Y%m%d %H", "%m/%Y", "%Y/%m", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S",
)  # fmt: skip
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_MIDNIGHT = re.compile(r"[T ]24:00(?::00(?:\.0+)?)?(?=$|Z|[+-])")
_UTC = re.compile(r" ?(?:UTC|GMT)$")
_YEAR_FIRST = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")
_QUARTER = re.compile(r"(\d{4})[- ]?[Qq]([1-4])")
_MONTH = re.compile(r"\d{4}-\d{2}")
_LONGEST = 200  # characters of a time; a cell of millions would be read for minutes
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


def counted(text: str, form: str) -> int | None:
    """Return ticks since 1970 of a count from a moment, one of :data:`EPOCHS`; None if it is no number."""
    unit, begin = EPOCHS[form]
    try:
        ticks = round((Decimal(text) - begin) * unit)
        return round(ticks, -6) if begin else ticks  # a share of a day is exact to a second at best
    except (InvalidOperation, ValueError, OverflowError):
        return None


def fitting(texts: Collection[str]) -> list[str]:
    """Return in which of the usual forms all of ``texts`` may be written, for ``strptime`` or one of counts."""
    some = list(texts)[:1]
    forms = [form for form in _WRITTEN if all(parsed(text, form) for text in some)]
    found = [form for form in forms if all(parsed(text, form) for text in texts)]
    return found or [form for form in EPOCHS if all(_LOOKS[form].fullmatch(text) for text in texts)]


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
    if len(text) > _LONGEST:
        return None
    try:
        if form is not None:
            stamp = datetime.strptime(text, form)
        else:
            text = _YEAR_FIRST.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", text)
            text = _UTC.sub("+00:00", text)
            if _MIDNIGHT.search(text) and (begin := parsed(_MIDNIGHT.sub(" 00:00", text), None)):
                return begin[0] + _DAY, begin[1]  # the end of a day
            text = _QUARTER.sub(lambda found: f"{found[1]}-{3 * int(found[2]) - 2:02}", text)
            stamp = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    except ValueError:
        return None
    ahead = stamp.utcoffset()
    if ahead is None:
        return (stamp - datetime(1970, 1, 1)) // _TICK, None
    return (stamp - datetime(1970, 1, 1, tzinfo=UTC)) // _TICK, ahead // _TICK
