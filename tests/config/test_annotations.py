"""A value is refused only if no alternative of an annotation can take it."""

from pathlib import Path
from typing import Any

import pytest

from genloom.config.annotations import broken_limit, fits, kinds, literals
from genloom.config.signatures import signature

HEADER = """
import enum
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Protocol, Union
from nowhere import Unknown

class Plain: ...
class Colour(enum.Enum):
    RED = 1
class Named(Protocol): ...
class Words(str): ...

Number = Union[int, float]
Size = Optional[Number]
Count = Annotated[int, Ge(1)]
Counts = Annotated[Sequence[Count], MinLen(1)]
Mode = Literal["fast", "slow"]

def function(value: {annotation} = {default}): ...
"""
EVERYTHING = [None, True, 3, 0.5, "a", [1], [1, 2], ["a"], {"k": 1}]

CASES: dict[str, list[Any]] = {
    "int": [3],
    "float": [3, 0.5],
    "bool": [True],
    "str": ["a"],
    "'str'": ["a"],
    "None": [None],
    "int | None": [None, 3],
    "Optional[int]": [None, 3],
    "Union[int, str]": [3, "a"],
    "'int | str'": [3, "a"],
    "Annotated[int, 3]": [3],
    "Number": [3, 0.5],
    "Size": [None, 3, 0.5],
    "list": [[1], [1, 2], ["a"]],
    "list[int]": [[1], [1, 2]],
    "Sequence[int]": [[1], [1, 2]],
    "Sequence[str]": [["a"]],
    "tuple[int, int]": [[1, 2]],
    "tuple[int, ...]": [[1], [1, 2]],
    "dict[str, int]": [{"k": 1}],
    "dict[str, str]": [],
    "Mapping": [{"k": 1}],
    "Literal['a', 3]": [3, "a"],
    "Path": ["a"],
    "str | os.PathLike[str]": ["a"],
    "Plain": [],
    "Plain | float": [3, 0.5],
    "Any": EVERYTHING,
    "object": EVERYTHING,
    "Unknown": EVERYTHING,
    "Named": EVERYTHING,
    "Colour": EVERYTHING,
    "Words": EVERYTHING,
    "Callable[[int], int]": [{"k": 1}],
}


@pytest.fixture
def parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    def build(annotation: str, default: str = "...") -> Any:
        name = f"annotated_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(HEADER.format(annotation=annotation, default=default))
        monkeypatch.syspath_prepend(str(tmp_path))
        return signature(f"{name}.function").parameters["value"]

    return build


@pytest.mark.parametrize("annotation", CASES)
def test_exactly_the_right_values_fit(parameter: Any, annotation: str) -> None:
    found = parameter(annotation)
    assert [value for value in EVERYTHING if fits(value, found)] == [
        value for value in EVERYTHING if any(value == one and type(value) is type(one) for one in CASES[annotation])
    ]


def test_a_default_of_none_fits(parameter: Any) -> None:
    assert fits(None, parameter("int", "None"))


def test_literals_are_found_through_aliases(parameter: Any) -> None:
    assert literals(parameter("Optional[Mode]")) == ["fast", "slow"]


def test_literals_are_found_within_lists(parameter: Any) -> None:
    assert literals(parameter("Sequence[Mode] | None")) == ["fast", "slow"]


def test_a_tensor_is_no_string() -> None:
    found = signature("torch.optim.Adam").parameters["lr"]
    assert fits(1e-4, found)
    assert not fits("abc", found)


RANGES: dict[str, tuple[Any, str]] = {
    "Annotated[int, Ge(1)]": (0, "0 is below the limit of 1"),
    "Annotated[int, marks.Ge(ge=1)]": (0, "0 is below the limit of 1"),
    "Annotated[float, Gt(0)]": (0, "0 must be above 0"),
    "Annotated[float, Ge(0), Le(1)]": (1.5, "1.5 is above the limit of 1"),
    "Annotated[float, Ge(-1), Lt(1)] | None": (1, "1 must be below 1"),
    "list[Annotated[int, Ge(1)]]": ([2, -2], "-2 is below the limit of 1"),
    "tuple[Count, Count]": ([2, 0], "0 is below the limit of 1"),
    "dict[str, Count]": ({"k": 0}, "0 is below the limit of 1"),
    "Annotated[Sequence[Count], MinLen(1)]": ([], "[] has fewer items than 1"),
    "Optional[Counts]": ([0], "0 is below the limit of 1"),
}


@pytest.mark.parametrize("annotation", RANGES)
def test_ranges(parameter: Any, annotation: str) -> None:
    value, expected = RANGES[annotation]
    found = parameter(annotation)
    assert not fits(value, found)
    assert broken_limit(value, found) == expected
    assert broken_limit("abc", found) is None  # another kind, which no limit concerns


def test_kinds_are_said_without_aliases(parameter: Any) -> None:
    assert kinds(parameter("Count | None")) == "int | None"


def test_a_number_with_a_range_is_finite(parameter: Any) -> None:
    found = parameter("Annotated[float, Ge(0)]")
    assert not fits(float("inf"), found)
    assert not fits(float("nan"), found)
