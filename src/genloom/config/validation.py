"""Checking a composed configuration before anything heavy is imported.

Every value must be there, every interpolation must resolve, every ``_target_`` must exist and accept what it is given.
What a target accepts is read from its source (:mod:`~genloom.config.signatures`); where the source does not tell, the
check is left to the instantiation.
"""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from genloom.config.advice import pasted, quoted
from genloom.config.annotations import broken_limit, fits, kinds, literals
from genloom.config.libraries import unused
from genloom.config.near import did_you_mean
from genloom.config.signatures import Parameter, Signature, signature
from genloom.config.targets import Absent, Unclear
from genloom.errors import ConfigError

_SETTINGS = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")
_COMPLETED_LATER = ("model", "optimizer", "scheduler")  # the run passes them the spec, the parameters, the length …


def check(config: DictConfig) -> None:
    """Check a configuration without Hydra's node.

    Raises:
        ConfigError: naming the first wrong key.
    """
    _check_keys(config, config, "")
    _check_limits(config, config, "")


def accepts(node: DictConfig, name: str) -> bool:
    """Return whether the target of ``node`` certainly has a parameter ``name``."""
    try:
        return "_target_" in node and name in signature(str(node._target_)).parameters
    except (Absent, Unclear):
        return False


def _check_keys(node: DictConfig | ListConfig, config: DictConfig, path: str) -> None:
    is_partial = isinstance(node, DictConfig) and "_partial_" in node and node._partial_ is True
    names: list[Any] = list(node) if isinstance(node, DictConfig) else list(range(len(node)))
    for name in names:
        key = f"{path}.{name}" if path else str(name)
        if OmegaConf.is_missing(node, name):
            if is_partial:  # given by the caller
                continue
            raise ConfigError(f"{key}: a value is needed, as in {key}=…")
        value = _resolved(node, name, key, config)
        if isinstance(value, DictConfig | ListConfig) and not OmegaConf.is_interpolation(node, name):
            _check_keys(value, config, key)
    if isinstance(node, DictConfig) and "_target_" in node:
        _check_target(node, path, is_partial)


def _resolved(node: DictConfig | ListConfig, name: Any, key: str, config: DictConfig) -> Any:
    try:
        return node[name]
    except (OmegaConfBaseException, RecursionError) as error:
        written = node._get_node(name)
        text = written._value() if written is not None else ""  # pyright: ignore
        wanted = re.search(r"Interpolation key '([^']+)'", str(error))
        hint = did_you_mean(wanted[1], _keys(config)) if wanted and isinstance(error, InterpolationKeyError) else ""
        reason = f"{wanted[1]} does not exist" if wanted else str(error).splitlines()[0]
        raise ConfigError(f"{key}: {text} cannot be resolved: {reason}{hint}") from error


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for name in node:
        found.append(f"{prefix}{name}")
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not (child._is_none() or child._is_missing() or child._is_interpolation()):
            found += _keys(child, f"{prefix}{name}.")
    return found


def _check_limits(node: DictConfig, config: DictConfig, path: str) -> None:
    kind = OmegaConf.get_type(node)
    for field in fields(kind) if is_dataclass(kind) else ():
        name, limits = field.name, field.metadata
        key = f"{path}{name}"
        if OmegaConf.is_missing(node, name):
            raise ConfigError(f"{key}: a value is needed, as in {key}=…")
        value = _resolved(node, name, key, config)
        options = limits.get("one_of", ())
        if "at_least" in limits and value is not None and value < limits["at_least"]:
            raise ConfigError(f"{key}: {value} is below the limit of {limits['at_least']}")
        if "above" in limits and value is not None and not value > limits["above"]:
            raise ConfigError(f"{key}: {value} must be above {limits['above']}")
        if "at_most" in limits and value is not None and not value <= limits["at_most"]:
            raise ConfigError(f"{key}: {value} is above the limit of {limits['at_most']}")
        if options and value is not None and value not in options:
            raise ConfigError(f"{key}: {value!r} is none of {', '.join(options)}{did_you_mean(str(value), options)}")
        words = limits.get("path_or", ())
        if "path_or" in limits and value is not None and value not in words and not Path(value).expanduser().exists():
            listed = f"; it is {', '.join(words)} or a path" if words else ""
            raise ConfigError(f"{key}: there is no file or folder {value}{did_you_mean(value, words)}{listed}")
        if isinstance(value, DictConfig):
            _check_limits(value, config, f"{key}.")
            is_none = len(value) == 0 and field.default is None  # as `metrics: {}` of metrics=none
            may_change = "changes" in limits.get("holds", "")
            if "holds" in limits and "_target_" not in value and not is_none and not may_change:
                _check_objects(value, key, by_name="objects" in limits["holds"])


