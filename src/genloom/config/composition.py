"""Composing a configuration through Hydra, with errors that name the key, the value and the nearest valid names.

Hydra's own errors suggest ``+key=value`` for a misspelt key, which lets the typo pass; so each override is checked
here before Hydra applies it. This module and the two below it, the loader and the choices, are the only ones that use
Hydra's internals (pinned below 1.4).
"""

import copy
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf._utils import split_key
from omegaconf.errors import OmegaConfBaseException

from genloom.config import schema
from genloom.config.advice import pasted, quoted
from genloom.config.choices import Choices
from genloom.config.explaining import explain, unknown_key
from genloom.config.loader import Loader
from genloom.config.near import did_you_mean
from genloom.config.renamed import renamed
from genloom.errors import ConfigError


class Composer(Choices):
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
        self._search: list[str] = []  # overrides that add folders
        self._composed: dict[tuple[str, ...], DictConfig] = {}  # by choices, before values are set
        super().__init__(command, Hydra(task_name=command, config_loader=Loader(config_search_path=search_path)))

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
            if self.repository is None or search != self._search:
                loader = self.hydra.config_loader
                assert isinstance(loader, ConfigLoaderImpl)
                _, self.repository = loader._parse_overrides_and_create_caching_repo(self.command, search)
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
            raise explain(error, self) from error
        config = copy.deepcopy(self._composed[chosen])
        for override in overrides:
            if override not in choices and override.key_or_group != "hydra.searchpath":
                self._apply(override, config)
        return config

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
            raise explain(error, self, override) from error

    def _check_key(self, override: Override, parts: list[str], config: DictConfig) -> bool:
        """Return whether the key has a value already; refuse a key that can't have one."""
        may_add = override.is_add() or override.is_force_add()
        node: Any = config
        for position, part in enumerate(parts):
            if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
                known = part in node.keys()  # noqa: SIM118 (`in` is False for a missing value)
                kind = OmegaConf.get_type(node)
                if not known and (not (may_add or node._get_node_flag("struct") is False) or is_dataclass(kind)):
                    raise ConfigError(unknown_key(self, parts[: position + 1], node, config))
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


def _parses(parser: OverridesParser, override: str) -> bool:
    try:
        parser.parse_overrides([override])
    except HydraException:
        return False
    return True


def _choice_of(package: str, config: DictConfig) -> str | None:
    """Return the key, GROUP@PACKAGE, that chooses what stands at ``package``."""
    return next((key for key in config.hydra.runtime.choices if key.endswith(f"@{package}")), None)


def _key(override: Override) -> str:
    return override.key_or_group + (f"@{override.package}" if override.package else "")


def _shown(node: Any) -> str:
    value = OmegaConf.to_container(node) if isinstance(node, DictConfig | ListConfig) else node._value()
    return "null" if value is None else repr(value)
