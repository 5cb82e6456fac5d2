"""Files of a run's folder, which may be anybody's: plain values, read without following what never ends.

Their texts are made printable, since all of them are for a person to read.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from genloom.printable import printable

_MOST_BYTES = 2**26
_MOST_LEVELS = 50
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # several times faster


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a pipe or a device, far larger than a run's file, or no UTF-8.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is no regular file")
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path.name} is larger than {_MOST_BYTES >> 20} MiB")
    return path.read_text(encoding="utf-8")


def json_of(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or see :func:`text_of`.
    """
    try:
        return _printable(json.loads(text_of(path)))
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None


def yaml_of(path: Path) -> Any:
    """Return what a YAML file of plain values holds; interpolations stay as they are written.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no YAML, repeats parts of itself or is nested too deeply, or see :func:`text_of`.
    """
    text, level = text_of(path), 0
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or level > _MOST_LEVELS:
                raise ValueError(f"{path.name} repeats parts of itself, or is nested too deeply")
        return _printable(yaml.load(text, Loader=_PARSER))
    except (yaml.YAMLError, RecursionError, TypeError) as error:  # TypeError: a mapping as a key
        raise ValueError(f"{path.name} is no YAML of plain values ({str(error).splitlines()[0]})") from error


def _printable(node: Any) -> Any:
    if isinstance(node, dict):
        return {_printable(name): _printable(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_printable(value) for value in node]
    return printable(node) if isinstance(node, str) else node
