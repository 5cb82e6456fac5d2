"""What the sequence family expects of its networks: one contract for text, one for series, one for what is inside.

Both networks give, for every value of the content, as many numbers as the model's output asks for.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.batch import Batch, History
from genloom.contents.base import Content
from genloom.contents.series import SeriesContent
from genloom.contents.text import TextContent

State = Any  # what a network carries from token to token: tensors in lists, tuples or dicts


class Backbone(nn.Module):
    """A map of a sequence of vectors to one of as many. Built by ``backbone()``.

    Attributes:
        width_in: length of the vectors that it takes.
        width: length of those that it returns.
        context: positions that can be seen at once; None is any number.
        causal: whether a position depends only on itself and those before it.
        attends: whether :meth:`attention` is there.
    """

    width_in: int
    width: int
    context: int | None = None
    causal: bool = True
    attends: bool = False

    def forward(self, x: Float[Tensor, "batch positions width_in"]) -> Float[Tensor, "batch positions width"]:
        """Return a vector per position."""
        raise NotImplementedError

    def attention(
        self, x: Float[Tensor, "batch positions width_in"]
    ) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each position looks at each one, in every layer, averaged over heads; rows sum to 1."""
        raise NotImplementedError

    def start(self, batch: int, positions: int) -> State:
        """Return the state before the first position, for at most so many positions; of causal ones only."""
        raise NotImplementedError

    def step(
        self, x: Float[Tensor, "batch positions width_in"], state: State
    ) -> tuple[Float[Tensor, "batch positions width"], State]:
        """Return what :meth:`forward` gives for the next positions, and the state after them.

        The given state must not be used again: it may have been changed in place.
        """
        raise NotImplementedError


class TextNetwork(nn.Module):
    """Predicts each token from those before it. Built by ``network(spec, outputs=…)``.

    Attributes:
        context: tokens that can be seen at once; None is any number.
        attends: whether :meth:`attention` is there.
    """

    kind: ClassVar[type[Content]] = TextContent
    context: int | None = None
    attends: bool = False

    def forward(
        self, prompt: Int[Tensor, "batch prefix"], content: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length outputs"]:
        """Return the outputs of each token of the content, given the prompt and the tokens before it."""
        raise NotImplementedError

    def attention(
        self, prompt: Int[Tensor, "batch prefix"], content: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each position looks at each one, in every layer, averaged over heads; rows sum to 1."""
        raise NotImplementedError

    def start(self, tokens: Int[Tensor, "batch prefix"], capacity: int) -> tuple[Float[Tensor, "batch outputs"], State]:
        """Return the outputs of the token after ``tokens``, and a state that :meth:`step` goes on from.

        Args:
            tokens: at least one.
            capacity: tokens that will be seen in all, ``tokens`` included; within the context.
        """
        raise NotImplementedError

    def step(self, tokens: Int[Tensor, " batch"], state: State) -> tuple[Float[Tensor, "batch outputs"], State]:
        """Return the outputs of the token after ``tokens``, the next one of each sequence, and the state after it.

        The given state must not be used again: it may have been changed in place.
        """
        raise NotImplementedError


class SeriesNetwork(nn.Module):
    """Predicts all steps of the horizon from the history. Built by ``network(spec, outputs=…)``.

    Attributes:
        attends: whether :meth:`attention` is there.
    """

    kind: ClassVar[type[Content]] = SeriesContent
    attends: bool = False

    def forward(self, history: History) -> Float[Tensor, "batch horizon channels outputs"]:
        """Return the outputs of each future value."""
        raise NotImplementedError

    def attention(self, history: History) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each patch looks at each one, in every layer, averaged over heads; rows sum to 1."""
        raise NotImplementedError


class ClosedFormNetwork(nn.Module):
    """A network, for text or for series, whose parameters have a closed form."""

    def solve(self, train: Iterable[Batch], val: Iterable[Batch]) -> Mapping[str, Tensor]:
        """Return the best parameters, by their names, and fill the buffers.

        Args:
            train: all examples of the training split; may be iterated several times.
            val: those by which a penalty is chosen; likewise.
        """
        raise NotImplementedError
