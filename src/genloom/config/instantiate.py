"""Building what a configuration node describes: the one place that calls ``hydra.utils.instantiate``.

Lists and mappings of the node arrive as plain lists and dicts, further arguments unchanged. Hydra 1.4 will ask for a
list of targets that may be executed: it belongs here.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig

from genloom.errors import ConfigError, GenloomError


def instantiate(
    node: DictConfig | Mapping[str, Any], key: str, *, _partial_: bool | None = None, **arguments: Any
) -> Any:
    """Build an object, or a mapping of objects where the node has no ``_target_``.

    Args:
        node: what to build.
        key: where the configuration has it, for errors.
        _partial_: return a factory instead of the object; None leaves that to the node.
        **arguments: passed to the target as they are, beside what the node holds; a dataclass stays one.

    Raises:
        ConfigError: the target can't be found or refuses its arguments; names the innermost key.
        GenloomError: what the target raised.
    """
    settings = {"_convert_": "all"} | ({} if _partial_ is None else {"_partial_": _partial_})
    try:
        if not arguments:
            return hydra.utils.instantiate(node, **settings)
        # as a factory first, since Hydra would turn dataclasses into configurations and copy lists and mappings
        factory = hydra.utils.instantiate(node, **settings | {"_partial_": True})
        is_partial = node.get("_partial_", False) if _partial_ is None else _partial_
        return functools.partial(factory, **arguments) if is_partial else factory(**arguments)
    except Exception as error:  # whatever a target raises is named by its key; HYDRA_FULL_ERROR=1 shows the rest
        raise _named(error, key) from error


def _named(error: Exception, key: str) -> GenloomError:
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for cause in chain:
        if isinstance(cause, GenloomError):
            return cause
    reported = [
        re.findall(r"full_key: (\S+)", str(cause)) for cause in chain if isinstance(cause, InstantiationException)
    ]
    inner = next((found[-1] for found in reversed(reported) if found), key)
    name = inner if inner == key or inner.startswith(f"{key}.") else f"{key}.{inner}"
    root = chain[-1]
    reason = str(root).splitlines()[0] if str(root) else type(root).__name__
    if isinstance(root, AssertionError | AttributeError | LookupError | NameError):  # their messages are mere names
        reason = f"{type(root).__name__}: {reason}"
    return ConfigError(f"{name}: {reason}")
