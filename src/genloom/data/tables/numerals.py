"""Numbers as people and programs write them: with percent and currency signs, in thousands, in brackets."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

#: what there is to do where numbers are written so
REMEDY = "set data.decimal to the mark before its decimals, as data.decimal=. or \"data.decimal=','\""
_CURRENCY = r"(?:[$€£¥₹₽₩]|kr|zł|EUR|USD|GBP|JPY|CHF|CNY|INR|RUB|BRL|CAD|AUD|SEK|NOK|DKK|PLN|CZK|KRW|MXN|ZAR|TRY)"
#: a number as people write it, in any of these ways
WRITTEN = rf"^[-+(]?\s*{_CURRENCY}?\s*[-+]?\d[\d.,'\s]*\s*(?:%|{_CURRENCY}|-)?\)?$"
#: what programs write where there is no number
_NO_NUMBER = (
    "nan", "-nan", "na", "n/a", "#n/a", "#na", "<na>", "null", "none", "nil", "nat", "\\n", "-", "--", ".", "..", "?",
    "1.#qnan", "-1.#ind",
)  # fmt: skip


def parsed(texts: "pl.Series", decimal: str | None) -> tuple["pl.Series", "pl.Series"]:
    """Return numbers, null where there is none, and whether a text says something else.

    Args:
        texts: without blanks around them; null where a cell is empty.
        decimal: the mark before decimals, ``.`` or ``,``; None reads plain numbers only.
    """
    import polars as pl

    there = texts.set(texts.str.to_lowercase().is_in(_NO_NUMBER), None)
    plain = there.str.replace(r"^\u{2212}\s*", "-")  # a minus sign that is no hyphen
    if decimal is not None:
        other = "," if decimal == "." else "."
        plain = plain.str.replace(r"^\((.*)\)$|^([^-]*\d)-$", "-${1}${2}")
        plain = plain.str.replace_all(rf"^(-?)\s*{_CURRENCY}\s*", "${1}").str.replace_all(rf"\s*(?:%|{_CURRENCY})$", "")
        grouped = plain.str.contains(
            rf"^[-+]?\d{{1,3}}(?:[{other}'\s]\d{{2,3}})*[{other}'\s]\d{{3}}(?:[{decimal}]\d*)?$"
        ).fill_null(False)
        plain = plain.str.replace_all(rf"[{other}'\s]", "").zip_with(grouped, plain)
        if decimal == ",":
            plain = plain.str.replace_all(".", "?", literal=True).str.replace_all(",", ".", literal=True)
    numbers = plain.cast(pl.Float64, strict=False)
    return numbers, numbers.is_null() & there.is_not_null()


def look_written(texts: "pl.Series") -> "pl.Series":
    """Return which texts a person may read as numbers; not days, as 24.12.2023. Null stays."""
    return texts.str.contains(WRITTEN) & ~texts.str.contains(r"^\d{1,2}\.\d{1,2}\.\d{2,4}$")


def cause(cell: object) -> str:
    """Return why a cell is no number though a person may read one; nothing where nobody would."""
    text = str(cell)[:100]
    if not re.match(WRITTEN, text.strip()):
        return ""
    for marks, found in (("%", "a percent sign"), ("$€£¥₹₽₩", "a currency sign"), ("(", "brackets")):
        if any(mark in text for mark in marks):
            return f" ({found})"
    if re.search(r"[A-Za-z]", text):
        return " (a currency)"
    return " (a minus behind it)" if text.strip().endswith("-") else " (a decimal comma or a thousands separator)"
