"""Self-attention over the positions of a map."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.limits import Count


class SelfAttention(nn.Module):
    """x + γ · W_o softmax(q kᵀ) v, over all positions; keys and values at half the resolution; γ starts at 0.

    Zhang et al., Self-Attention Generative Adversarial Networks, 2019, equations 1 to 3; the pooling is their code's.

    Args:
        width: channels of the map.
    """

    def __init__(self, width: Count) -> None:
        super().__init__()
        self.query = nn.Conv2d(width, max(1, width // 8), 1, bias=False)
        self.key = nn.Conv2d(width, max(1, width // 8), 1, bias=False)
        self.value = nn.Conv2d(width, max(1, width // 2), 1, bias=False)
        self.out = nn.Conv2d(max(1, width // 2), width, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        """Let every position look at all."""
        q = self.query(x).flatten(2).transpose(1, 2)
        k, v = (
            F.max_pool2d(layer(x), 2, ceil_mode=True).flatten(2).transpose(1, 2) for layer in (self.key, self.value)
        )
        attended = torch.softmax(q @ k.transpose(1, 2), dim=-1) @ v  # plain, because a penalty differentiates it twice
        return x + self.gamma * self.out(attended.transpose(1, 2).unflatten(2, x.shape[2:]))
