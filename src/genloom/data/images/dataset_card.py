"""What the README of a published set says, in YAML between two lines of ``---`` at its beginning.

Which subsets there are, which files are of which split, and what columns hold:
https://huggingface.co/docs/hub/datasets-manual-configuration.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from genloom.contents.files import matching
from genloom.data.images.rows import Column
from genloom.errors import ConfigError, DataError, reason

_FRONT = re.compile(r"---\s*\n(.*?)^---\s*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Subset:
    """A part of a set that is read by itself.

    Args:
        globs: of each split's files, in their order, below the folder; empty where the files' names say the splits.
        columns: what some columns hold.
    """

    globs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)


def subset(readme: Path, wanted: str | None) -> Subset:
    """Return a subset; without a wish the one that the README says is read then.

    Raises:
        ConfigError: there is no such subset, or several and no wish.
        DataError: what stands there is no YAML, or says something else.
    """
    said = _front(readme)
    try:
        configs = {str(each.get("config_name", "default")): each for each in said.get("configs") or ()}
        infos = said.get("dataset_info") or []
        infos = infos if isinstance(infos, list) else [infos]
        by_name = {str(each.get("config_name", "default")): each for each in infos}
        name = _chosen(readme, configs or by_name, wanted)
        info = by_name.get(name, infos[0] if len(infos) == 1 else {})
        columns = {str(each["name"]): _column(each.get("dtype")) for each in info.get("features") or ()}
        return Subset(_globs(configs.get(name, {})), {name: column for name, column in columns.items() if column})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"data.path: {readme} says of its files or columns what nobody else does ({error!r:.80}); correct it, or "
            "remove what stands between its lines of ---"
        ) from error


def _front(readme: Path) -> Mapping[str, Any]:
    found = _FRONT.match(readme.read_text(encoding="utf-8", errors="replace"))
    try:
        said = yaml.safe_load(found[1]) if found else {}
    except yaml.YAMLError as error:
        raise DataError(
            f"data.path: what stands between the lines of --- in {readme} is no YAML ({reason(error)}); correct or "
            "remove it"
        ) from error
    return said if isinstance(said, Mapping) else {}


def _chosen(readme: Path, known: Mapping[str, Mapping[str, Any]], wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in known:
            raise ConfigError(
                f"data.subset: {readme.parent} has no {wanted}; "
                + (f"it has {', '.join(known)}" if known else "its README names none, so leave it out")
            )
        return wanted
    default = [name for name, each in known.items() if each.get("default")] or [
        name for name in known if name == "default"
    ]
    default = default or list(known)
    if len(default) > 1:
        raise ConfigError(
            f"data.subset: {readme.parent} has {', '.join(known)}; choose one, as data.subset={default[0]}"
        )
    return default[0] if default else "default"


def _globs(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the globs of each split."""
    files = config.get("data_files") or ()
    if isinstance(files, Mapping):
        files = [{"split": split, "path": path} for split, path in files.items()]
    globs: dict[str, list[str]] = {}
    for each in [files] if isinstance(files, str) else files:
        split, paths = (each["split"], each["path"]) if isinstance(each, Mapping) else ("train", each)
        for path in [paths] if isinstance(paths, str) else paths:
            glob = path if "://" in path else str(PurePosixPath(config.get("data_dir") or "", path))
            glob = f"{glob}/*" if glob.endswith("**") else glob
            matching(glob)  # of one that it does not know the error is the README's
            globs.setdefault(str(split), []).append(glob)
    return globs


def _column(dtype: Any) -> Column | None:
    """Return what a column holds; None of what is neither images nor labels."""
    kind = dtype if isinstance(dtype, str) else next(iter(dtype or ()), None)
    if kind == "image":
        return Column("image")
    if kind != "class_label":
        return None
    names = dtype["class_label"]["names"] if isinstance(dtype, Mapping) else None
    if isinstance(names, Mapping):
        names = [names[key] for key in sorted(names, key=int)]
    return Column("label", None if names is None else tuple(map(str, names)))
