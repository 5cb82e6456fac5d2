"""The classic model of text: how often each token has followed the last few.

Interpolated absolute discounting of order m, the tokens of context that it looks at:

    p_m(w|h) = max(c(h w) − D_m, 0) / c(h) + D_m N(h) / c(h) · p_{m−1}(w|h′)

where c counts, N(h) is the number of different tokens that followed h, h′ is h without its oldest token, and p_{−1} is
uniform; where h was never seen, p_m is p_{m−1}. Ney, Essen and Kneser, On Structuring Probabilistic Dependences in
Stochastic Language Modelling, 1994. What was subtracted of seen tokens goes to all, so probabilities sum to one.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from genloom.batch import Batch
from genloom.contents.text import TextContent
from genloom.errors import ConfigError
from genloom.limits import Count, Share
from genloom.networks.sequence.base import ClosedFormNetwork, TextNetwork
from genloom.spec import Spec

_COUNTED_AT_ONCE = 2**24  # tokens whose n-grams are sorted together
_TABLES = ("contexts", "offsets", "tokens", "counts")


class NGram(TextNetwork, ClosedFormNetwork):
    """Discounts as parameters, counts as buffers: for each m the contexts h as sorted numbers in the base of the
    vocabulary, and for each context the tokens that followed it, with their counts.

    Its outputs are log-probabilities, which a softmax leaves as they are.

    Args:
        spec: of a text.
        outputs: numbers per token, those of the vocabulary.
        order: tokens of context; 5 makes a 6-gram model.
        discount: D_m of every m, above 0 and at most 1. None estimates each: n₁ / (n₁ + 2 n₂) with n_i the number of
            n-grams that occur i times; ½ where none occurs once, or none twice.
        continuation: let the lower orders count before how many different tokens an n-gram occurred rather than how
            often, since they speak only where the higher ones know little; Kneser and Ney, Improved Backing-off for
            M-gram Language Modeling, 1995.

    Raises:
        ConfigError: the order is too high to number the n-grams in 63 bits, or another argument is out of its limits.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        outputs: int,
        order: Count = 5,
        discount: Share | None = None,
        continuation: bool = True,
    ) -> None:
        super().__init__()
        spec.check(self, "model.network")
        size = TextContent.of(spec.content).vocabulary.size
        if outputs != size:
            raise ConfigError(
                f"model.output: it takes {outputs} numbers per token; NGram gives {size} log-probabilities, which "
                "output=categorical takes"
            )
        limit = max(m for m in range(63) if size ** (m + 1) < 2**63)
        if not 1 <= order <= limit:
            raise ConfigError(
                f"model.network.order: {order} is not within 1 and {limit}, the limit for {size} tokens: numbers of "
                "n-grams have 63 bits; lower it, or choose a smaller vocabulary"
            )
        if discount is not None and not 0 < discount <= 1:
            raise ConfigError(f"model.network.discount: {discount} is not above 0 and at most 1")
        self.size = size
        self.order = order
        self.discount = discount
        self.continuation = continuation
        self.discounts = nn.Parameter(torch.zeros(order + 1))
        for m in range(order + 1):
            for name in _TABLES:
                wide = name in ("contexts", "offsets")
                self.register_buffer(f"{name}_{m}", torch.zeros(0, dtype=torch.int64 if wide else torch.int32))
        self.register_load_state_dict_pre_hook(_make_room)

    def forward(
        self, prompt: Int[Tensor, "batch prefix"], content: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length outputs"]:
        """Return the log-probabilities of each token of the content."""
        text = torch.cat([prompt, content], dim=1)
        contexts = F.pad(text[:, :-1], (self.order, 0), value=-1).unfold(1, self.order, 1)
        return self._log_probabilities(contexts[:, prompt.shape[1] :])

    def start(
        self, tokens: Int[Tensor, "batch prefix"], capacity: int
    ) -> tuple[Float[Tensor, "batch outputs"], Tensor]:
        """Return the log-probabilities of the token after ``tokens``; the state is the last context."""
        context = F.pad(tokens, (self.order, 0), value=-1)[:, -self.order :]
        return self._log_probabilities(context), context

    def step(self, tokens: Int[Tensor, " batch"], state: Tensor) -> tuple[Float[Tensor, "batch outputs"], Tensor]:
        """Return the log-probabilities of the token after ``tokens``."""
        context = torch.cat([state[:, 1:], tokens.unsqueeze(1)], dim=1)
        return self._log_probabilities(context), context

    def _log_probabilities(self, contexts: Int64[Tensor, "*any order"]) -> Float[Tensor, "*any outputs"]:
        """Return log p_order(·|h) for each context; -1 stands for a token that is not there."""
        h = contexts.reshape(-1, self.order)
        p = self.discounts.new_full((len(h), self.size), 1 / self.size)
        for m in range(self.order + 1):
            if len(self._table("contexts", m)):
                p = self._interpolated(m, h[:, self.order - m :], p)
        return p.log().unflatten(0, contexts.shape[:-1])

    def _interpolated(
        self, m: int, h: Int64[Tensor, "some m"], lower: Float[Tensor, "some outputs"]
    ) -> Float[Tensor, "some outputs"]:
        """Return p_m(·|h), given p_{m−1}(·|h′)."""
        known, offsets = self._table("contexts", m), self._table("offsets", m)
        key = torch.where((h >= 0).all(1), _numbers(h, self.size), -1)
        place = torch.searchsorted(known, key).clamp_max(len(known) - 1)
        seen = (known[place] == key).nonzero().squeeze(1)
        first, num = offsets[place[seen]], offsets[place[seen] + 1] - offsets[place[seen]]
        within = torch.arange(int(num.sum()), device=h.device) - (num.cumsum(0) - num).repeat_interleave(num)
        entry = first.repeat_interleave(num) + within
        counts = torch.zeros_like(lower)
        counts[seen.repeat_interleave(num), self._table("tokens", m)[entry].long()] = self._table("counts", m)[
            entry
        ].to(counts)
        total, followers = counts.sum(1, keepdim=True), (counts > 0).sum(1, keepdim=True)
        discount = self.discounts[m]
        interpolated = ((counts - discount).clamp_min(0) + discount * followers * lower) / total.clamp_min(1)
        return torch.where(total > 0, interpolated, lower)

    def _table(self, name: str, m: int) -> Tensor:
        return getattr(self, f"{name}_{m}")

    def solve(self, train: Iterable[Batch], val: Iterable[Batch]) -> Mapping[str, Tensor]:
        """Count the training text, fill the buffers, and return the discounts.

        Of a window's tokens those before which it holds ``order`` others are counted, in the first window those of the
        prompt too. So none is lost that has as many before it in the text, where data.context is at least the order.

        Raises:
            ConfigError: no window of the training text holds an n-gram of this order.
        """
        keys, counts = self._counted(train)
        if not len(keys):
            raise ConfigError(
                f"model.network.order: {self.order} tokens of context fit in no window; raise data.length"
            )
        discounts = torch.zeros(self.order + 1)
        for m in reversed(range(self.order + 1)):
            if m < self.order:  # each n-gram without its oldest token
                keys, counts = _merged(
                    keys % self.size ** (m + 1), torch.ones_like(counts) if self.continuation else counts
                )
            discounts[m] = _discount(counts) if self.discount is None else self.discount
            contexts, followers = (keys // self.size).unique_consecutive(return_counts=True)
            filled = {
                "contexts": contexts,
                "offsets": F.pad(followers.cumsum(0), (1, 0)),
                "tokens": (keys % self.size).int(),
                "counts": counts.int(),
            }
            for name, table in filled.items():
                setattr(self, f"{name}_{m}", table.to(self.discounts.device))
        return {"discounts": discounts}

    def _counted(self, train: Iterable[Batch]) -> tuple[Int64[Tensor, " num"], Int64[Tensor, " num"]]:
        """Return the n-grams of the highest order as sorted numbers, and how often each occurs."""
        keys = counts = torch.zeros(0, dtype=torch.int64)
        pending: list[Tensor] = []
        for batch in train:
            pending.append(self._numbered(batch))
            if sum(map(len, pending)) >= _COUNTED_AT_ONCE:
                keys, counts = _added(keys, counts, pending)
                pending = []
        return _added(keys, counts, pending)

    def _numbered(self, batch: Batch) -> Int64[Tensor, " num"]:
        past, text = batch.given["prompt"].shape[1], torch.cat([batch.given["prompt"], batch.content], dim=1)
        if text.shape[1] <= self.order:
            return torch.zeros(0, dtype=torch.int64)
        scored = torch.ones_like(batch.content, dtype=torch.bool) if batch.mask is None else batch.mask
        read = (batch.index == 0).unsqueeze(1).expand(-1, past)  # of other windows the prompt is counted elsewhere
        counted = torch.cat([read, scored], dim=1)[:, self.order :]
        return _numbers(text.unfold(1, self.order + 1, 1), self.size)[counted].cpu()


def _numbers(tokens: Int64[Tensor, "*any length"], size: int) -> Int64[Tensor, "*any"]:
    """Return sequences of tokens as numbers in base ``size``, the oldest token first."""
    number = torch.zeros(tokens.shape[:-1], dtype=torch.int64, device=tokens.device)
    for token in tokens.unbind(-1):
        number = number * size + token
    return number


def _merged(keys: Int64[Tensor, " num"], counts: Int64[Tensor, " num"]) -> tuple[Tensor, Tensor]:
    """Return the different keys, sorted, each with the sum of its counts."""
    distinct, place = keys.unique(return_inverse=True)
    return distinct, counts.new_zeros(len(distinct)).index_add_(0, place, counts)


def _added(keys: Tensor, counts: Tensor, more: list[Tensor]) -> tuple[Tensor, Tensor]:
    added = torch.cat([keys, *more])
    return _merged(added, torch.cat([counts, torch.ones(len(added) - len(keys), dtype=torch.int64)]))


def _discount(counts: Int64[Tensor, " num"]) -> float:
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.5


def _make_room(module: nn.Module, state_dict: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Give the buffers the sizes of those that are about to be loaded."""
    for name, buffer in list(module.named_buffers(recurse=False)):
        if prefix + name in state_dict:
            setattr(module, name, buffer.new_empty(state_dict[prefix + name].shape))
