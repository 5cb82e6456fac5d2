"""A learned distribution of short code sequences."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.errors import ConfigError


class AutoregressivePrior(nn.Module):
    """p(c) = Π_i p(c_i | c_1 … c_{i−1}), by a gated recurrent network. Cho et al., 2014, for the network.

    Args:
        num_codes: values of a code.
        length: codes of a sequence.
        width: units of a layer.
        layers: of the network.
        dropout: between layers and before the output, in training.
    """

    def __init__(self, num_codes: int, length: int, *, width: int = 256, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        for name, value in (("width", width), ("layers", layers)):
            if value < 1:
                raise ConfigError(f"model.bottleneck.prior.{name}: {value} is below the limit of 1")
        self.length = length
        self.num_codes = num_codes
        self.embed = nn.Embedding(num_codes + 1, width)  # the last one stands before the first code
        self.place = nn.Embedding(length, width)
        self.recur = nn.GRU(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(width, num_codes)

    def forward(self, codes: Int[Tensor, "batch length"]) -> Float[Tensor, "batch length"]:
        """Return log p(c_i | c_1 … c_{i−1}) of each code, nats."""
        before = torch.cat([torch.full_like(codes[:, :1], self.num_codes), codes[:, :-1]], dim=1)
        hidden, _ = self.recur(self.embed(before) + self.place.weight)
        log_probs = self.logits(self.dropout(hidden)).log_softmax(-1)
        return log_probs.gather(-1, codes.unsqueeze(-1)).squeeze(-1)

    def draw(self, num: int, rng: torch.Generator) -> Int[Tensor, "num length"]:
        """Return sequences, code by code; what is random comes from the device of ``rng``."""
        device = self.place.weight.device
        code = torch.full((num, 1), self.num_codes, device=device)
        codes, state = [], None
        for place in self.place.weight:
            hidden, state = self.recur(self.embed(code) + place, state)
            noise = torch.rand(num, self.num_codes, generator=rng, device=rng.device).to(device)
            gumbel = -(-noise.clamp_min(1e-20).log()).log()  # its maximum over the logits is a draw of the softmax
            code = (self.logits(hidden[:, 0]) + gumbel).argmax(1, keepdim=True)
            codes.append(code)
        return torch.cat(codes, dim=1)
