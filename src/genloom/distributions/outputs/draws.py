"""The next values of a series as draws of the whole of it: what a model knows that draws, and has no formula."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.batch import Batch, Given, History
from genloom.distributions.outputs.base import Prediction, fair_crps

_AT_ONCE = 1000  # futures per pass; what is drawn depends on it, so there is one for whoever draws


class Draws(Prediction):
    """As many draws of each future; the values of one draw belong together.

    Args:
        content: the draws.
    """

    has_quantiles = True

    def __init__(self, content: Float[Tensor, "num *shape"]) -> None:
        self.content = content
        self._ascending = content.sort(0).values

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        """The draws' mean."""
        return self.content.mean(0)

    @property
    def median(self) -> Float[Tensor, "*shape"]:
        """The draws' median."""
        return self.quantiles(torch.tensor([0.5]))[0]

    def quantiles(self, levels: Float[Tensor, " levels"]) -> Float[Tensor, "levels *shape"]:
        """Return the values that one more draw would lie below with the probabilities ``levels``, linear between draws.

        Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996, definition 6: the k-th of n draws has the level
        k/(n + 1). Levels beyond those of the outermost draws get these.
        """
        num = len(self.content)
        place = (levels.double() * (num + 1) - 1).clamp(0, num - 1)
        low = place.floor().long().clamp(max=max(num - 2, 0))
        weight = (place - low).to(self.content).view(-1, *[1] * (self.content.ndim - 1))
        low = low.to(self.content.device)
        return self._ascending[low].lerp(self._ascending[(low + 1).clamp(max=num - 1)], weight)

    def sample(self, num: int, rng: torch.Generator) -> Float[Tensor, "num *shape"]:
        """Return so many of the draws, whole, in a random order; all of them before one is repeated."""
        order = torch.randperm(len(self.content), generator=rng, device=rng.device)
        return self.content[order.to(self.content.device)[torch.arange(num) % len(order)]]

    def crps(
        self, content: Float[Tensor, "*shape"], *, rng: torch.Generator, num_samples: int = 100
    ) -> Float[Tensor, "*shape"]:
        """Return the score by all draws that there are; no more are drawn."""
        return fair_crps(self._ascending, content)


def drawn(draw: Callable[..., Batch], history: History, num: int, rng: torch.Generator) -> Draws:
    """Return ``num`` futures of each history.

    Args:
        draw: one of each; called as ``draw(num, rng=…, given=…)``.
        history: of each series.
        num: at least 2.
        rng: of the draws.
    """
    batch = len(history.past)
    passes = torch.arange(num).split(max(1, _AT_ONCE // batch))

    def copied(tensor: Tensor, copies: int) -> Tensor:
        return tensor.repeat(copies, *[1] * (tensor.ndim - 1))

    parts = []
    for copies in map(len, passes):
        given = Given(history=history.map(lambda tensor, copies=copies: copied(tensor, copies)))
        parts.append(draw(copies * batch, rng=rng, given=given).content.unflatten(0, (copies, batch)))
    return Draws(torch.cat(parts))
