"""Composing a configuration through Hydra, with errors that name the key, the value and the nearest valid names.

Hydra's own errors suggest ``+key=value`` for a misspelt key, which lets the typo pass; so each override is checked
here before Hydra applies it. This is the one module that uses Hydra's internals (pinned below 1.4).
"""

import copy
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_origin

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.default_element import ResultDefault
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf._utils import split_key
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from genloom.config import schema
from genloom.config.advice import pasted, quoted
from genloom.config.libraries import unused
from genloom.config.near import did_you_mean
from genloom.config.renamed import renamed
from genloom.config.validation import accepts
from genloom.errors import ConfigError


class _Loader(ConfigLoaderImpl):
    """Lists all groups from one repository; Hydra makes one anew, with deep copies, for each group that it lists.

    What is chosen from the group ``debug`` changes parts that are there: it never brings back one that was left out.
    """

    _listed: CachingConfigRepository | None = None

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        amendments = [default for default in defaults if (default.config_path or "").startswith("debug/")]
        others = [default for default in defaults if default not in amendments]
        config = super()._compose_config_from_defaults_list(others, repo)
        for default in amendments:
            amendment = super()._compose_config_from_defaults_list([default], repo)
            _leave_out_absent(amendment, config)
            config.merge_with(amendment)
        changes = schema.changeable(OmegaConf.get_type(config))
        _open_empty(config, {name for name in config if repo.group_exists(str(name)) and name not in changes})
        return config

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        """Return the options of a group."""
        if config_name is not None or overrides:
            return super().get_group_options(group_name, results_filter, config_name, overrides)
        if self._listed is None:
            _, self._listed = self._parse_overrides_and_create_caching_repo(None, [])
        return _but_bases(self._listed.get_group_options(group_name, results_filter), results_filter)


def _but_bases(names: list[str], kind: ObjectType | None) -> list[str]:
    """Return names without the folders ``base``: what several files of a group share is not chosen by itself."""
    return [name for name in names if kind is not ObjectType.GROUP or name != "base"]


def _leave_out_absent(amendment: DictConfig, config: DictConfig) -> None:
    """Remove from ``amendment`` what it sets of parts that ``config`` does not build, for they have no ``_target_``."""

    def is_built(node: DictConfig, key: str) -> bool:
        part = node._get_node(key) if key in node else None
        return isinstance(part, DictConfig) and "_target_" in part

    kind = OmegaConf.get_type(config)
    for field in fields(kind) if is_dataclass(kind) else ():
        key, holds = field.name, field.metadata.get("holds")
        parts = amendment._get_node(key) if key in amendment else None
        if not isinstance(parts, DictConfig):
            continue
        if holds == "object" and not is_built(amendment, key) and not is_built(config, key):
            del amendment[key]
        elif holds == "objects":
            there = config._get_node(key)
            built = [name for name in there if is_built(there, str(name))] if isinstance(there, DictConfig) else []
            for name in list(parts):
                if name not in built and not is_built(parts, str(name)):
                    del parts[name]


