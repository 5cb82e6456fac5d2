"""From conditions to vectors: an embedder for each kind, and all that a network is told as one.

Asked for vectors of some length, an embedder learns them. Without a length, labels become ones and zeros (one-hot),
values of one shape stay as they are, and pictures, texts and captions become 64 learned numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod, sqrt
from typing import ClassVar, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.batch import Given
from genloom.contents.base import Values, why_not
from genloom.contents.caption import CaptionCondition
from genloom.contents.condition import Condition
from genloom.contents.image import ImageContent
from genloom.contents.label import LabelContent
from genloom.contents.text import PromptCondition, TextContent
from genloom.errors import ConfigError, NeedsLabelsError
from genloom.limits import Count
from genloom.networks.base import Pyramid
from genloom.spec import Spec

_Own = TypeVar("_Own", bound="Embedder")


class Embedder(nn.Module):
    """Makes a vector of a condition. Built by ``embedder(condition, dim=…, std=…)``.

    Attributes:
        kind: of conditions that it is made for.
        dim: length of the vectors.
    """

    kind: ClassVar[type[Condition] | tuple[type[Condition], ...]] = Condition
    dim: int

    def apply(self: _Own, fn: Callable[[nn.Module], None]) -> _Own:
        """Keep the weights: where a network initialises all of its layers, its embedders stay as they are."""
        return self

    def forward(self, values: Tensor) -> Float[Tensor, "batch dim"]:
        """Return a vector for each value of the condition, as a model sees it."""
        raise NotImplementedError


class LabelEmbedder(Embedder):
    """A learned vector per class; without a wanted length the class as ones and zeros (one-hot).

    Args:
        condition: the classes.
        dim: wanted length.
        std: standard deviation of learned values at first.
    """

    kind = LabelContent

    def __init__(self, condition: LabelContent, *, dim: int | None = None, std: float = 1.0) -> None:
        super().__init__()
        self.num_classes = len(condition.classes)
        self.dim = dim or self.num_classes
        self.vectors = nn.Embedding(self.num_classes, dim) if dim is not None else None
        if self.vectors is not None and std != 1.0:
            nn.init.normal_(self.vectors.weight, 0.0, std)

    def forward(self, values: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Return the vector of each class."""
        if self.vectors is not None:
            return self.vectors(values)
        return F.one_hot(values, self.num_classes).to(torch.get_default_dtype())


