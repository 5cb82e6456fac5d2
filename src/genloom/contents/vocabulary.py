"""How text becomes tokens, and tokens become text: characters, bytes, or learned pieces.

A vocabulary is plain data, part of the spec, so a checkpoint alone turns prompts into tokens and samples into text.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from genloom.errors import DataError
from genloom.part import Part

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LINE_END = "\n"


@dataclass(frozen=True)
class Characters(Part):
    """A token per character (Unicode code point).

    Args:
        symbols: every character that occurs in the text, in their order.
    """

    symbols: str

    @property
    def size(self) -> int:
        """Number of tokens."""
        return len(self.symbols)

    @property
    def beginning(self) -> str:
        """What stands before a text that nothing stands before: a line's end; the first symbol, if there is none."""
        return _LINE_END if _LINE_END in self.symbols else self.symbols[0]

    def encode(self, text: str) -> Int64[Tensor, " tokens"]:
        """Return the tokens of ``text``.

        Raises:
            DataError: a character is not in the vocabulary; it is named with its place.
        """
        tokens = self._tokens[np.minimum(_code_points(text), len(self._tokens) - 1)]
        unknown = np.flatnonzero(tokens < 0)
        if len(unknown):
            known = self.symbols if self.size <= 200 else f"{self.symbols[:200]}…"
            raise DataError(
                f"character {text[unknown[0]]!r} at position {unknown[0]} is not among the {self.size} of the "
                f"vocabulary: {known!r}; leave it out, or train with vocabulary@data.vocabulary=bytes"
            )
        return torch.from_numpy(tokens)

    def decode(self, tokens: Integer[Tensor, " tokens"]) -> str:
        """Return the text of ``tokens``."""
        return "".join(self.symbols[token] for token in tokens.tolist())

    def characters(self, tokens: Integer[Tensor, "*any"]) -> int:
        """Return how many characters the tokens hold."""
        return tokens.numel()

    @cached_property
    def _tokens(self) -> np.ndarray:
        """The token of each code point, -1 of what is no symbol; the last entry stands for all higher ones."""
        points = _code_points(self.symbols)
        tokens = np.full(int(points.max(initial=0)) + 2, -1)
        tokens[points] = np.arange(self.size)
        return tokens


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@dataclass(frozen=True)
class Bytes(Part):
    """A token per byte of the text's UTF-8 form; every text can be written."""

    size: int = 256
    beginning: ClassVar[str] = _LINE_END

    def encode(self, text: str) -> Int64[Tensor, " tokens"]:
        """Return the tokens of ``text``."""
        return torch.from_numpy(np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64))

    def decode(self, tokens: Integer[Tensor, " tokens"]) -> str:
        """Return the text of ``tokens``; what is no UTF-8 becomes the replacement character."""
        return bytes(tokens.tolist()).decode("utf-8", "replace")

    def characters(self, tokens: Integer[Tensor, "*any"]) -> int:
        """Return how many characters begin among the tokens: bytes that continue one are not counted."""
        return int(((tokens & 0b1100_0000) != 0b1000_0000).sum())


@dataclass(frozen=True)
class Pieces(Part):
    """Learned pieces of words: byte-pair encoding over bytes, so every text can be written.

    Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, 2016; trained and run by the
    ``tokenizers`` library.

    Args:
        tokenizer: its JSON form.
    """

    tokenizer: str
    beginning: ClassVar[str] = _LINE_END

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self._tokenizer.get_vocab_size()

    def encode(self, text: str) -> Int64[Tensor, " tokens"]:
        """Return the tokens of ``text``."""
        return torch.tensor(self._tokenizer.encode(text).ids, dtype=torch.int64)

    def decode(self, tokens: Integer[Tensor, " tokens"]) -> str:
        """Return the text of ``tokens``."""
        return self._tokenizer.decode(tokens.tolist(), skip_special_tokens=False)

    def characters(self, tokens: Integer[Tensor, "*any"]) -> int:
        """Return how many characters begin among the tokens."""
        return int(self._begun.to(tokens.device)[tokens.long()].sum())

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.tokenizer)

    @cached_property
    def _begun(self) -> Int64[Tensor, " size"]:
        """How many characters begin in each token."""
        from tokenizers.pre_tokenizers import ByteLevel

        continuing = _byte_level_continuations(ByteLevel.alphabet())
        pieces = (self._tokenizer.id_to_token(token) or "" for token in range(self.size))
        return torch.tensor([sum(symbol not in continuing for symbol in piece) for piece in pieces])

    @staticmethod
    def train(text: str, size: int) -> "Pieces":
        """Learn ``size`` pieces from ``text``.

        Raises:
            DataError: the size is below that of the byte alphabet.
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        if size < len(alphabet):
            raise DataError(f"data.vocabulary.size: {size} is below the limit of {len(alphabet)}, one piece per byte")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore
        tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore
        trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
        return Pieces(tokenizer.to_str())


def _byte_level_continuations(alphabet: list[str]) -> set[str]:
    """Return the symbols by which the byte-level alphabet writes bytes that continue a character (0x80 to 0xBF).

    Bytes that are printable in Latin-1 stand for themselves; the others, in their order, for code points from 256 on.
    """
    shown = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = [byte for byte in range(256) if byte not in shown]
    symbols = {byte: chr(byte) for byte in shown} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}
    assert set(alphabet) == set(symbols.values())
    return {symbols[byte] for byte in range(0x80, 0xC0)}


Vocabulary = Characters | Bytes | Pieces
