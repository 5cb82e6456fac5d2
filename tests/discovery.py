"""All classes of a kind, found by walking genloom's packages, so that a new one cannot stay untested."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from types import ModuleType


def classes(base: type, *rooms: ModuleType) -> list[type]:
    """Return the subclasses of ``base`` that are defined in the rooms, but for abstract and private ones."""
    found = {}
    for room in rooms:
        for info in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            for kind in vars(importlib.import_module(info.name)).values():
                is_one = inspect.isclass(kind) and issubclass(kind, base) and not inspect.isabstract(kind)
                is_ours = is_one and kind is not base and kind.__module__.startswith(f"{room.__name__}.")
                if is_ours and not kind.__name__.startswith("_"):
                    found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return [found[name] for name in sorted(found)]


def missing(found: Iterable[type], listed: Iterable[type]) -> list[str]:
    """Return what is found but not listed, and what is listed but not found, by name."""
    found, listed = set(found), set(listed)
    return sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in found ^ listed)
