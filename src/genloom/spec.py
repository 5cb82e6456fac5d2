"""What a data set promises: the shape and kind of its content, what it is conditioned on, and the way back.

A spec is plain data. It is derived from the data once (``DataModule.describe()``), handed to the networks, which
build themselves from it, and stored in every checkpoint, so that sampling needs no data at all.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from genloom.contents.base import Content, check
from genloom.errors import DataError
from genloom.part import Part


@dataclass(frozen=True)
class LabelCondition(Part):
    """One label per example.

    Args:
        classes: the class names; a label is an index into them.
        counts: training examples of each class, by which a model draws the classes of its samples; None is equally.
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            raise DataError("labelled data with no class names: give at least one class")


@dataclass(frozen=True)
class CovariateScale(Part):
    """Mean and standard deviation of a numeric covariate, over the training rows of all series.

    Args:
        column: its name.
        mean: in the user's units.
        std: in the user's units, above 0.
    """

    column: str
    mean: float
    std: float


@dataclass(frozen=True)
class HistoryCondition(Part):
    """The past of a series, and what is known beside it.

    Args:
        look_back: steps of the past that a model sees.
        past_covariates: columns that are known up to the present.
        future_covariates: columns that are known ahead, over the horizon too; the calendar's features come last.
        static_covariates: values that do not change within a series: numeric columns, and ``column=value`` for each
            value of the others.
        scales: of the numeric columns among these.
        calendar: what is known of each time stamp by the calendar: ``hour``, ``weekday``, ``month``.
        time: the column of the time stamps.
        series_id: the column that names the series; None if there is but one.
    """

    look_back: int
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    static_covariates: tuple[str, ...] = ()
    scales: tuple[CovariateScale, ...] = ()
    calendar: tuple[str, ...] = ()
    time: str | None = None
    series_id: str | None = None

    def __post_init__(self) -> None:
        if self.look_back < 1:
            raise DataError(f"data.look_back: {self.look_back} is below the limit of 1 step")


@dataclass(frozen=True)
class Spec:
    """The promise of one data set.

    Args:
        name: the data set's name, as its configuration calls it.
        content: what is modelled.
        condition: what it may be conditioned on; None for unlabelled data, and for text, which follows on itself.
        num_examples: training examples, which some objectives weigh by; None if nobody counted them.
    """

    name: str
    content: Content
    condition: LabelCondition | HistoryCondition | None = None
    num_examples: int | None = None

    @property
    def labels(self) -> LabelCondition | None:
        """The classes, if the examples have any."""
        return self.condition if isinstance(self.condition, LabelCondition) else None

    def check(self, part: Any, key: str) -> None:
        """Refuse a part that is not made for this content; see :func:`genloom.contents.base.check`.

        Args:
            part: an object or a class.
            key: of the configuration that chose it.

        Raises:
            ConfigError: naming what it needs, what the data holds, and what to choose.
        """
        check(part, self.content, key, data=self.name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, strings and numbers; a class is written as its dotted name, under ``kind``."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any], find: Callable[[str], type] | None = None) -> "Spec":
        """Rebuild a spec from :meth:`to_dict`'s result. All classes are found before any object is built.

        Args:
            plain: the result.
            find: returns the class of a dotted name, or refuses it; None finds what is already imported.

        Raises:
            LookupError: an entry is missing, or a class is not found.
            TypeError: a class is no dataclass, content is no content, or a value does not belong there.
        """
        kinds = {name: (find or _imported)(name) for name in _named(plain)}
        for kind in kinds.values():
            if not is_dataclass(kind):
                raise TypeError(f"{kind.__qualname__} is no dataclass")
        if not issubclass(kinds[plain["content"]["kind"]], Content):
            raise TypeError(f"{plain['content']['kind']} is no content")
        return cls(**{name: _rebuilt(value, kinds) for name, value in plain.items()})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        kind = type(value)
        values = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"kind": f"{kind.__module__}.{kind.__qualname__}", **values}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _named(plain: Any) -> dict[str, None]:
    """Return the names of all classes in ``plain``, in their order."""
    inner = plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ()
    own = {plain["kind"]: None} if isinstance(plain, dict) and "kind" in plain else {}
    return {**own, **{name: None for each in inner for name in _named(each)}}


def _imported(name: str) -> type:
    module, _, own = name.rpartition(".")
    return vars(sys.modules[module])[own]


def _rebuilt(plain: Any, kinds: dict[str, type]) -> Any:
    if isinstance(plain, dict):
        return kinds[plain["kind"]](**{name: _rebuilt(each, kinds) for name, each in plain.items() if name != "kind"})
    return tuple(_rebuilt(each, kinds) for each in plain) if isinstance(plain, list) else plain
