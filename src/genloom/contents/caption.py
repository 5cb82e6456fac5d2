"""Captions: a short text about each example, that a model may be told."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int, Int64, Integer
from torch import Tensor

from genloom.contents.condition import Condition, dealt
from genloom.contents.vocabulary import Vocabulary
from genloom.errors import ConfigError, DataError


@dataclass(frozen=True)
class CaptionCondition(Condition):
    """Texts of different lengths, each as so many tokens; after its end there is :attr:`nothing`.

    Args:
        length: tokens of a text, at most.
        vocabulary: how text becomes tokens.
    """

    called = "captions"

    length: int
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        if self.length < 1:
            raise DataError(f"captions of {self.length} tokens are below the limit of 1")

    @property
    def nothing(self) -> int:
        """What stands after the end of a text: a number that is no token."""
        return self.vocabulary.size

    def encode(self, stored: Integer[Tensor, "*batch length"]) -> Int64[Tensor, "*batch length"]:
        """Keep the tokens, as 64-bit integers."""
        return stored.long()

    def decode(self, content: Int[Tensor, "*batch length"]) -> Int64[Tensor, "*batch length"]:
        """Keep the tokens."""
        return content.detach().long()

    def filled(self, tokens: Int64[Tensor, " tokens"]) -> Int64[Tensor, " length"]:
        """Return a text's tokens, with nothing after them, or without those beyond the length."""
        row = torch.full((self.length,), self.nothing)
        row[: len(tokens)] = tokens[: self.length]
        return row

    def asked(self, texts: Sequence[str], num: int, key: str) -> Int64[Tensor, "num length"]:
        """Return the texts in turn.

        Raises:
            ConfigError: there is none, or one is empty, too long, or holds what is not in the vocabulary.
        """
        try:
            tokens = [self.vocabulary.encode(text) for text in texts]
        except DataError as error:
            raise ConfigError(f"{key}: {error}") from error
        if not tokens or not all(map(len, tokens)):
            raise ConfigError(f"{key}: no text is given")
        longest = max(range(len(tokens)), key=lambda place: len(tokens[place]))
        if len(tokens[longest]) > self.length:
            raise ConfigError(
                f"{key}: {texts[longest]!r:.60} is {len(tokens[longest])} tokens long, above the limit of "
                f"{self.length}; shorten it"
            )
        return dealt(torch.stack([self.filled(each) for each in tokens]), num)
