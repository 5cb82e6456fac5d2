"""Whether a plain value of a yaml file can be what an annotation asks for.

Plain values are None, booleans, numbers, strings, lists and mappings. An annotation is taken apart along unions and
aliases into alternatives, and a value is refused only if no alternative can take it: what is not understood takes
anything, and so does what stands for objects that strings are turned into, such as paths and enumerations. Ranges are
the marks of :mod:`genloom.limits` in ``Annotated``.
"""

import ast
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from genloom.config.signatures import Parameter, bases
from genloom.config.targets import Absent, Definition, Module, Unclear

_SEQUENCES = {"list", "List", "tuple", "Tuple", "set", "Set", "frozenset"}
_STREAMS = {"Sequence", "Iterable", "Collection", "Container", "Sized", "MutableSequence"}
_MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
_PLAIN_BASES = {"str", "int", "float", "list", "dict", "tuple", "Enum", "StrEnum", "IntEnum", "Protocol", "TypedDict"}
_PLAIN_BASES |= {"NamedTuple"}
_LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "Ge": (lambda value, limit: value >= limit, "is below the limit of {}"),
    "Gt": (lambda value, limit: value > limit, "must be above {}"),
    "Le": (lambda value, limit: value <= limit, "is above the limit of {}"),
    "Lt": (lambda value, limit: value < limit, "must be below {}"),
    "MinLen": (lambda value, limit: len(value) >= limit, "has fewer items than {}"),
}


@dataclass(frozen=True)
class _Alternative:
    module: Module
    expression: ast.expr
    limits: tuple[ast.expr, ...] = ()

    @property
    def name(self) -> str:
        match self.expression:
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name)):
                return name
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name
            case ast.Constant(value=None):
                return "None"
        return ""

    @property
    def arguments(self) -> list[ast.expr]:
        match self.expression:
            case ast.Subscript(slice=ast.Tuple(elts=elements)):
                return elements
            case ast.Subscript(slice=element):
                return [element]
        return []


def fits(value: Any, parameter: Parameter) -> bool:
    """Return whether ``value`` can be passed for ``parameter``."""
    if parameter.annotation is None:
        return True
    if value is None and isinstance(parameter.default, ast.Constant) and parameter.default.value is None:
        return True  # `x: int = None`, as older code writes it
    return _fits(value, parameter.module, parameter.annotation)


def broken_limit(value: Any, parameter: Parameter) -> str | None:
    """Return which limit a value breaks that would fit otherwise, as the end of a sentence; None if it breaks none."""
    broken: list[str] = []
    if parameter.annotation is not None:
        _fits(value, parameter.module, parameter.annotation, broken)
    return broken[-1] if broken else None


def kinds(parameter: Parameter) -> str:
    """Return what a parameter takes, without the names that its module has for it."""
    if parameter.annotation is None:
        return "anything"
    found = [
        ast.unparse(alternative.expression) for alternative in _alternatives(parameter.module, parameter.annotation)
    ]
    return " | ".join(dict.fromkeys(found))


def literals(parameter: Parameter) -> list[str]:
    """Return the strings that a parameter's ``Literal`` allows, if it has one, be it of the items of a list."""
    if parameter.annotation is None:
        return []
    return list(_literals(parameter.module, parameter.annotation))


def _literals(module: Module, annotation: ast.expr) -> Iterator[str]:
    for alternative in _alternatives(module, annotation):
        for argument in alternative.arguments:
            if alternative.name in _SEQUENCES | _STREAMS:
                yield from _literals(alternative.module, argument)
            elif (
                alternative.name == "Literal" and isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            ):
                yield argument.value


def _fits(value: Any, module: Module, annotation: ast.expr, broken: list[str] | None = None) -> bool:
    """Return whether an alternative takes the value; add to ``broken`` the limits for which one does not."""
    return any(_accepts(alternative, value, broken) for alternative in _alternatives(module, annotation))


