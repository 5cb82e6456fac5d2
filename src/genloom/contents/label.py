"""Labels: one of several classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int, Int64
from torch import Tensor

from genloom.contents.base import Content
from genloom.contents.condition import as_list, dealt
from genloom.contents.shown import Text
from genloom.errors import ConfigError, DataError


@dataclass(frozen=True)
class LabelContent(Content):
    """The class of each example, as an index.

    Args:
        classes: the class names; a label is an index into them.
        counts: training examples of each class, by which a model draws the classes of its samples; None is equally.
    """

    called = "labels"
    remedy = "choose a model of your own, since none of genloom's has labels as its content"
    array = "labels"
    is_drawn = True

    classes: tuple[str, ...]
    counts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            raise DataError("labelled data with no class names: give at least one class")
        if self.counts is not None and (len(self.counts) != len(self.classes) or min(self.counts) < 0):
            raise DataError(
                f"counts of {len(self.counts)} classes, {list(self.counts[:10])}, are not those of the "
                f"{len(self.classes)} named: give one number of examples, at least 0, for each"
            )

    @property
    def shape(self) -> tuple[()]:
        """``()``."""
        return ()

    @property
    def names(self) -> tuple[str, ...]:
        """The classes."""
        return self.classes

    def encode(self, stored: Int[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Keep the indices, as 64-bit integers."""
        return stored.long()

    def decode(self, content: Int[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Keep the indices."""
        return content.detach().long()

    def draw(self, num: int, rng: torch.Generator) -> Int64[Tensor, " num"]:
        """Return classes, as frequent as in the training data."""
        counts = torch.tensor(self.counts or [1] * len(self.classes), dtype=torch.float64)
        return torch.multinomial(counts, num, replacement=True, generator=rng)

    def asked(self, texts: Sequence[str], num: int, key: str) -> Int64[Tensor, " num"]:
        """Return the named classes in turn.

        Raises:
            ConfigError: there is no name, or one is no class.
        """
        unknown = [text for text in texts if text not in self.classes]
        if unknown or not texts:
            raise ConfigError(
                f"{key}: {', '.join(unknown) or 'none'} is not among {', '.join(self.classes)}{as_list(texts, key)}"
            )
        return dealt(torch.tensor([self.classes.index(text) for text in texts]), num)

    def show(self, stored: Int[Tensor, " num"], *, columns: int | None = None) -> Text:
        """Write their names below each other."""
        return Text("".join(f"{self.classes[label]}\n" for label in stored.tolist()))
