"""A model whose likelihood is known: z ~ N(0, I), x|z ~ N(Wz + b, σ²I), with a Gaussian q(z|x) that can be exact."""

import math

import torch
from torch import Tensor

from genloom.batch import Batch
from genloom.bottlenecks.base import Inference
from genloom.distributions.normal import Normal

DIM_X, DIM_Z, SIGMA = 6, 3, 0.7


class LinearGaussian:
    """A LatentModel. Columns of W are orthogonal, so that the exact posterior is a diagonal Gaussian.

    Args:
        widen: factor of the posterior's standard deviation; 1 is exact.
        shift: added to the posterior's mean.
    """

    def __init__(self, *, widen: float = 1.0, shift: float = 0.0) -> None:
        rng = torch.Generator().manual_seed(0)
        directions = torch.linalg.qr(torch.randn(DIM_X, DIM_Z, generator=rng, dtype=torch.float64))[0]
        self.w = directions * torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
        self.b = torch.randn(DIM_X, generator=rng, dtype=torch.float64)
        precision = 1 + self.w.square().sum(0) / SIGMA**2
        self.log_variance = (-precision.log() + 2 * math.log(widen)).requires_grad_()
        self.gain = self.w / (SIGMA**2 * precision)
        self.shift = torch.full((DIM_Z,), shift, dtype=torch.float64, requires_grad=True)

    def examples(self, num: int) -> Batch:
        rng = torch.Generator().manual_seed(1)
        z = torch.randn(num, DIM_Z, generator=rng, dtype=torch.float64)
        noise = SIGMA * torch.randn(num, DIM_X, generator=rng, dtype=torch.float64)
        return Batch(content=z @ self.w.T + self.b + noise, index=torch.arange(num))

    def log_prob(self, batch: Batch) -> Tensor:
        covariance = self.w @ self.w.T + SIGMA**2 * torch.eye(DIM_X, dtype=torch.float64)
        return torch.distributions.MultivariateNormal(self.b, covariance).log_prob(batch.content)

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        mean = (batch.content - self.b) @ self.gain + self.shift
        posterior = Normal(mean, self.log_variance.expand_as(mean))
        z = posterior.draw(k, rng)
        prior = Normal(torch.zeros_like(z), torch.zeros_like(z))
        q = posterior.detached() if detach_q else posterior
        log_ratio = (prior.log_prob(z) - q.log_prob(z)).sum(-1)
        return Inference({"z": z}, {"z": posterior.kl()}, lambda: log_ratio, posterior)

    def log_likelihood(self, inference: Inference, batch: Batch) -> Tensor:
        mean = inference.latent["z"] @ self.w.T + self.b
        return torch.distributions.Normal(mean, SIGMA).log_prob(batch.content).sum(-1)