class Composer:
    """The yaml files of genloom and of the user, as one command sees them.

    Args:
        command: name of the root file.
        directory: genloom's own folder of configurations.
        user_directory: the user's, searched after it.

    Raises:
        ConfigError: ``user_directory`` is not a folder.
    """

    errors = (HydraException, OmegaConfBaseException, yaml.YAMLError)

    def __init__(self, command: str, directory: Path, user_directory: str | None = None) -> None:
        schema.register(command)
        version.setbase("1.3")
        search_path = create_config_search_path(str(directory))
        if user_directory is not None:
            folder = Path(user_directory).expanduser().resolve()
            if not folder.is_dir():
                raise ConfigError(f"--config-dir: {user_directory} is not a folder")
            search_path.prepend(
                provider="command-line", path=f"file://{folder}", anchor=SearchPathQuery(provider="schema")
            )
        self.command = command
        self._search: list[str] = []  # overrides that add folders
        self._repository: CachingConfigRepository | None = None
        self._composed: dict[tuple[str, ...], DictConfig] = {}  # by choices, before values are set
        self.hydra = Hydra(task_name=command, config_loader=_Loader(config_search_path=search_path))

    def parse(self, overrides: Sequence[str]) -> list[Override]:
        """Read overrides.

        Raises:
            ConfigError: naming the malformed one.
        """
        parser = OverridesParser.create(config_loader=self.hydra.config_loader)
        return [self._parse(parser, override) for override in overrides]

    def _parse(self, parser: OverridesParser, override: str) -> Override:
        try:
            return parser.parse_overrides([override])[0]
        except HydraException as error:
            if "=" not in override:
                hint = did_you_mean(override, [*self.groups(), "--multirun", "--help", "--cfg"])
                raise ConfigError(f"{override}: an argument is written KEY=VALUE{hint}") from error
            key, _, value = override.partition("=")
            reason = str(error).splitlines()[0]
            quotes = f"{key}={quoted(value)}"
            hint = f"; {pasted(quotes)} is a text" if value[:1] not in ("'", '"') and _parses(parser, quotes) else ""
            if value[:1] in ("[", "{") and value[-1:] not in ("]", "}"):
                hint = f"; an argument with blanks stands in quotes: '{key}={value} …{']' if value[0] == '[' else '}'}'"
            raise ConfigError(f"{key}: {override!r} cannot be read ({reason}){hint}") from error

    def compose(self, overrides: Sequence[Override]) -> DictConfig:
        """Return the configuration, including Hydra's own node.

        Raises:
            ConfigError: a group, an option, a key or a value is wrong, or a yaml file is.
        """
        search = [str(item.input_line) for item in overrides if item.key_or_group == "hydra.searchpath"]
        try:
            if self._repository is None or search != self._search:
                loader = self.hydra.config_loader
                assert isinstance(loader, ConfigLoaderImpl)
                _, self._repository = loader._parse_overrides_and_create_caching_repo(self.command, search)
                self._search = search
            choices = [override for override in overrides if self._is_choice(override)]
            for choice in choices:
                self._check_choice(choice)
            chosen = (*search, *(str(choice.input_line) for choice in choices))
            if chosen not in self._composed:
                self._composed[chosen] = self.hydra.compose_config(
                    config_name=self.command, overrides=list(chosen), run_mode=RunMode.RUN, from_shell=False
                )
        except (*self.errors, ValueError) as error:
            raise self.explain(error) from error
        config = copy.deepcopy(self._composed[chosen])
        for override in overrides:
            if override not in choices and override.key_or_group != "hydra.searchpath":
                self._apply(override, config)
        return config

    # Groups and their options

    def groups(self) -> list[str]:
        """Return the names of all config groups but Hydra's own."""
        return [group for group in self.hydra.list_all_config_groups() if not group.startswith("hydra")]

    def options(self, group: str) -> list[str]:
        """Return a group's options, those of its subgroups as ``subgroup/option``."""
        found = self._list(group, ObjectType.CONFIG)
        for subgroup in self._list(group, ObjectType.GROUP):
            found += [f"{subgroup}/{option}" for option in self.options(f"{group}/{subgroup}")]
        return found

    def _list(self, group: str, kind: ObjectType) -> list[str]:
        return _but_bases((self._repository or self.hydra.config_loader).get_group_options(group, kind), kind)

    def _is_choice(self, override: Override) -> bool:
        is_named_as_one = override.package is not None or "/" in override.key_or_group
        return not isinstance(override.value(), dict) and (is_named_as_one or bool(self.options(override.key_or_group)))

    def _check_choice(self, override: Override) -> None:
        key, group, value = _key(override), override.key_or_group, override.value()
        if override.package is not None and (now := renamed(override.package)):
            raise ConfigError(f"{key}: {now}")
        options = self.options(group)
        if not options:
            raise ConfigError(f"{key}: there is no config group {group}{did_you_mean(group, self.groups())}")
        if override.is_delete():
            return
        if override.is_add() and key in self.choosable():
            raise ConfigError(f"{key}: it is chosen already, so it is changed without the plus: {key}={value}")
        listed = f"; its options are {', '.join(options)}"
        for option in value if isinstance(value, list) else [value]:
            if option is None:
                raise ConfigError(f"{key}: null is no option; {pasted(f'~{key}')} chooses none{listed}")
            if not isinstance(option, str) or ("${" not in option and option not in options):
                raise ConfigError(f"{key}: there is no option {option!r}{did_you_mean(str(option), options)}{listed}")

    def choosable(self) -> list[str]:
        """Return the keys that choose from a group in the default configuration: GROUP or GROUP@PACKAGE."""
        found = self.hydra.config_loader.compute_defaults_list(self.command, [], RunMode.RUN)
        in_lists = [  # Hydra keeps no key for a group of which several options are chosen
            (default.config_path.rpartition("/")[0], default.package)
            for default in found.defaults
            if default.override_key is None and "/" in (default.config_path or "")
        ]
        keys = [group if package == group.replace("/", ".") else f"{group}@{package}" for group, package in in_lists]
        return [key for key in dict.fromkeys((*found.overrides.known_choices, *keys)) if not key.startswith("hydra")]

    # Values

    def _apply(self, override: Override, config: DictConfig) -> None:
        key = override.key_or_group
        parts = split_key(key)
        present = self._check_key(override, parts, config)
        if isinstance(mapping := override.value(), dict):
            self._check_below(override, parts, mapping, config)
        if override.is_add() and present and not isinstance(override.value(), list | dict):
            value = override.get_value_element_as_str()
            raise ConfigError(f"{key}: the key exists, so it is set without the plus: {key}={value}")
        if isinstance(override.value(), str) and (choice := _choice_of(key, config)):
            value = override.get_value_element_as_str()
            if "${" not in value:
                raise ConfigError(f"{key}: {value} would replace what is chosen here; did you mean {choice}={value}?")
        try:
            ConfigLoaderImpl._apply_overrides_to_config([override], config)
        except (*self.errors, AttributeError, IndexError, TypeError) as error:
            raise self.explain(error, override) from error

    def _check_key(self, override: Override, parts: list[str], config: DictConfig) -> bool:
        """Return whether the key has a value already; refuse a key that can't have one."""
        may_add = override.is_add() or override.is_force_add()
        node: Any = config
        for position, part in enumerate(parts):
            if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
                known = part in node.keys()  # noqa: SIM118 (`in` is False for a missing value)
                kind = OmegaConf.get_type(node)
                if not known and (not (may_add or node._get_node_flag("struct") is False) or is_dataclass(kind)):
                    raise ConfigError(self._unknown_key(parts[: position + 1], node, config))
                if not known:
                    return False
                if override.is_delete() and is_dataclass(kind) and position == len(parts) - 1:
                    raise ConfigError(f"{'.'.join(parts)}: this key can't be removed, only set")
                node = node._get_node(part)
            elif isinstance(node, ListConfig) and part.isdigit() and int(part) < len(node):
                node = node._get_node(int(part))
            elif may_add:
                return False
            else:
                parent = ".".join(parts[:position])
                remedy = f"; choose it too: {parent}=…" if parent in self.groups() else ""
                raise ConfigError(f"{'.'.join(parts)}: {parent} is {_shown(node)}, which holds no {part}{remedy}")
        return not (isinstance(node, DictConfig | ListConfig) and node._is_none()) and node is not None

    def _check_below(self, override: Override, parts: list[str], value: dict[Any, Any], config: DictConfig) -> None:
        """Refuse keys of a mapping that can't be set, as if each was set by itself."""
        for name, inner in value.items():
            below = [*parts, str(name)]
            self._check_key(override, below, config)
            if isinstance(inner, dict):
                self._check_below(override, below, inner, config)

    def _unknown_key(self, parts: list[str], parent: DictConfig, config: DictConfig) -> str:
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
        siblings = [f"{prefix}{name}" for name in names] + ([] if prefix else self.groups())
        elsewhere = did_you_mean(
            name, leaves := list(_leaves(config))
        )  # as the optimizer's lr is, asked of the trainer
        is_below = any(leaf.endswith(f".{name}") for leaf in leaves)
        if not prefix and not is_below and (others := schema.commands_with(name)):
            listed = ", ".join(f"genloom {other}" for other in others)
            return f"{key}: not a key of this command, but of {listed}{elsewhere}"
        if hint := did_you_mean(name, siblings):
            return f"{key}: unknown key{hint}"
        has = f"{prefix[:-1]} has {', '.join(names) or 'no keys'}"
        if prefix and (owners := self._options_with(prefix[:-1], name)):
            return f"{key}: unknown key; {has}; {name} is a key of {' or '.join(owners)}"
        if elsewhere and (not prefix or is_below):
            return f"{key}: unknown key{elsewhere}"
        there_is = has if prefix else f"there is {', '.join(names)}"
        return f"{key}: unknown key; {there_is}{elsewhere}"

    def _options_with(self, group: str, name: str) -> list[str]:
        """Return the choices from a group that have a key ``name``, as GROUP=OPTION."""
        assert self._repository is not None
        options = {option: self._repository.load_config(f"{group}/{option}") for option in self.options(group)}
        found = [option for option, loaded in options.items() if loaded is not None and name in loaded.config]
        return [f"{group}={option}" for option in found]

    # Hydra's errors

    def explain(self, error: BaseException, override: Override | None = None) -> ConfigError:
        """Return an error of Hydra, OmegaConf or the yaml reader as one that names the key and says what is near.

        Args:
            error: what was raised.
            override: while applying which.
        """
        key = override.key_or_group if override is not None else self.command
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OmegaConfBaseException | yaml.YAMLError):
            cause = cause.__cause__ or cause.__context__
        file = re.search(r"In '([^']+)'", str(error))
        where = f" (in {file[1]}.yaml)" if file else ""
        if isinstance(cause, yaml.MarkedYAMLError) and cause.problem_mark is not None:
            mark = cause.problem_mark
            return ConfigError(f"{mark.name}, line {mark.line + 1}: this is no valid yaml: {cause.problem}")
        if isinstance(error, MissingConfigException):
            return self._explain_missing(error, where)
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
            hint = f"; did you mean {meant[1]}?" if meant else "" if file else self._unused(wanted)
            return ConfigError(f"{wanted}: nothing is chosen by this key{where}{hint}")
        return ConfigError(f"{key}: {_first_line(error)}")

    def _unused(self, key: str) -> str:
        """Return why nothing is chosen by ``key``: it is misspelt, or another choice replaced the part that has it."""
        choosable, (owner, _, name) = self.choosable(), key.partition("@")[2].rpartition(".")
        if key not in choosable or not owner:
            return did_you_mean(key, choosable)
        return f"; what is chosen for {owner} has no {name} to choose (--cfg job --package {owner} shows what it has)"

    def _explain_missing(self, error: MissingConfigException, where: str) -> ConfigError:
        missing = error.missing_cfg_file or ""
        if missing == self.command:
            roots = self.hydra.config_loader.get_group_options("", ObjectType.CONFIG)
            return ConfigError(f"--config-name: there is no {missing}.yaml{did_you_mean(missing, roots)}")
        group, _, option = missing.rpartition("/")
        while group and not self.options(group):
            group, _, head = group.rpartition("/")
            option = f"{head}/{option}"
        return ConfigError(f"{missing}: there is no such file{where}{did_you_mean(option, self.options(group))}")


