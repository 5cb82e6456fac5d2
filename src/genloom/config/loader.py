"""Hydra's loader of configurations, as this program uses it."""

from collections.abc import Collection
from dataclasses import fields, is_dataclass
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra.core.default_element import ResultDefault
from hydra.core.object_type import ObjectType
from omegaconf import DictConfig, OmegaConf

from genloom.config import schema


class Loader(ConfigLoaderImpl):
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
        return but_bases(self._listed.get_group_options(group_name, results_filter), results_filter)


def but_bases(names: list[str], kind: ObjectType | None) -> list[str]:
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


def _open_empty(node: DictConfig, groups: Collection[Any] = ()) -> None:
    """Let mappings that stand empty, but for ``groups`` of which nothing is chosen, take keys of the user's own."""
    for name in node:
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            if len(child) == 0 and name not in groups and not is_dataclass(OmegaConf.get_type(child)):
                child._set_flag("struct", False)
            _open_empty(child)
