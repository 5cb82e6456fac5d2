"""What can be chosen: groups of files, their options, the keys that choose."""

from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.hydra import Hydra
from hydra.core.object_type import ObjectType
from hydra.types import RunMode

from genloom.config.loader import but_bases


class Choices:
    """The yaml files that a command sees.

    Args:
        command: name of the root file.
        hydra: knows the folders.
    """

    def __init__(self, command: str, hydra: Hydra) -> None:
        self.command = command
        self.hydra = hydra
        self.repository: CachingConfigRepository | None = None  # of what was read, once something was

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
        return but_bases((self.repository or self.hydra.config_loader).get_group_options(group, kind), kind)

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

    def options_with(self, group: str, name: str) -> list[str]:
        """Return the choices from a group that have a key ``name``, as GROUP=OPTION."""
        assert self.repository is not None
        options = {option: self.repository.load_config(f"{group}/{option}") for option in self.options(group)}
        found = [option for option, loaded in options.items() if loaded is not None and name in loaded.config]
        return [f"{group}={option}" for option in found]
