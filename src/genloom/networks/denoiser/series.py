"""A denoiser of the next values of series."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given, History
from genloom.diffusion.prediction import Clean
from genloom.diffusion.process import Level
from genloom.limits import Count, PartialShare
from genloom.networks.denoiser.base import DenoiserNetwork, Embedding, zeroed
from genloom.networks.denoiser.dense import DenseBlock
from genloom.networks.sequence.base import SeriesNetwork
from genloom.spec import Spec

_VARIANCE = 1e-5  # of a forecast at least, in scaled units, squared: one exact value does not end training


class SeriesDenoiser(DenoiserNetwork):
    """A forecast, and what the noised future adds to it.

    The forecast is a Gaussian for each future value by itself, N(μ, s²), by any network of series that reads the
    history. Of it the expected content of x_t = α x + σ ε is known: μ + α s²/(α² s² + σ²) · (x_t − α μ). Residual
    blocks over the horizon of each target correct that; they see x_t − α μ at a variance of 1, and what they say is
    scaled by the standard deviation that is left, σ s/√(α² s² + σ²). So it is the preconditioning of Karras et al.,
    Elucidating the Design Space of Diffusion-Based Generative Models, 2022, https://arxiv.org/abs/2206.00364, about a
    forecast instead of 0; at first the correction is 0. The future of each target is drawn as a whole, and
    independently of the other targets' given the history.

    Args:
        spec: of series.
        forecaster: called as ``forecaster(spec, outputs=2)``; gives μ and log s.
        width: units of each layer.
        blocks: how many.
        dropout: share of units that training leaves out.

    Raises:
        ConfigError: the data holds no series.
    """

    says = Clean
    conditions = ("history",)

    def __init__(
        self,
        spec: Spec,
        *,
        forecaster: Callable[..., SeriesNetwork],
        width: Count = 128,
        blocks: Count = 2,
        dropout: PartialShare = 0.0,
    ) -> None:
        super().__init__()
        self.forecaster = forecaster(spec, outputs=2)
        spec.check(self.forecaster, "model.network")
        horizon, _ = spec.content.shape
        self.embedding = Embedding(spec, width, names=())
        self.first = nn.Linear(horizon, width)
        self.blocks = nn.ModuleList(DenseBlock(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.last = zeroed(nn.Linear(width, horizon))

    def forward(
        self,
        noised: Float[Tensor, "batch horizon channels"],
        level: Level,
        given: Given = NOTHING,
        until: Level | None = None,
    ) -> Float[Tensor, "batch horizon channels"]:
        """Return the expected content."""
        mean, log_std = self.forecaster(_told(given)).unbind(-1)
        variance = (2 * log_std).exp() + _VARIANCE
        alpha, sigma = level.like(noised)
        total = alpha.square() * variance + sigma.square()
        off = noised - alpha * mean
        correction = self._correction(off / total.sqrt(), self.embedding(level, given))
        return mean + alpha * variance / total * off + sigma * (variance / total).sqrt() * correction

    def _correction(
        self, off: Float[Tensor, "batch horizon channels"], embedding: Float[Tensor, "levels width"]
    ) -> Float[Tensor, "batch horizon channels"]:
        embedding = embedding.unsqueeze(1)
        x = self.first(off.transpose(1, 2))
        for block in self.blocks:
            x = block(x, embedding)
        return self.last(self.norm(x)).transpose(1, 2)


def _told(given: Given) -> History:
    """Return the histories, with zeros in place of those that are dropped."""
    history: History = given["history"]
    if "history" not in given.dropped:
        return history
    kept = ~given.dropped["history"]
    return history.map(lambda tensor: tensor * kept.view(-1, *[1] * (tensor.ndim - 1)))
