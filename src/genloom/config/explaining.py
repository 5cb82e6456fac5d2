"""What is wrong with a configuration, by the key, the value, and the nearest names that there are."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_origin

import yaml
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from genloom.config import schema
from genloom.config.advice import pasted
from genloom.config.choices import Choices
from genloom.config.libraries import unused
from genloom.config.near import did_you_mean
from genloom.config.renamed import renamed
from genloom.config.validation import accepts
from genloom.errors import ConfigError


def unknown_key(choices: Choices, parts: list[str], parent: DictConfig, config: DictConfig) -> str:
    """Return what is wrong with a key that does not exist, and what was probably meant.

    Args:
        choices: there are.
        parts: of the key, up to the one that does not exist.
        parent: holds what is beside it.
        config: all of it.
    """
    key, name = ".".join(parts), parts[-1]
    prefix = key.removesuffix(name)
    if now := renamed(key):
        return f"{key}: unknown key; {now}"
    if instead := unused(str(parent.get("_target_")), name):
        return f"{key}: {parent._target_} can't use {name} here: {instead}"
    if accepts(parent, name):
        return f"{key}: the configuration does not set it, but {parent._target_} accepts it: +{key}=… passes it"
    kind = OmegaConf.get_type(parent)
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else list(parent)
    names = [name for name in names if name not in ("hydra", "_target_", "_partial_")]
    siblings = [f"{prefix}{name}" for name in names] + ([] if prefix else choices.groups())
    elsewhere = did_you_mean(name, leaves := list(_leaves(config)))  # as the optimizer's lr is, asked of the trainer
    is_below = any(leaf.endswith(f".{name}") for leaf in leaves)
    if not prefix and not is_below and (others := schema.commands_with(name)):
        listed = ", ".join(f"genloom {other}" for other in others)
        return f"{key}: not a key of this command, but of {listed}{elsewhere}"
    if hint := did_you_mean(name, siblings):
        return f"{key}: unknown key{hint}"
    has = f"{prefix[:-1]} has {', '.join(names) or 'no keys'}"
    if prefix and (owners := choices.options_with(prefix[:-1], name)):
        return f"{key}: unknown key; {has}; {name} is a key of {' or '.join(owners)}"
    if elsewhere and (not prefix or is_below):
        return f"{key}: unknown key{elsewhere}"
    there_is = has if prefix else f"there is {', '.join(names)}"
    return f"{key}: unknown key; {there_is}{elsewhere}"


def explain(error: BaseException, choices: Choices, override: Override | None = None) -> ConfigError:
    """Return an error of Hydra, OmegaConf or the yaml reader as one that names the key and says what is near.

    Args:
        error: what was raised.
        choices: there are.
        override: while applying which.
    """
    key = override.key_or_group if override is not None else choices.command
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException | yaml.YAMLError):
        cause = cause.__cause__ or cause.__context__
    file = re.search(r"In '([^']+)'", str(error))
    where = f" (in {file[1]}.yaml)" if file else ""
    if isinstance(cause, yaml.MarkedYAMLError) and cause.problem_mark is not None:
        mark = cause.problem_mark
        return ConfigError(f"{mark.name}, line {mark.line + 1}: this is no valid yaml: {cause.problem}")
    if isinstance(error, MissingConfigException):
        return _explain_missing(error, choices, where)
    if isinstance(cause, OmegaConfBaseException):
        name, parent = str(cause.full_key or key), cause.parent_node
        siblings = [str(sibling) for sibling in parent or ()]
        if isinstance(cause, ConfigKeyError | ConfigAttributeError):
            hint = did_you_mean(str(cause.key), siblings) or f"; there is {', '.join(siblings) or 'none to set'}"
            return ConfigError(f"{name}: unknown key{where}{hint}")
        wanted = _type(parent, str(cause.key))
        return ConfigError(f"{name}: {_first_line(cause)}{where}{wanted}")
    unused = re.search(r"Could not (?:override|delete) '([^']+)'", str(error))
    if unused:
        wanted = unused[1]
        meant = re.search(r"Did you mean to override (?:one of )?([^?]+)\?", str(error))
        hint = f"; did you mean {meant[1]}?" if meant else "" if file else _unused(choices, wanted)
        return ConfigError(f"{wanted}: nothing is chosen by this key{where}{hint}")
    return ConfigError(f"{key}: {_first_line(error)}")


def _unused(choices: Choices, key: str) -> str:
    """Return why nothing is chosen by ``key``: it is misspelt, or another choice replaced the part that has it."""
    choosable, (owner, _, name) = choices.choosable(), key.partition("@")[2].rpartition(".")
    if key not in choosable or not owner:
        return did_you_mean(key, choosable)
    return f"; what is chosen for {owner} has no {name} to choose (--cfg job --package {owner} shows what it has)"


def _explain_missing(error: MissingConfigException, choices: Choices, where: str) -> ConfigError:
    missing = error.missing_cfg_file or ""
    if missing == choices.command:
        roots = choices.hydra.config_loader.get_group_options("", ObjectType.CONFIG)
        return ConfigError(f"--config-name: there is no {missing}.yaml{did_you_mean(missing, roots)}")
    group, _, option = missing.rpartition("/")
    while group and not choices.options(group):
        group, _, head = group.rpartition("/")
        option = f"{head}/{option}"
    return ConfigError(f"{missing}: there is no such file{where}{did_you_mean(option, choices.options(group))}")


def _type(parent: Any, name: str) -> str:
    kind = OmegaConf.get_type(parent) if isinstance(parent, DictConfig) else None
    kinds = {field.name: field.type for field in fields(kind)} if is_dataclass(kind) else {}
    found = kinds.get(name)
    written = f", written {pasted(f'{name}=[…]')}" if get_origin(found) is list else ""
    return f"; it takes {found.__name__ if type(found) is type else found}{written}" if found else ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(":.")


def _leaves(node: DictConfig, prefix: str = "") -> Iterator[str]:
    if node._is_none() or node._is_missing() or node._is_interpolation():
        return
    for name in node:
        if name == "hydra" and not prefix:
            continue
        child = node._get_node(name)
        yield f"{prefix}{name}"
        if isinstance(child, DictConfig):
            yield from _leaves(child, f"{prefix}{name}.")
