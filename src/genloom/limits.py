"""Ranges of numbers, as annotations: what :mod:`genloom.config.annotations` reads before anything is imported.

The marks have the names and meanings of the package annotated-types, whose marks in a class of yours are read alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Ge:
    """At least ``ge``."""

    ge: float


@dataclass(frozen=True)
class Gt:
    """More than ``gt``."""

    gt: float


@dataclass(frozen=True)
class Le:
    """At most ``le``."""

    le: float


@dataclass(frozen=True)
class Lt:
    """Less than ``lt``."""

    lt: float


@dataclass(frozen=True)
class MinLen:
    """At least ``min_length`` items."""

    min_length: int


Count = Annotated[int, Ge(1)]
Counts = Annotated[Sequence[Count], MinLen(1)]
Whole = Annotated[int, Ge(0)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Share = Annotated[float, Ge(0), Le(1)]
PartialShare = Annotated[float, Ge(0), Lt(1)]  # not all of it
InsideShare = Annotated[float, Gt(0), Lt(1)]
