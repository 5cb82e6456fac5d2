"""A learned distribution of sequences of codes, whose vectors add up to what they stand for."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.errors import ConfigError
from genloom.limits import Count, PartialShare
from genloom.precision import exact


class AutoregressivePrior(nn.Module):
    """p(c) = Π_i p(c_i | i, Σ_{j<i} e_j): a code given the sum of the vectors before it, by a small network.

    Lee et al., Autoregressive Image Generation using Residual Quantization (RQ-Transformer), 2022, feed the same sums.
    Those of codes before it all but tell which they were, and near sums mean near content; so two layers, shared by all
    places of the sequence but for their first and last maps, do without attention.

    Args:
        num_codes: values of a code.
        length: codes of a sequence.
        dim: length of a vector.
        width: units of a layer.
        dropout: after each layer, in training.
    """

    def __init__(
        self,
        num_codes: Count,
        length: Count,
        dim: Count,
        *,
        width: Count = 384,
        dropout: PartialShare = 0.1,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ConfigError(f"model.bottleneck.prior.width: {width} is below the limit of 1")
        self.first = nn.Parameter(torch.randn(length, dim, width) * dim**-0.5)
        self.first_bias = nn.Parameter(torch.zeros(length, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.hidden = nn.Linear(width, width)
        self.hidden_bias = nn.Parameter(torch.zeros(length, width))
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Parameter(torch.randn(length, width, num_codes) * 0.3 * width**-0.5)
        self.logits_bias = nn.Parameter(torch.zeros(length, num_codes))

    def forward(
        self, codes: Int[Tensor, "batch length"], vectors: Float[Tensor, "length num_codes dim"]
    ) -> Float[Tensor, "batch length"]:
        """Return log p(c_i | …) of each code, nats.

        Args:
            codes: of each example.
            vectors: e, of each value at each place.
        """
        chosen = torch.stack([F.embedding(code, vector) for code, vector in zip(codes.T, vectors, strict=True)], 1)
        before = (chosen.cumsum(1) - chosen) * _scale(vectors)
        log_probs = self._logits(before, slice(None)).log_softmax(-1)
        return log_probs.gather(-1, codes.unsqueeze(-1)).squeeze(-1)

    def draw(
        self, num: int, vectors: Float[Tensor, "length num_codes dim"], rng: torch.Generator
    ) -> Int[Tensor, "num length"]:
        """Return sequences, code by code; what is random comes from the device of ``rng``."""
        codes, scale = [], _scale(vectors)
        before = torch.zeros(num, 1, vectors.shape[-1], device=vectors.device)
        for place, vector in enumerate(vectors):
            logits = self._logits(before * scale, slice(place, place + 1))[:, 0]
            noise = torch.rand(logits.shape, generator=rng, device=rng.device).to(logits.device)
            gumbel = -(-noise.clamp_min(1e-20).log()).log()  # its maximum over the logits is a draw of the softmax
            codes.append((logits + gumbel).argmax(1))
            before = before + F.embedding(codes[-1], vector).unsqueeze(1)
        return torch.stack(codes, dim=1)

    def _logits(
        self, before: Float[Tensor, "batch places dim"], places: slice
    ) -> Float[Tensor, "batch places num_codes"]:
        h = torch.einsum("bpd,pdw->bpw", before, self.first[places]) + self.first_bias[places]
        h = self.dropout(F.gelu(self.norms[0](h)))
        h = h + self.dropout(F.gelu(self.norms[1](self.hidden(h) + self.hidden_bias[places])))
        return exact(torch.einsum("bpw,pwc->bpc", h, self.logits[places])) + self.logits_bias[places]


def _scale(vectors: Float[Tensor, "length num_codes dim"]) -> Float[Tensor, ""]:
    """Return what brings sums of independently chosen vectors to a mean variance of one."""
    return vectors.var(dim=1, correction=0).sum(0).mean().clamp_min(1e-12).rsqrt()