class ValuesEmbedder(Embedder):
    """A linear map of all values; without a wanted length the values themselves.

    Args:
        condition: values of one shape, as points are.
        dim: wanted length.
        std: standard deviation of what comes out at first, where the values' is 1.
    """

    kind = Values

    def __init__(self, condition: Values, *, dim: int | None = None, std: float = 1.0) -> None:
        super().__init__()
        num = prod(condition.shape)
        self.dim = dim or num
        self.linear = _linear(num, dim, std) if dim is not None else None

    def forward(self, values: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch dim"]:
        """Return the values as a vector, mapped if wanted."""
        flat = values.flatten(1)
        return flat if self.linear is None else self.linear(flat)


class PictureEmbedder(Embedder):
    """Strided convolutions, each with ReLU, down to a small map, then a linear map of it.

    Args:
        condition: pictures of any size.
        dim: wanted length; None is 64.
        std: standard deviation of what comes out at first, roughly.
        width: channels of the first map, doubled at each halving.
        max_width: the limit of that doubling.
    """

    kind = ImageContent

    def __init__(
        self,
        condition: ImageContent,
        *,
        dim: int | None = None,
        std: float = 1.0,
        width: Count = 16,
        max_width: Count = 64,
    ) -> None:
        super().__init__()
        self.dim = dim or 64
        channels, height, width_pixels = condition.shape
        layers: list[nn.Module] = []
        for out in Pyramid(height, width_pixels).widths(width, max_width):
            layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.ReLU(inplace=True)]
            channels, height, width_pixels = out, -(-height // 2), -(-width_pixels // 2)
        self.layers = nn.Sequential(*layers, nn.Flatten(), _linear(channels * height * width_pixels, self.dim, std))

    def forward(self, values: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch dim"]:
        """Return a vector of each picture."""
        return self.layers(values)


class TextEmbedder(Embedder):
    """A learned vector per token, read in both directions by gated recurrent units; the mean over positions.

    Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014.

    Args:
        condition: texts of one length, or prompts.
        dim: wanted length; None is 64.
        std: standard deviation of what comes out at first, roughly.
        hidden: units of each direction.
    """

    kind = (TextContent, PromptCondition)
    others: ClassVar[int] = 0  # numbers that are no tokens of the vocabulary

    def __init__(
        self,
        condition: TextContent | PromptCondition | CaptionCondition,
        *,
        dim: int | None = None,
        std: float = 1.0,
        hidden: Count = 32,
    ) -> None:
        super().__init__()
        self.dim = dim or 64
        self.tokens = nn.Embedding(condition.vocabulary.size + self.others, hidden)
        self.read = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.project = _linear(2 * hidden, self.dim, std)

    def forward(self, values: Int[Tensor, "batch length"]) -> Float[Tensor, "batch dim"]:
        """Return a vector of each text."""
        return self.project(self.read(self.tokens(values))[0].mean(1))


class CaptionEmbedder(TextEmbedder):
    """The same of texts that end at different places: the mean over the positions before the end."""

    kind = CaptionCondition
    others = 1

    def forward(self, values: Int[Tensor, "batch length"]) -> Float[Tensor, "batch dim"]:
        """Return a vector of each text."""
        there = (values != self.tokens.num_embeddings - 1).unsqueeze(2)
        read = self.read(self.tokens(values))[0]
        return self.project((read * there).sum(1) / there.sum(1).clamp(min=1))


def _linear(num: int, dim: int, std: float) -> nn.Linear:
    linear = nn.Linear(num, dim)
    nn.init.normal_(linear.weight, 0.0, std / sqrt(num))
    nn.init.zeros_(linear.bias)
    return linear


#: Called with a condition, and with ``dim`` and ``std``.
MakeEmbedder = Callable[..., Embedder]
#: Of these the first that is made for a condition embeds it, where nothing else is chosen.
EMBEDDERS: Sequence[type[Embedder]] = (LabelEmbedder, PictureEmbedder, TextEmbedder, CaptionEmbedder, ValuesEmbedder)


class Told(nn.Module):
    """What a network is told: some of the data's conditions, each made a vector by an embedder of its own.

    An example whose condition is dropped has zeros in that place, which is what a network that learns from dropped
    conditions knows as "nothing was said"; Ho and Salimans, Classifier-Free Diffusion Guidance, 2022. (Values that are
    kept as they are may be zero themselves: where that matters, a length is wanted.)

    Args:
        spec: the data's.
        who: is told, for messages.
        names: of the conditions; None is all that the data has.
        required: refuse data that has none.
        embedders: by a condition's name; others are embedded by the first of :data:`EMBEDDERS` that is made for them.
        dim: of each vector; None is what is natural for each condition.
        std: standard deviation of learned vectors at first.

    Raises:
        NeedsLabelsError: the data has no condition.
        ConfigError: it has none of that name, or no embedder is made for one.
    """

    def __init__(
        self,
        spec: Spec,
        who: str,
        *,
        names: Sequence[str] | None = None,
        required: bool = True,
        embedders: Mapping[str, MakeEmbedder] | None = None,
        dim: int | None = None,
        std: float = 1.0,
    ) -> None:
        super().__init__()
        if names is None and not spec.given and required:
            raise NeedsLabelsError(
                f"{who} needs labels, and data.name={spec.name} has none; choose labelled data or another"
            )
        if unknown := [name for name in names or () if name not in spec.given]:
            raise ConfigError(
                f"{who}: {', '.join(unknown)} is not among what data.name={spec.name} gives: "
                f"{', '.join(spec.given) or 'nothing'}"
            )
        self.names = tuple(spec.given if names is None else names)
        if unknown := [name for name in embedders or () if name not in self.names]:
            raise ConfigError(
                f"{who}: embedders has {', '.join(unknown)}, which is not among what is told: "
                f"{', '.join(self.names) or 'nothing'}"
            )
        wanted = {} if dim is None else {"dim": dim, "std": std}
        chosen = {name: _embedder(spec, name, who, (embedders or {}).get(name)) for name in self.names}
        built = [embedder(spec.given[name], **wanted) for name, embedder in chosen.items()]
        self.embedders = nn.ModuleList(built)
        self.dim = sum(embedder.dim for embedder in built)

    def vectors(self, given: Given) -> list[Float[Tensor, "batch dim"]]:
        """Return a vector of each condition.

        Raises:
            ConfigError: a condition is missing.
        """
        vectors = []
        for name, embedder in zip(self.names, self.embedders, strict=True):
            if name not in given:
                raise ConfigError(f"given.{name}: a network is told the {name}, and there is none; give one")
            vector = embedder(given[name])
            if (dropped := given.dropped.get(name)) is not None:
                vector = vector.masked_fill(dropped[:, None], 0.0)
            vectors.append(vector)
        return vectors

    def forward(self, given: Given) -> Float[Tensor, "batch dim"]:
        """Return the vectors of all conditions as one."""
        vectors = self.vectors(given)
        return vectors[0] if len(vectors) == 1 else torch.cat(vectors, dim=1)


def _embedder(spec: Spec, name: str, who: str, chosen: MakeEmbedder | None) -> MakeEmbedder:
    """Return the chosen embedder, or the first that is made for the condition."""
    condition = spec.given[name]
    if chosen is None:
        fitting = [embedder for embedder in EMBEDDERS if why_not(embedder, condition) is None]
        if not fitting:
            raise ConfigError(
                f"{who}: no embedder of genloom is made for {condition.called}; choose one as its embedders.{name}"
            )
        return fitting[0]
    kind = chosen.func if isinstance(chosen, partial) else chosen
    if reason := why_not(kind, condition, data=f"{name} of data.name={spec.name}"):
        raise ConfigError(f"{who}: embedders.{name}: {getattr(kind, '__name__', kind)} is {reason}; choose another")
    return chosen
