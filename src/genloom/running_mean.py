"""A mean over the updates of a training, of which the latest weigh most."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


class RunningMean(nn.Module):
    """Σ_i decay^{t − i} value_i / Σ_i decay^{t − i} over the updates i ≤ t: no start other than the first value counts.

    The weights are those of an exponential moving average whose bias towards its start is taken out, as in Kingma and
    Ba, Adam, 2015, section 3.

    Args:
        decay: per update, at least 0 and below 1.
        start: what it is before the first update.
    """

    value: Float[Tensor, ""]
    updates: Int64[Tensor, ""]

    def __init__(self, decay: float, *, start: float = 0.0) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("value", torch.full((), start))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, value: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Take ``value`` in, and return the mean: a tensor of its own, which later updates leave alone."""
        self.updates += 1
        share = (1 - self.decay) / (1 - self.decay ** self.updates.to(torch.float64))
        self.value.copy_(torch.lerp(self.value, value.to(self.value), share.to(self.value)))
        return self.value.clone()