def _check_objects(node: DictConfig, key: str, *, by_name: bool) -> None:
    if not by_name:
        raise ConfigError(f"{key}: it has no _target_, which says what to build")
    for name in node:
        if not isinstance(node._get_node(name), DictConfig) or "_target_" not in node[name]:
            raise ConfigError(
                f"{key}.{name}: it has no _target_, which says what to build; {pasted(f'~{key}.{name}')} removes it"
            )


def _check_target(node: DictConfig, path: str, is_partial: bool) -> None:
    target = node._target_
    if not isinstance(target, str) or not target.strip("."):
        raise ConfigError(f"{path}._target_: {target!r} is no dotted name of a class or a function")
    try:
        found = signature(target)
    except Absent as error:
        raise ConfigError(f"{path}._target_: {target} does not exist: {error}") from error
    except Unclear:
        return
    for name in node:
        if name in _SETTINGS:
            continue
        key = f"{path}.{name}"
        if instead := unused(target, str(name)):
            raise ConfigError(f"{key}: {target} can't use {name} here: {instead}")
        if name in found.parameters:
            if not _is_known_later(node, name) and not _holds_target(node[name]):
                _check_value(_plain(node[name]), found.parameters[name], key, f"{target} takes")
        elif not found.accepts_any:
            options = [*found.parameters, *(_SETTINGS if str(name).startswith("_") else ())]
            hint = did_you_mean(str(name), options) or f"; it accepts {', '.join(found.parameters) or 'none'}"
            raise ConfigError(f"{key}: {target} accepts no argument {name}{hint}")
    if not is_partial and "_args_" not in node and path.split(".")[0] not in _completed(path):
        _check_required(node, path, target, found)


def _completed(path: str) -> tuple[str, ...]:
    return tuple(root for root in _COMPLETED_LATER if root != "model" or path == "model")


def _check_required(node: DictConfig, path: str, target: str, found: Signature) -> None:
    missing = [name for name, parameter in found.parameters.items() if parameter.required and name not in node]
    if missing:
        raise ConfigError(f"{path}: {target} needs {', '.join(missing)}; give {path}.{missing[0]}")


def _is_known_later(node: DictConfig, name: Any) -> bool:
    """Whether the run fills in the value: a missing one, or one taken from a key that is null so far, like run.dir."""
    return OmegaConf.is_missing(node, name) or (OmegaConf.is_interpolation(node, name) and node[name] is None)


def _holds_target(value: Any) -> bool:
    if isinstance(value, DictConfig):
        return "_target_" in value or any(_holds_target(value._get_node(name)) for name in value)
    if isinstance(value, ListConfig):
        return any(_holds_target(item) for item in value._iter_ex(resolve=False))
    return False


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value


def _check_value(value: Any, parameter: Parameter, key: str, taker: str) -> None:
    if fits(value, parameter):
        return
    assert parameter.annotation is not None
    if isinstance(value, dict) and (wrong := [name for name in value if not fits({name: value[name]}, parameter)]):
        broken = broken_limit({wrong[0]: value[wrong[0]]}, parameter)
        what = broken or f"{value[wrong[0]]!r} does not fit; {taker} {kinds(parameter)}"
        raise ConfigError(f"{key}.{wrong[0]}: {what}")
    if limit := broken_limit(value, parameter):
        within = f" in {value}" if isinstance(value, list) and value else ""
        raise ConfigError(f"{key}: {limit}{within}")
    shown = "null" if value is None else repr(value)
    options = literals(parameter)
    wanted = ", ".join(options) if options else kinds(parameter)
    hint = did_you_mean(str(value), options) or _otherwise(value, parameter, key)
    raise ConfigError(f"{key}: {shown} does not fit; {taker} {wanted}{hint}")


def _otherwise(value: Any, parameter: Parameter, key: str) -> str:
    """Return how a value would fit that was written another way, as the end of a message; else nothing."""
    if value is None:
        return ""
    if fits([value], parameter):
        return f"; did you mean {pasted(f'{key}=[{value}]')}?"
    if isinstance(value, float) and value.is_integer() and fits(int(value), parameter):
        return f"; did you mean {key}={int(value)}?"
    if isinstance(value, int | float) and fits(str(value), parameter):
        return f"; in quotes it is a text: {pasted(f'{key}={quoted(str(value))}')}"
    if isinstance(value, list) and value and fits(texts := [str(item) for item in value], parameter):
        joined = ",".join(map(quoted, texts))
        return f"; in quotes they are texts: {pasted(f'{key}=[{joined}]')}"
    return ""
