"""Any text: a UTF-8 file, a folder of such files, or, without either, the reference that ships inside Python.

The splits are parts of the text by position: first what is trained on, then validation, then test. All windows, of
every split, share one tensor of tokens.

A window is ``length`` + 1 tokens, so that a network sees as many when it is measured as in training. In training one
window begins at every offset, and all its tokens but the first are modelled. When a model is measured, windows follow
on each other: of each the first ``context`` tokens are only read, reaching back into the text before the split, so that
every token of the split is scored exactly once, with at least ``context`` tokens before it. (Nothing stands before the
training split; there the first ``context`` tokens are not scored.)
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Integer
from torch import Tensor

from genloom.contents.condition import Condition
from genloom.contents.text import PromptCondition, TextContent, TextWindows
from genloom.contents.vocabulary import Bytes, Characters, Pieces, Vocabulary
from genloom.data.base import InMemoryData, Split
from genloom.data.texts import files
from genloom.errors import ConfigError, DataError
from genloom.limits import Count, PartialShare
from genloom.part import Part
from genloom.spec import Spec

_log = logging.getLogger(__name__)
_CHUNK = 2**20  # characters that are turned into tokens at once


class FromCharacters(Part):
    """All characters of the whole text, not of its training part alone, in the order of their code points.

    So no character of the other parts is unknown: as in all published numbers of character models.
    """

    def __call__(self, text: str, train: str) -> Characters:
        """Return the vocabulary of ``text``."""
        return Characters("".join(sorted(set(text))))


class FromBytes(Part):
    """The 256 bytes, whatever the text is."""

    def __call__(self, text: str, train: str) -> Bytes:
        """Return the vocabulary."""
        return Bytes()


class FromPieces(Part):
    """Pieces learned from the training part.

    Args:
        size: how many at most; a short text has no more.
    """

    def __init__(self, size: Count) -> None:
        self.size = size

    def __call__(self, text: str, train: str) -> Pieces:
        """Return the vocabulary learned from ``train``.

        Raises:
            DataError: the size is below that of the byte alphabet.
        """
        return Pieces.train(train, self.size)


@dataclass(frozen=True)
class _Tokens:
    """The whole text, and where its parts begin and end."""

    vocabulary: Vocabulary
    rows: Integer[Tensor, " rows"]
    bounds: dict[Split, tuple[int, int]]


class Text(InMemoryData):
    """Tokens of one text, each modelled given those before it.

    Args:
        path: a UTF-8 file, taken as it stands but for a byte order mark; or a folder, whose files are joined by line
            ends in the order of their paths. None is the reference that ships inside Python (``pydoc_data.topics``,
            the help on the language's statements, operators and types), about 0.4 million characters; it differs a
            little between Python's versions.
        files: which files of a folder, by a glob pattern in letters of either case; hidden ones are passed over.
        vocabulary: called as ``vocabulary(text, training_part)``.
        length: tokens of an example.
        context: tokens of each window that are only read when a model is measured.
        val_fraction: share of the characters that is the validation split, before the test split; 0 makes the test
            split serve as both.
        test_fraction: share of the characters that is the test split, at the end.
        **in_memory: see :class:`~genloom.data.base.InMemoryData`.

    Raises:
        ConfigError: for an impossible argument.
        DataError: on reading: the text is missing, empty, not UTF-8, or a split of it is shorter than two windows.
    """

    kind = TextContent

    def __init__(
        self,
        *,
        vocabulary: Callable[[str, str], Vocabulary],
        path: str | os.PathLike[str] | None = None,
        files: str = "**/*.txt",
        name: str = "text",
        length: Count = 128,
        context: Count = 64,
        val_fraction: PartialShare = 0.05,
        test_fraction: PartialShare = 0.05,
        **in_memory: Any,
    ) -> None:
        super().__init__(name=name, **in_memory)
        if length < 1:
            raise ConfigError(f"data.length: {length} is below the limit of 1 token")
        if not 1 <= context <= length:
            raise ConfigError(f"data.context: {context} is not within 1 and data.length={length}")
        if not (val_fraction >= 0 and test_fraction > 0 and val_fraction + test_fraction < 1):
            raise ConfigError(
                f"data.val_fraction, data.test_fraction: {val_fraction}, {test_fraction} must be at least 0 and above "
                "0, and their sum below 1"
            )
        self.vocabulary = vocabulary
        self.path = None if path is None else Path(path).expanduser()
        self.files = files
        self.length = length
        self.context = context
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self._measured: dict[Split, TextWindows] = {}

    @property
    def classes(self) -> None:
        """There are none."""
        return None

    def content(self) -> TextContent:
        """Return the length of an example and the vocabulary."""
        return TextContent(self.length, self._tokens.vocabulary)

    def conditions(self) -> Mapping[str, Condition]:
        """The tokens before each text."""
        return {"prompt": PromptCondition(self.content().vocabulary)}

    def follow(self, spec: Spec) -> None:
        """Take the vocabulary of a model of text: another one's tokens would mean other characters."""
        theirs = TextContent.of(spec.content).vocabulary
        self.vocabulary = lambda text, train: theirs

    def read(self, split: Split) -> TextWindows:
        """Return a window at every offset of a split."""
        begin, end = self._bounds(split)
        starts = torch.arange(max(begin, 1) - 1, end - self.length, dtype=torch.int32)
        return TextWindows(self._tokens.rows, starts, past=1, length=self.length)

    def split(self, name: Split) -> TextWindows:
        """Return a split, reading it at the first call."""
        windows = super().split(name)
        assert isinstance(windows, TextWindows)
        return windows

    def modelled(self, name: Split) -> TextWindows:
        """Return windows that score every token of a split once; the last is moved back to end with the split."""
        if name not in self._measured:
            begin, end = self._bounds(name)
            scored = self.length + 1 - self.context
            first = max(begin, self.context)
            places = torch.arange(first, end, scored).clamp_max(end - scored)
            self._measured[name] = TextWindows(
                self._tokens.rows, places - self.context, past=self.context, length=scored, origin=first
            )
        return self._measured[name]

    def _bounds(self, split: Split) -> tuple[int, int]:
        begin, end = self._tokens.bounds[split]
        if end - begin < (limit := self.length + 2):
            wider = "" if split == "train" else f", raise data.{split}_fraction"
            raise DataError(
                f"{self._where}: the {split} split holds {end - begin} tokens, below the limit of {limit}, two windows "
                f"of data.length={self.length}; give more text{wider} or lower data.length"
            )
        return begin, end

    @property
    def _where(self) -> str:
        return self.name if self.path is None else str(self.path)

    @cached_property
    def _tokens(self) -> _Tokens:
        text = files.embedded() if self.path is None else files.read(self.path, self.files)
        if not text:
            raise DataError(f"{self._where}: empty; name a file that holds text, by data.path")
        tested, trained = (
            int(len(text) * round(1 - later, 9))  # rounded, because 1 - 0.05 - 0.05 is a little below 0.9
            for later in (self.test_fraction, self.test_fraction + self.val_fraction)
        )
        parts = text[:trained], text[trained:tested], text[tested:]
        vocabulary = self.vocabulary(text, parts[0])
        tokens = [_encoded(part, vocabulary) for part in parts]
        after_train, after_val = len(tokens[0]), len(tokens[0]) + len(tokens[1])
        rows = torch.cat(tokens)
        test = (after_val, len(rows))
        val = (after_train, after_val) if self.val_fraction else test
        return _Tokens(vocabulary, rows, {"train": (0, after_train), "val": val, "test": test})


def _encoded(text: str, vocabulary: Vocabulary) -> Integer[Tensor, " tokens"]:
    """Return the tokens, in the smallest type that holds them."""
    small = torch.uint8 if vocabulary.size <= 2**8 else torch.int16 if vocabulary.size <= 2**15 else torch.int32
    chunks = [vocabulary.encode(chunk).to(small) for chunk in _chunks(text)]
    return torch.cat(chunks) if chunks else torch.empty(0, dtype=small)


def _chunks(text: str) -> Iterator[str]:
    """Yield the text in parts that end with a line, so that no word is cut."""
    first = 0
    while first < len(text):
        line_end = text.find("\n", first + _CHUNK)
        end = len(text) if line_end < 0 else line_end + 1
        yield text[first:end]
        first = end
