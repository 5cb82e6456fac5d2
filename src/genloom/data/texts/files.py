"""Texts as they are found: in a file, in a folder of files, or inside Python."""

import logging
import shlex
from pathlib import Path

from genloom.contents.files import binary, decoded, matching, shown, walk
from genloom.data.images.split_folders import split_named
from genloom.errors import ConfigError, DataError

_log = logging.getLogger(__name__)


def embedded() -> str:
    """Return the reference that ships inside Python: its topics in the order of their names, but for those that stand,
    heading aside, within longer ones.
    """
    from pydoc_data.topics import topics

    kept: dict[str, str] = {}
    for name, text in sorted(topics.items(), key=lambda topic: -len(topic[1])):
        body = text.strip().split("\n", 3)[-1].strip()
        if not any(body in other for other in kept.values()):
            kept[name] = text.strip()
    return "\n\n".join(kept[name] for name in sorted(kept)) + "\n"


def read(path: Path, pattern: str) -> str:
    """Return the text of a file, or those of a folder's files, joined by line ends.

    Args:
        path: of either.
        pattern: of the files of a folder.

    Raises:
        ConfigError: the pattern is none.
        DataError: there is no text; names the file.
    """
    if not path.is_dir():
        return _decoded(path)
    try:
        found = walk(path, matching(pattern))
    except ValueError as error:
        raise ConfigError(f"data.files: {pattern!r} is no pattern of files ({error}), such as **/*.txt") from error
    if found.unreadable:
        folder, reason = found.unreadable[0]
        raise DataError(f"data.path: {shown(folder)} cannot be read ({reason})")
    if not found.files:
        others = f": {found.passed_over}" if found.others else ""
        raise DataError(
            f"{path}: no file in this folder matches {pattern}{others}; set data.files to what your texts are called"
        )
    if found.passed_over:
        _log.warning(f"{shown(path)}: {found.passed_over}; data.files={pattern} reads {len(found.files)}")
    texts = list(map(_decoded, found.files))
    _say_what_leaks(path, found.files, texts)
    return "\n".join(texts)


def _say_what_leaks(root: Path, files: list[Path], texts: list[str]) -> None:
    """Say which files are copies, or splits by their names: parts of one text are trained on and judged by."""
    first: dict[str, Path] = {}
    copies = [(file, first.setdefault(text, file)) for file, text in zip(files, texts, strict=True) if text.strip()]
    if twins := [pair for pair in copies if pair[0] is not pair[1]]:
        _log.warning(
            f"{shown(root)}: {shown(twins[0][0].name)} holds the same text as {shown(twins[0][1].name)} "
            f"({len(twins)} such files), so what is tested may be trained on as well; remove the copies"
        )
    relative = [file.relative_to(root) for file in files]
    splits = [path for path in relative if any(split_named(part) for part in (*path.parts[:-1], path.stem))]
    if len({split_named(part) for path in splits for part in (*path.parts[:-1], path.stem)} - {None}) > 1:
        _log.warning(
            f"{shown(root)}: {', '.join(shown(path) for path in splits[:3])} are called as splits are, and joined to "
            "one text that is split anew; name one of them by data.path to leave the others out"
        )


def _decoded(file: Path) -> str:
    if file.exists() and not file.is_file():  # a pipe or a device might never end
        raise DataError(f"data.path: {shown(file)} is no regular file; name a UTF-8 file or a folder of them")
    try:
        content = file.read_bytes()
        if what := binary(content):
            raise DataError(f"{shown(file)}: it is no text but {what}; save what it says as text in UTF-8")
        return decoded(content)
    except FileNotFoundError as error:
        raise DataError(f"data.path: {shown(file)} does not exist; name a UTF-8 file or a folder of them") from error
    except OSError as error:
        raise DataError(f"data.path: {shown(file)} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{shown(file)}: byte 0x{error.object[error.start]:02x} at offset {error.start} is not UTF-8; convert the "
            f"file, as by iconv -f latin1 -t utf-8 {shlex.quote(shown(file.name))}"
        ) from error
