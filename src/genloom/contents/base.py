"""What every kind of content says of itself, and what a part that is made for some kinds is held to.

A kind of content is one class: all that the program knows of pictures, or of texts, stands there. Nobody else asks
which kind it has. A part that is made for one says so by its class attribute ``kind``, and :func:`check` holds it to
that, or :func:`why_not`, where a part that does not fit is left out rather than refused.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from genloom.batch import Batch, Given
from genloom.contents.condition import Condition, dealt
from genloom.contents.files import first_array
from genloom.contents.partial import Partial
from genloom.contents.shown import Shown
from genloom.contents.transforms import Block
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples

if TYPE_CHECKING:
    from genloom.contents.levels import Levels  # which is one kind


class Content(Condition, ABC):
    """One kind of content; any of them may also be the condition of other content.

    What is stored is in the user's world (8-bit pixels, say); what is encoded is what a model sees.

    Attributes:
        remedy: what to choose for such data in place of a part that is not made for it.
        suite: the metrics that are made for it, as ``metrics=`` chooses them; None if no suite is.
        bounded: whether encoded values lie within [-1, 1].
        batches: the class of its batches.
        examples: the class of its examples, as a model generates them.
        array: what samples are called in a file of arrays.
        layout: how that array is to be read, for the line that names it; without it the array's type is said.
        forms: what :meth:`export` writes examples as for other programs; the first unless another is asked for.
        units: what values a squared error is of.
        resized: what a message on examples of another shape ends with: how to give others.
        seen_at_once: examples that are enough for a person to judge by.
    """

    remedy: ClassVar[str] = "choose a part that is"
    suite: ClassVar[str | None] = None
    bounded: ClassVar[bool] = False
    batches: ClassVar[type[Batch]] = Batch
    examples: ClassVar[type[Examples]] = Examples
    array: ClassVar[str] = "values"
    layout: ClassVar[str] = ""
    forms: ClassVar[tuple[str, ...]] = ()
    units: ClassVar[str] = "values"
    resized: ClassVar[str] = "; give examples of that shape"
    seen_at_once: ClassVar[int] = 64

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one example as a model sees it."""

    @property
    def has_density(self) -> bool:
        """Whether all encoded values are numbers, of which an example has as many as any other."""
        return False

    @property
    def alphabet(self) -> tuple[float, ...] | None:
        """All that each encoded value can be, ascending; None where that is a continuum, or not the same of all."""
        return None

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of one example as it is stored; that of what a model sees, unless a kind says otherwise."""
        return self.shape

    def batch(self, examples: Examples, index: Int[Tensor, " chosen"], conditions: Mapping[str, Condition]) -> Batch:
        """Return the examples at ``index`` as a model sees them, with what they are given.

        Args:
            examples: as they are stored.
            index: places in them.
            conditions: the spec's, by name; those that the examples do not have are left out.
        """
        return self.encode_batch(self.gathered(examples, index, conditions), conditions)

    def gathered(self, examples: Examples, index: Int[Tensor, " chosen"], conditions: Mapping[str, Condition]) -> Batch:
        """Return the examples at ``index``, with what they are given, as they are stored."""
        given = {name: examples.given[name].index_select(0, index) for name in conditions if name in examples.given}
        return Batch(examples.content_at(index), index, Given(given))

    def encode_batch(self, stored: Batch, conditions: Mapping[str, Condition]) -> Batch:
        """Return gathered examples as a model sees them, with what they are given."""
        given = {name: conditions[name].encode(values) for name, values in stored.given.items()}
        return self.batches(self.encode(stored.content), stored.index, Given(given))

    def asked(self, texts: Sequence[str], num: int, key: str) -> Shaped[Tensor, "num ..."]:
        """Return the examples of the named files in turn, as :meth:`read` reads them.

        Raises:
            ConfigError: no file is named.
            DataError: a file can't be read, or holds something else.
        """
        if not texts:
            raise ConfigError(f"{key}: no file of {self.called} is named")
        stored = [self.read(Path(text).expanduser(), key).content for text in texts]
        return self.encode(dealt(torch.cat(stored), num))

    # What a model completes

    @property
    def parts(self) -> tuple[str, ...]:
        """What can be asked for of an example that a model completes, by name; empty where there are no such parts."""
        return ()

    def in_part(self, asked: Mapping[str, Sequence[str]], num: int) -> Partial:
        """Return ``num`` examples of which only what is asked for is known.

        Args:
            asked: by a name of :attr:`parts`, texts, dealt in turn.
            num: how many.

        Raises:
            ConfigError: there is nothing such, or it cannot be together.
        """
        raise ConfigError(f"given.{next(iter(asked))}: {self.called} have no parts to ask for; leave it out")

    def masked(self, stored: Shaped[Tensor, "num ..."], mask: Path | None, box: Sequence[float] | None) -> Partial:
        """Return examples of which a mask, or a box, is to be drawn.

        Args:
            stored: the examples.
            mask: a file.
            box: left, top, right and bottom, as shares of the sides.

        Raises:
            ConfigError: this content has no places that could be masked, or none would be drawn.
            DataError: the file cannot be read, or is of another shape.
        """
        raise ConfigError(f"{'box' if mask is None else 'mask'}: {self.called} have no places to choose; leave it out")

    def to_complete(self, partial: Partial) -> tuple[Tensor, Tensor, Tensor]:
        """Return examples as a model sees them, which of these values are known, and which choices are allowed."""
        raise NotImplementedError

    def kept(self, completed: Shaped[Tensor, "num ..."], partial: Partial) -> Shaped[Tensor, "num ..."]:
        """Return completed examples, stored, with what was known as it was, and the rest in accord with it."""
        raise NotImplementedError

    # What a person sees

    @abstractmethod
    def show(self, stored: Shaped[Tensor, "num ..."], *, columns: int | None = None) -> Shown:
        """Return all examples as one thing to look at.

        Args:
            stored: the examples.
            columns: of what is arranged in rows.
        """

    def compared(self, samples: Shaped[Tensor, "num ..."], real: Shaped[Tensor, "others ..."]) -> Shown:
        """Return generated and real examples as one thing to look at; by default side by side, generated ones first.

        Args:
            samples: stored.
            real: stored.
        """
        return self.show(samples).beside(self.show(real))

    def thumbnails(
        self, stored: Shaped[Tensor, "num ..."], most: int
    ) -> Float[Tensor, "num channels side side"] | None:
        """Return a square picture of each example, in [0, 1] and of at most ``most`` pixels; None if there is none."""
        return None

    def positions(self, batch: Batch) -> list[str]:
        """Return a name for each position of the first example that a model attends to; empty if they have none."""
        return []

    # Files

    def save(self, examples: Examples, out: Path, *, columns: int | None = None) -> list[str]:
        """Write generated examples for people: something to look at, and ``samples.npz``.

        Args:
            examples: the samples.
            out: a folder that is there.
            columns: of what is arranged in rows; None leaves that open.

        Returns:
            A line on each file, to be printed.
        """
        shown = self.show(examples.content, columns=columns).save(out / "samples")
        return [_line("shown", shown), self.save_arrays(examples, out / "samples.npz")]

    def form(self, asked: str | None) -> str | None:
        """Return the one of ``forms`` that examples are written in; None where there are none.

        Raises:
            ConfigError: another is asked for.
        """
        if asked is not None and asked not in self.forms:
            choices = f"set it to {' or '.join(self.forms)}" if self.forms else "leave it out"
            raise ConfigError(f"format: {self.called} are not written as {asked}; {choices}")
        return asked or next(iter(self.forms), None)

    def export(self, examples: Examples, stem: Path, form: str | None) -> list[str]:
        """Write examples for other programs, where this kind has ``forms``.

        Args:
            examples: with what they are given.
            stem: the file's path, without its ending.
            form: what :meth:`form` returns.

        Returns:
            A line on the file, to be printed.
        """
        return []

    def save_arrays(self, examples: Examples, path: Path) -> str:
        """Write an npz: the content, which comes first, then what each sample was given: ``given.label``.

        Returns:
            A line on it, to be printed.
        """
        array = self.to_numpy(examples.content)
        others = {f"given.{name}": values.numpy() for name, values in examples.given.items()}
        arrays: dict[str, Any] = {self.array: array, **others}
        np.savez_compressed(path, **arrays)
        form = self.layout or f" {array.dtype}"
        return (
            _line("array", path)
            + f" ({self.array}, {'x'.join(map(str, array.shape))}{form}{''.join(f'; {name}' for name in others)})"
        )

    def to_numpy(self, stored: Shaped[Tensor, "num ..."]) -> Shaped[np.ndarray, "num ..."]:
        """Return examples as a file of arrays holds them."""
        return stored.numpy()

    def read(self, path: Path, key: str, *, at_least: int = 1) -> Examples:
        """Read samples that another program may have written, as they are stored.

        Args:
            path: what the user named.
            key: of the configuration that named it.
            at_least: so many are needed.

        Raises:
            DataError: they can't be read, are fewer, or of another shape than this content's; names the file.
        """
        raise DataError(f"{key}: files of {self.called} are not read here; name a checkpoint, or data")

    def seen(self, examples: Examples) -> Examples:
        """Return stored examples as a model sees them when it is measured, still stored."""
        return examples

    # What is said of numbers

    def check(self, drawn: Shaped[Tensor, "..."], name: str) -> None:
        """Refuse generated values, as stored, that are not of this content.

        Args:
            drawn: the values.
            name: of who drew them.

        Raises:
            DataError: another shape.
        """
        shape = self.stored_shape
        if tuple(drawn.shape[1:]) != shape or drawn.ndim != len(shape) + 1:
            raise DataError(
                f"{name}: examples of {_sides(drawn.shape[1:])} cannot be judged against data of {_sides(shape)}"
                f"{self.resized}"
            )

    def squared_error(self, ours: Shaped[Tensor, "num ..."], real: Shaped[Tensor, "num ..."]) -> float:
        """Return the mean squared error of stored examples, in ``units``."""
        return (ours.float() - real.float()).square().mean().item()

    def facts(self) -> dict[str, Any]:
        """Return what the protocol of a number says of the content: what is short of its description."""
        plain = (int, float, str, type(None))
        return {name: each for name, each in vars(self).items() if isinstance(each, plain)}


class Values(Content):
    """Floats of one shape, each example by itself: what GANs and autoencoders model, kept as they are.

    A subclass gives its shape and says how it is shown.
    """

    called = "values of one shape"
    remedy = "choose networks for any shape, as in model=gan/dense or model=vae/dense"

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What the encoded values are, in their order, of content as one vector: numbers, unless a kind has choices."""
        return (Block(prod(self.shape), bounded=self.bounded),)

    @property
    def has_density(self) -> bool:
        """Whether nothing is chosen."""
        return not any(block.chosen for block in self.blocks)

    @property
    def levels(self) -> "Levels | None":
        """What an example may be asked to be, one choice of one value; None where nothing is chosen."""
        return None

    def encode(self, stored: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Keep the values, in the precision that models compute in."""
        return stored.to(torch.get_default_dtype())

    def decode(self, content: Float[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """Keep the values, in single precision."""
        return content.detach().float()

    def to_complete(self, partial: Partial) -> tuple[Tensor, Tensor, Tensor]:
        """Return examples as a model sees them; all choices are allowed, as there are none."""
        seen = self.seen(self.examples(partial.stored)).content
        return self.encode(seen), partial.known, torch.ones_like(partial.known)

    def kept(self, completed: Shaped[Tensor, "num ..."], partial: Partial) -> Shaped[Tensor, "num ..."]:
        """Return completed examples with what was known as it was."""
        return torch.where(partial.known, partial.stored, completed)

    def read(self, path: Path, key: str, *, at_least: int = 1) -> Examples:
        """Read the first array of an npz, as :meth:`save` writes it.

        Raises:
            DataError: it holds fewer, or others than finite numbers in the shape of an example; names the file.
        """
        array = first_array(path, key)
        if array.dtype.kind not in "fiu" or array.shape[1:] != self.stored_shape or len(array) < at_least:
            needed = f"at least {at_least} of {self.stored_shape} are needed"
            raise DataError(f"{key}: {path} holds {array.dtype} of {array.shape}; {needed}")
        values = torch.from_numpy(array.astype(np.float32))
        if not values.isfinite().all():
            raise DataError(f"{key}: {path} holds values that are not finite; leave those examples out")
        return self.examples(values)


def why_not(part: Any, content: Condition, *, data: str = "the data") -> str | None:
    """Return None if a part is made for ``content``, else what it is made for and what there is instead.

    Args:
        part: an object or a class. Its class attribute ``kind`` is a class of content or a tuple of such; a part
            without one is made for every kind.
        content: the data's.
        data: what the data is called.
    """
    kind: type[Condition] | tuple[type[Condition], ...] = getattr(part, "kind", Condition)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(content, kinds):
        return None
    return f"made for {' or '.join(kind.called for kind in kinds)}, and {data} holds {content.called}"


def check(part: Any, content: Content, key: str, *, data: str) -> None:
    """Refuse a part that is not made for ``content``; see :func:`why_not`.

    Args:
        part: its class attribute ``instead``, where it has one, is the remedy; else it is the content's.
        content: the data's.
        key: of the configuration that chose the part.
        data: the name of the data set.

    Raises:
        ConfigError: naming what the part needs, what the data holds, and what to choose.
    """
    if reason := why_not(part, content, data=f"data.name={data}"):
        name = part.__name__ if isinstance(part, type) else type(part).__name__
        raise ConfigError(f"{key}: {name} is {reason}; {getattr(part, 'instead', f'{content.remedy}, or other data')}")


def _line(what: str, path: Path) -> str:
    return f"{what + ':':<10}{os.path.relpath(path)}"


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape)