def _alternatives(module: Module, annotation: ast.expr, depth: int = 0) -> Iterator[_Alternative]:
    here = _Alternative(module, annotation)
    match annotation:
        case ast.Constant(value=str() as text):
            try:
                yield from _alternatives(module, ast.parse(text, mode="eval").body, depth)
            except SyntaxError:
                yield here
            return
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            parts = [left, right]
        case ast.Subscript() if here.name in {"Union", "Optional"}:
            parts = here.arguments
            if here.name == "Optional":
                parts = [*parts, ast.Constant(None)]
        case ast.Subscript() if here.name in {"Annotated", "Final", "InitVar", "Required"}:
            first, *marks = here.arguments
            for inner in _alternatives(module, first, depth):
                yield replace(inner, limits=(*inner.limits, *marks))
            return
        case ast.Name() | ast.Attribute() if here.name not in _KINDS and depth < 8:
            alias = _definition(here)
            if alias is None or isinstance(alias.node, ast.ClassDef | ast.FunctionDef):
                yield here
            else:
                assert isinstance(alias.node, ast.expr)
                yield from _alternatives(alias.module, alias.node, depth + 1)
            return
        case _:
            yield here
            return
    for part in parts:
        yield from _alternatives(module, part, depth)


def _definition(alternative: _Alternative) -> Definition | None:
    try:
        found = alternative.module.evaluate(alternative.expression)
    except (Absent, Unclear):
        return None
    return found if isinstance(found, Definition) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS = {
    "None": lambda value: value is None,
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _is_number,
    "complex": _is_number,
    "Number": _is_number,
    "Real": _is_number,
    "str": lambda value: isinstance(value, str),
    "Path": lambda value: isinstance(value, str),
    "PathLike": lambda value: isinstance(value, str),
    "Any": lambda value: True,
    "object": lambda value: True,
}


def _accepts(alternative: _Alternative, value: Any, broken: list[str] | None) -> bool:
    return _is_of_kind(alternative, value, broken) and _is_within(alternative, value, broken)


def _is_within(alternative: _Alternative, value: Any, broken: list[str] | None) -> bool:
    for mark in alternative.limits:
        match mark:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _LIMITS:
                arguments = [*mark.args, *(keyword.value for keyword in mark.keywords)]
            case _:
                continue
        holds, says = _LIMITS[name]
        if isinstance(value, float) and not math.isfinite(value):
            if broken is not None:
                broken.append(f"{value} is no finite number")
            return False
        try:
            limit = ast.literal_eval(arguments[0])
            if holds(value, limit):
                continue
        except (ValueError, TypeError, IndexError):  # a computed limit, or a value of a kind that it does not concern
            continue
        if broken is not None:
            broken.append(f"{value} {says.format(limit)}")
        return False
    return True


def _is_of_kind(alternative: _Alternative, value: Any, broken: list[str] | None) -> bool:
    name, module, arguments = alternative.name, alternative.module, alternative.arguments
    if name in _KINDS:
        return _KINDS[name](value)
    if name == "Literal":
        return any(isinstance(item, ast.Constant) and item.value == value for item in arguments)
    if name in _SEQUENCES | _STREAMS:
        if not isinstance(value, list):  # a text is a sequence of texts, its letters, which nobody means by it
            return False
        is_record = name in {"tuple", "Tuple"} and not any(isinstance(item, ast.Constant) for item in arguments)
        if is_record and len(arguments) > 1:
            pairs = zip(value, arguments, strict=False)
            return len(arguments) == len(value) and all(_fits(item, module, kind, broken) for item, kind in pairs)
        return not arguments or all(_fits(item, module, arguments[0], broken) for item in value)
    if name == "Callable":
        return isinstance(value, dict)  # a node that a _target_ makes one of
    if name in _MAPPINGS:
        return isinstance(value, dict) and (
            len(arguments) < 2 or all(_fits(item, module, arguments[1], broken) for item in value.values())
        )
    definition = _definition(alternative) if isinstance(alternative.expression, ast.Name | ast.Attribute) else None
    if definition is None or not isinstance(definition.node, ast.ClassDef):
        return True
    return name in _PLAIN_BASES or _is_plain(definition)


def _is_plain(definition: Definition, depth: int = 0) -> bool:
    """Return whether instances of a class may be plain values, or be made of them."""
    assert isinstance(definition.node, ast.ClassDef)
    names = {_Alternative(definition.module, base).name for base in definition.node.bases}
    if names & _PLAIN_BASES or depth > 8:
        return True
    return any(base is not None and _is_plain(base, depth + 1) for base in bases(definition))
