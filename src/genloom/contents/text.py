"""Text: tokens, each modelled given those before it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int, Int64, Integer
from torch import Tensor

from genloom.batch import Batch, Given
from genloom.contents.base import Content
from genloom.contents.condition import Condition, dealt
from genloom.contents.shown import Text
from genloom.contents.vocabulary import Vocabulary
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples, Windows


@dataclass(eq=False)
class TextBatch(Batch):
    """Tokens; what is given is a ``prompt`` of at least one token, after which the first of them stands."""

    content: Int[Tensor, "batch length"]


class TextWindows(Windows):
    """Windows of a text: the tokens before, then those to be modelled.

    Args:
        rows: the text's tokens, of any integer type.
        starts, past, length: see :class:`Windows`.
        origin: row of the first token that is scored, where windows follow on each other and score each token once. A
            window that stands no whole number of lengths from there was moved back to end with the text: the tokens
            that the one before it has scored are masked out. None scores all tokens of every window.
    """

    rows: Integer[Tensor, " rows"]
    origin: int | None

    def __init__(
        self, rows: Tensor, starts: Tensor, *, past: int, length: int, origin: int | None = None, **columns: Any
    ) -> None:
        super().__init__(rows, starts, past=past, length=length, origin=origin, **columns)

    def scored(self, index: Int[Tensor, " chosen"]) -> Bool[Tensor, "chosen length"] | None:
        """Return which tokens of the windows at ``index`` are scored there; None if all are."""
        if self.origin is None:
            return None
        repeated = (self.origin - self.past - self.starts[index]) % self.length
        return torch.arange(self.length, device=index.device) >= repeated.unsqueeze(1)

    @property
    def text(self) -> Integer[Tensor, " covered"]:
        """All that the windows model, in the text's order; of windows that cover a part without gaps."""
        first = self.starts.min().item() + self.past if self.origin is None else self.origin
        return self.rows[int(first) : int(self.starts.max()) + self.past + self.length]


@dataclass(frozen=True)
class PromptCondition(Condition):
    """The tokens before a text.

    Args:
        vocabulary: how text becomes tokens.
    """

    called = "prompts"
    is_drawn = True

    vocabulary: Vocabulary

    def encode(self, stored: Integer[Tensor, "*batch prefix"]) -> Int64[Tensor, "*batch prefix"]:
        """Keep the tokens, as 64-bit integers."""
        return stored.long()

    def decode(self, content: Int[Tensor, "*batch prefix"]) -> Int64[Tensor, "*batch prefix"]:
        """Keep the tokens."""
        return content.detach().long()

    def draw(self, num: int, rng: torch.Generator) -> Int64[Tensor, "num prefix"]:
        """Return prompts of one line's end; of the first symbol, if the vocabulary has none. Nothing is drawn."""
        return self.asked([self.vocabulary.beginning], num, "prompt")

    def asked(self, texts: Sequence[str], num: int, key: str) -> Int64[Tensor, "num prefix"]:
        """Return prompts of one text.

        Raises:
            ConfigError: it is empty, holds characters that are not in the vocabulary, or there is more than one.
        """
        if len(texts) != 1 or not texts[0]:
            raise ConfigError(f"{key}: give one text; without any, texts begin after a line's end")
        try:
            tokens = self.vocabulary.encode(texts[0])
        except DataError as error:
            raise ConfigError(f"{key}: {error}") from error
        return dealt(tokens[None], num)


@dataclass(frozen=True)
class TextContent(Content):
    """Tokens of a text, each modelled given those before it.

    Args:
        length: tokens of an example.
        vocabulary: how text becomes tokens, and back.
    """

    called = "texts"
    remedy = "choose model=text/…"
    suite = "text"
    batches = TextBatch
    array = "tokens"
    seen_at_once = 4

    length: int
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        if self.length < 1:
            raise DataError(f"data.length: texts of {self.length} tokens are below the limit of 1")

    @property
    def shape(self) -> tuple[int]:
        """``(length,)``."""
        return (self.length,)

    def encode(self, stored: Integer[Tensor, "*batch length"]) -> Int64[Tensor, "*batch length"]:
        """Keep the tokens, as 64-bit integers."""
        return stored.long()

    def decode(self, content: Int[Tensor, "*batch length"]) -> Int64[Tensor, "*batch length"]:
        """Keep the tokens."""
        return content.detach().long()

    def batch(
        self, examples: TextWindows, index: Int[Tensor, " chosen"], conditions: Mapping[str, Condition]
    ) -> TextBatch:
        """Return the windows at ``index``, each conditioned on the tokens before it; what was scored is masked out."""
        window = self.encode(examples.taken(index, examples.rows, 0, examples.past + examples.length))
        given = Given(prompt=window[:, : examples.past])
        return TextBatch(window[:, examples.past :], index, given, examples.scored(index))

    def asked(self, texts: Sequence[str], num: int, key: str) -> Int64[Tensor, "num length"]:
        """Return the texts in turn.

        Raises:
            ConfigError: there is none, or one is of another length, or holds what is not in the vocabulary.
        """
        try:
            tokens = [self.vocabulary.encode(text) for text in texts]
        except DataError as error:
            raise ConfigError(f"{key}: {error}") from error
        if wrong := [
            f"{text!r} is {len(one)}" for text, one in zip(texts, tokens, strict=True) if len(one) != self.length
        ]:
            raise ConfigError(f"{key}: {wrong[0]} tokens long; give texts of {self.length}")
        if not tokens:
            raise ConfigError(f"{key}: no text is given")
        return dealt(torch.stack(tokens).long(), num)

    def show(self, stored: Integer[Tensor, "num length"], *, columns: int | None = None) -> Text:
        """Write them below each other, numbered."""
        texts = (self.vocabulary.decode(tokens) for tokens in stored.cpu())
        return Text("\n".join(f"--- {number} ---\n{text}" for number, text in enumerate(texts, 1)) + "\n")

    def positions(self, batch: Batch) -> list[str]:
        """Return each token as text, a line's end as ⏎."""
        read = torch.cat([batch.given["prompt"][0], batch.content[0]])
        return [self.vocabulary.decode(token.view(1)).replace("\n", "⏎") for token in read]

    def save(self, examples: Examples, out: Path, *, columns: int | None = None) -> list[str]:
        """Write a file of each."""
        return self.save_texts([self.vocabulary.decode(tokens) for tokens in examples.content], out)

    @staticmethod
    def save_texts(texts: Sequence[str], out: Path) -> list[str]:
        """Write a file of each text; return a line on them, to be printed."""
        digits = len(str(len(texts) - 1))
        for number, text in enumerate(texts):
            (out / f"{number:0{digits}d}.txt").write_text(text, encoding="utf-8")
        return [f"single:   {os.path.relpath(out)}/*.txt"]

    def facts(self) -> dict[str, Any]:
        """Name also the vocabulary, by its kind and size."""
        kind = type(self.vocabulary).__name__.lower()
        return {**super().facts(), "vocabulary": {"kind": kind, "size": self.vocabulary.size}}
