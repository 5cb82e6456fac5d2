"""How much of a codebook is in use."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from genloom.examples import Examples
from genloom.judging.measuring import Held, Measurement
from genloom.judging.metric import Direction, Score
from genloom.limits import Count
from genloom.models.abilities import Encodes, Model, offers


@dataclass(frozen=True)
class CodebookUse(Measurement):
    """The perplexity of the codes of held-out examples, exp(−Σ p log p): as many equally frequent codes say as much.

    van den Oord et al., Neural Discrete Representation Learning, 2017. Each place of an example's codes has a codebook
    of its own, so entropies are averaged over the places; that is never above the perplexity of all codes in one
    count. ``codebook_use`` is its share of a codebook.

    Args:
        batch_size: examples at once.
    """

    requires = Encodes
    quantities: ClassVar = {"codebook_perplexity": Direction.HIGHER, "codebook_use": Direction.HIGHER}

    batch_size: Count = 500

    def why_not(self, model: Model, examples: Examples) -> str | None:
        """Refuse latents that are no codes."""
        if offers(model, Encodes) and not model.num_codes:
            return "the model has no codebook"
        return super().why_not(model, examples)

    def measure(self, model: Encodes, held: Held) -> dict[str, Score]:
        """Return both."""
        assert model.num_codes is not None
        encoded: list[Tensor] = []
        for batch in model.spec.batches(held.examples, self.batch_size):
            encoded += [codes.cpu() for codes in model.encode(batch).values()]
        places = torch.cat(encoded).T
        counts = torch.stack([torch.bincount(codes, minlength=model.num_codes) for codes in places]).double()
        shares = counts / counts.sum(1, keepdim=True)
        perplexity = torch.special.entr(shares).sum(1).mean().exp().item()
        details = {"of": model.num_codes, "unused": int((counts == 0).sum())}
        return {
            "codebook_perplexity": Score(perplexity, details=details),
            "codebook_use": Score(perplexity / model.num_codes),
        }
