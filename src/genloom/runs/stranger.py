"""What a configuration from a stranger may name: parts, judged by what they are and by where they are defined.

A checkpoint says what its model, its data and its metrics are built of. Whoever wrote it may have written anything, so
all of it is checked before anything of it is built, and no module is imported of a package that the user does not
trust. A name is not judged by how it is spelt: every module leads, by what it imports, to every other.
"""

import functools
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn, optim

from genloom.errors import CheckpointError
from genloom.part import Part

_OWN_PACKAGES = ("genloom", "torch.nn", "torch.optim", "zuko.flows")
_PARTS = (Part, nn.Module, optim.Optimizer, optim.lr_scheduler.LRScheduler)
_PLAIN = (str, int, float, bool, type(None))

#: What else than ``_target_`` may begin with an underscore, and with which values.
_INSTRUCTIONS = {"_partial_": (True, False), "_convert_": ("all", "none", "partial", "object")}

#: Hydra takes time by the square of their number: seconds of five thousand, hours of half a million.
_MOST_VALUES = 5000

#: Keys by which a part writes or fetches, and what stands there instead: where the user keeps such things.
_PLACES = {"cache_dir": None, "download": False}


def checked(node: Any, kind: type, key: str, *, trust: Sequence[str], file: Path) -> dict[str, Any]:
    """Return a configuration that a file came with, once it is known to build nothing but parts.

    Args:
        node: the configuration, as the file holds it.
        kind: what it must build.
        key: what it is called in the file, for errors.
        trust: packages of the user's whose parts it may name; they are imported.
        file: where it came from.

    Returns:
        The configuration, without places to write to or to fetch from.

    Raises:
        CheckpointError: it names, or is, something else; nothing was built.
    """
    try:
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise _Refusal(f"{key}: it describes no {kind.__name__}")
        if _num_values(node) > _MOST_VALUES:
            raise _Refusal(f"{key}: it holds more than {_MOST_VALUES:,} values, and so is no configuration")
        for where, inner in _walk(node, key):
            found = _part(inner["_target_"], where, trust)
            if inner is node and kind not in found.__mro__:
                raise _Refusal(f"{where}: {inner['_target_']} is no {kind.__name__}")
        return _without_places(node, trust)
    except RecursionError:
        raise CheckpointError(
            f"{file}: {key}: nested too deeply to be a configuration; nothing of it was built"
        ) from None
    except _Refusal as refusal:
        raise CheckpointError(f"{file}: {refusal}; nothing of it was built") from None


def part(target: str, key: str, *, trust: Sequence[str], file: Path) -> type:
    """Return the class of a part that a file names, by the same rule.

    Args:
        target: its dotted name.
        key: what it is called in the file, for errors.
        trust: packages of the user's that it may be of; they are imported.
        file: where it came from.

    Raises:
        CheckpointError: it is no part, or is defined where nobody trusts it.
    """
    try:
        return _part(target, key, trust)
    except _Refusal as refusal:
        raise CheckpointError(f"{file}: {refusal}; nothing of it was built") from None


def _num_values(node: Any) -> int:
    inner = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return 1 + sum(map(_num_values, inner))


class _Refusal(Exception):
    """Why a configuration is refused."""


def _walk(node: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each description of an object in ``node``; refuse what is neither that nor plain."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if not isinstance(name, str):
                raise _Refusal(f"{where}: a key is {type(name).__name__}, not text")
            if name.startswith("_") and name != "_target_" and not _is_instruction(name, value):
                raise _Refusal(f"{where}.{name}: not for a file to say")
            if name != "_target_":
                yield from _walk(value, f"{where}.{name}")
        if "_target_" in node:
            yield where, node
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _walk(value, f"{where}[{place}]")
    elif type(node) not in _PLAIN:
        raise _Refusal(f"{where}: {type(node).__name__} is no plain value")
    elif isinstance(node, str) and "${" in node:
        raise _Refusal(f"{where}: {node[:80]!r} would be computed; a file holds values")


def _is_instruction(name: str, value: Any) -> bool:
    return type(value) in _PLAIN and value in _INSTRUCTIONS.get(name, ())


def _part(target: Any, where: str, trust: Sequence[str]) -> type:
    """Return the class that ``target`` names.

    Raises:
        _Refusal: it is no part, or is defined where nobody trusts it.
    """
    shown = f"{where}: {str(target)[:120]!r}"
    if not isinstance(target, str) or not all(name.isidentifier() for name in target.split(".")):
        raise _Refusal(f"{shown} is no dotted name")
    if any(name.startswith("_") for name in target.split(".")):
        raise _Refusal(f"{shown} is nobody's to name from outside its package")
    if not _is_within(target, trust):
        package = target.split(".")[0]
        raise _Refusal(
            f"{shown} is not part of genloom, torch.nn, torch.optim or zuko.flows; if you trust it, pass "
            f"'trust=[{package}]' (loading imports and runs that package)"
        )
    module, _, name = target.rpartition(".")
    try:
        # a module of its own: `package.module.os.system` fails here, because os is no module of that package
        found = vars(importlib.import_module(module)).get(name)
    except ImportError as error:
        raise _Refusal(f"{shown} can't be imported ({error})") from error
    if not isinstance(found, type):
        raise _Refusal(f"{shown} is no class, and only classes are parts")
    home = vars(sys.modules.get(found.__module__, object))
    top, *rest = target.split(".")
    walked = functools.reduce(lambda owner, part: getattr(owner, part, None), rest, sys.modules.get(top))
    at_home = home.get(found.__qualname__) is found and walked is found  # however one looks, the same class
    if not _is_within(f"{found.__module__}.{found.__qualname__}", trust) or not at_home:
        raise _Refusal(f"{shown} is {found.__module__}.{found.__qualname__}, which is defined elsewhere")
    if not any(base in found.__mro__ for base in _PARTS):
        raise _Refusal(f"{shown} is no part: it derives neither from genloom.part.Part nor from torch's bases")
    return found


def _is_within(name: str, trust: Sequence[str]) -> bool:
    return any(name.startswith(f"{package}.") for package in (*_OWN_PACKAGES, *trust))


def _without_places(node: Any, trust: Sequence[str]) -> Any:
    """Return ``node``, checked already, with every place set in each part that has one, whether it was set or not."""
    if isinstance(node, list):
        return [_without_places(value, trust) for value in node]
    if not isinstance(node, Mapping):
        return node
    own = {name: _without_places(value, trust) for name, value in node.items()}
    taken = _arguments(_part(node["_target_"], "", trust)) if "_target_" in node else ()
    return own | {name: instead for name, instead in _PLACES.items() if name in node or name in taken}


def _arguments(part: type) -> set[str]:
    """Return the names of what a part, or a base that it may pass it on to, is told."""
    made = [base.__init__ for base in part.__mro__ if "__init__" in vars(base) and base is not object]
    return {name for each in made for name in inspect.signature(each).parameters}
