"""What is typed after a command, as overrides that Hydra's grammar reads as they were meant.

A text that the grammar can't read is taken as it stands: a path with letters of any script, with a blank and brackets,
a separator of columns. What it can read keeps its meaning, and so does what begins as a list, a mapping or a text in
quotes.
"""

import os
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from genloom.config import schema
from genloom.config.advice import quoted
from genloom.errors import ConfigError

_IN_QUOTES = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ITEM = re.compile(rf"{_IN_QUOTES}|[^\[\],'\"]+")
_PART = re.compile(rf"(?:{_IN_QUOTES}|[^,])+")  # of what commas part


def overrides(command: str, arguments: Sequence[str], *, multirun: bool, positional: bool = True) -> list[str]:
    """Return ``arguments`` as overrides that the grammar reads, but for those that nobody can.

    Args:
        command: whose schema says which keys are positional, or literal.
        arguments: without flags.
        multirun: whether commas part the jobs of a sweep.
        positional: whether arguments without ``=`` are values.

    Raises:
        ConfigError: a positional key is set by its name as well.
    """
    key, literal = schema.positional(command), schema.literal(command)
    found = _keyed(key, arguments) if key is not None and positional else list(arguments)
    found = [each for override in found for each in _one_by_one(override, literal)]
    found = [_as_text(override, literal, multirun=multirun) for override in found]
    found = [_with_null(override, literal) for override in found]
    parser = OverridesParser.create()
    return [_readable(override, parser, multirun=multirun) for override in found]


def _keyed(key: str, arguments: Sequence[str]) -> list[str]:
    """Return the overrides among ``arguments``, and one more that sets ``key`` to the list of the others.

    Raises:
        ConfigError: the key is set by name as well.
    """
    values = [argument for argument in arguments if not _is_override(argument)]
    found = [argument for argument in arguments if _is_override(argument)]
    if not values:
        return found
    if any(override.lstrip("+").startswith(f"{key}=") for override in found):
        raise ConfigError(f"{key}: {values[0]} and {key}=… both set it; write all of them without {key}=")
    return [*found, f"{key}=[{','.join(map(quoted, values))}]"]


def _is_override(argument: str) -> bool:
    if argument.startswith((".", "/", "~/")):  # as no key does: ./lr=1 is a path
        return False
    return not argument or "=" in argument or argument.startswith("~")  # ~KEY removes a key


def _one_by_one(override: str, keys: Sequence[str]) -> list[str]:
    """Return KEY=NAME=VALUE,NAME=VALUE, of a key whose names are free, as an override of each name."""
    key, _, value = override.partition("=")
    if f"{key}." not in keys or not re.match(r"\w+=", value):
        return [override]
    return [f"{key}.{each}" for each in re.split(r",(?=\w+=)", value)]


def _as_text(override: str, keys: Sequence[str], *, multirun: bool) -> str:
    """Return an override of one of ``keys`` with its value in quotes, so that nothing in it is grammar.

    In a sweep only commas are, which part the jobs.
    """
    key, _, value = override.partition("=")
    below = tuple(known for known in keys if known.endswith("."))
    is_text = key in keys or (key.startswith(below) and value and value[:1] != "[")
    if not is_text:
        return override
    parts = _PART.findall(value) if multirun else [value]
    return f"{key}={','.join(part if part == 'null' or _is_in_quotes(part) else quoted(part) for part in parts)}"


def _is_in_quotes(text: str) -> bool:
    return re.fullmatch(_IN_QUOTES, text) is not None


def _with_null(override: str, texts: Sequence[str]) -> str:
    """Return an override without a value as one that sets null: ``KEY=`` unsets, but for ``texts``, that may be empty.

    Hydra reads an empty text there, which no key but such a text takes.
    """
    key, equals, value = override.partition("=")
    return f"{override}null" if equals and not value and key not in texts else override


def _readable(override: str, parser: OverridesParser, *, multirun: bool) -> str:
    """Return an override that the grammar can't read with quotes around what it stumbles over, if that helps."""
    key, equals, value = override.partition("=")
    if not equals or _reads(override, parser):
        return override
    if value.startswith("["):
        value = _ITEM.sub(lambda found: _item(found[0], parser), value)
    elif not value.startswith(("{", "'", '"')):
        value = ",".join(_item(part, parser) for part in _PART.findall(value)) if multirun else _text(value)
    return f"{key}={value}" if _reads(f"{key}={value}", parser) else override


def _item(text: str, parser: OverridesParser) -> str:
    """Return an item of a list, in quotes if it needs them."""
    bare = text.strip()
    return text if not bare or _reads(f"key={bare}", parser) else _text(bare)


def _text(text: str) -> str:
    """Return a text in quotes; ``~/`` is the home folder, which few shells see to behind ``=``."""
    return quoted(os.path.expanduser(text) if text.startswith("~/") else text)


def _reads(override: str, parser: OverridesParser) -> bool:
    try:
        parser.parse_override(override)
    except (HydraException, RecursionError):
        return False
    return True
