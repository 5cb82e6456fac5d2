"""What a data set promises: the shape and kind of its content, what it is conditioned on, and the way back.

A spec is plain data. It is derived from the data once (``DataModule.describe()``), handed to the networks, which
build themselves from it, and stored in every checkpoint, so that sampling needs no data at all.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from genloom.batch import Batch
from genloom.contents.base import Content, check
from genloom.contents.condition import Condition
from genloom.contents.joint import Joint
from genloom.contents.label import LabelContent
from genloom.errors import DataError
from genloom.examples import Examples


@dataclass(frozen=True)
class Spec:
    """The promise of one data set.

    Args:
        name: the data set's name, as its configuration calls it.
        content: what is modelled.
        given: by name, what it may be conditioned on: ``label``, ``prompt``, ``history``, or a data set's own.
        num_examples: training examples, which some objectives weigh by; None if nobody counted them.
        joint: which classes of several labels occur together; None where each is drawn by itself.
    """

    name: str
    content: Content
    given: Mapping[str, Condition] = field(default_factory=dict)
    num_examples: int | None = None
    joint: Joint | None = None

    def __post_init__(self) -> None:
        if wrong := [name for name in self.given if not name.isidentifier()]:
            raise DataError(f"data.name={self.name}: a condition called {wrong[0]!r}; give it a name of letters and _")

    @property
    def labels(self) -> LabelContent | None:
        """The classes, if the examples have any."""
        return LabelContent.of(self.given["label"]) if "label" in self.given else None

    def batch(self, examples: Examples, index: Int[Tensor, " chosen"]) -> Batch:
        """Return stored examples at ``index`` as a model sees them, with what they are given."""
        return self.content.batch(examples, index, self.given)

    def batches(self, examples: Examples, size: int) -> Iterator[Batch]:
        """Yield stored examples as a model sees them, ``size`` at a time."""
        for index in torch.arange(len(examples)).split(size):
            yield self.batch(examples, index)

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
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

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
        for name, condition in plain["given"].items():
            if not issubclass(kinds[condition["kind"]], Condition):
                raise TypeError(f"{name}: {condition['kind']} is no condition")
        return cls(**{name: _rebuilt(value, kinds) for name, value in plain.items()})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        kind = type(value)
        values = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {"kind": f"{kind.__module__}.{kind.__qualname__}", **values}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _named(plain: Any) -> dict[str, None]:
    """Return the names of all classes in ``plain``, in their order."""
    inner = plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ()
    own = {plain["kind"]: None} if isinstance(plain, dict) and isinstance(plain.get("kind"), str) else {}
    return {**own, **{name: None for each in inner for name in _named(each)}}


def _imported(name: str) -> type:
    module, _, own = name.rpartition(".")
    return vars(sys.modules[module])[own]


def _rebuilt(plain: Any, kinds: dict[str, type]) -> Any:
    if isinstance(plain, dict):
        kind = plain.get("kind") if isinstance(plain.get("kind"), str) else None  # else a name like any other
        values = {name: _rebuilt(each, kinds) for name, each in plain.items() if kind is None or name != "kind"}
        return values if kind is None else kinds[kind](**values)
    return tuple(_rebuilt(each, kinds) for each in plain) if isinstance(plain, list) else plain