def _parses(parser: OverridesParser, override: str) -> bool:
    try:
        parser.parse_overrides([override])
    except HydraException:
        return False
    return True


def _open_empty(node: DictConfig, groups: Collection[Any] = ()) -> None:
    """Let mappings that stand empty, but for ``groups`` of which nothing is chosen, take keys of the user's own."""
    for name in node:
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            if len(child) == 0 and name not in groups and not is_dataclass(OmegaConf.get_type(child)):
                child._set_flag("struct", False)
            _open_empty(child)


def _type(parent: Any, name: str) -> str:
    kind = OmegaConf.get_type(parent) if isinstance(parent, DictConfig) else None
    kinds = {field.name: field.type for field in fields(kind)} if is_dataclass(kind) else {}
    found = kinds.get(name)
    written = f", written {pasted(f'{name}=[…]')}" if get_origin(found) is list else ""
    return f"; it takes {found.__name__ if type(found) is type else found}{written}" if found else ""


def _choice_of(package: str, config: DictConfig) -> str | None:
    """Return the key, GROUP@PACKAGE, that chooses what stands at ``package``."""
    return next((key for key in config.hydra.runtime.choices if key.endswith(f"@{package}")), None)


def _key(override: Override) -> str:
    return override.key_or_group + (f"@{override.package}" if override.package else "")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(":.")


def _shown(node: Any) -> str:
    value = OmegaConf.to_container(node) if isinstance(node, DictConfig | ListConfig) else node._value()
    return "null" if value is None else repr(value)


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
