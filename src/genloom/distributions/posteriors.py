"""What is known about a latent once an example was seen: q(z|x)."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from zuko.lazy import Flow

from genloom.distributions.normal import Normal
from genloom.limits import Count
from genloom.precision import exact, exactly

LOG_VARIANCE_LIMITS = (-15.0, 15.0)  # beyond them a density of a float is no longer a number


Draws = tuple[Float[Tensor, "k batch dim"], Callable[[], Float[Tensor, "k batch"]], Normal | None]


class Posterior(nn.Module):
    """Draws latents and says how dense they lie. Built by ``posterior(num_features, dim)``."""

    def normal(self, features: Float[Tensor, "batch features"]) -> Normal | None:
        """Return q(z|x) if it is a diagonal Gaussian."""
        return None

    def draw(
        self, features: Float[Tensor, "batch features"], k: int, rng: torch.Generator | None, *, detach_q: bool = False
    ) -> Draws:
        """Return k draws for each example, what computes their log-density in nats, and q(z|x) if it is a diagonal
        Gaussian.

        The arguments are those of ``Bottleneck.infer``.
        """
        raise NotImplementedError


class DiagonalGaussian(Posterior):
    """N(μ(x), diag σ²(x)). Kingma and Welling, Auto-Encoding Variational Bayes, 2014.

    Args:
        num_features: of the encoder.
        dim: length of z.
    """

    def __init__(self, num_features: int, dim: Count) -> None:
        super().__init__()
        self.parameters_of_q = nn.Linear(num_features, 2 * dim)

    def normal(self, features: Float[Tensor, "batch features"]) -> Normal:
        """Return q(z|x)."""
        mean, log_variance = exact(self.parameters_of_q(features)).chunk(2, dim=1)
        return Normal(mean, log_variance.clamp(*LOG_VARIANCE_LIMITS))

    def draw(
        self, features: Float[Tensor, "batch features"], k: int, rng: torch.Generator | None, *, detach_q: bool = False
    ) -> Draws:
        """Return μ + σε, its density, and q(z|x)."""
        q = self.normal(features)
        z = q.draw(k, rng)
        return z, lambda: (q.detached() if detach_q else q).log_prob(z).sum(-1), q


class FlowPosterior(Posterior):
    """A diagonal Gaussian sent through an invertible map that depends on x.

    Rezende and Mohamed, Variational Inference with Normalizing Flows, 2015, equation 7.

    Args:
        num_features: of the encoder.
        dim: length of z.
        flow: called as ``flow(features=dim, context=num_features)``: one of zuko's, whose transforms lead from z to the
            Gaussian. Both directions are used, so it should be fast in both: coupling transforms are.
    """

    def __init__(self, num_features: int, dim: Count, *, flow: Callable[..., Flow]) -> None:
        super().__init__()
        self.base = DiagonalGaussian(num_features, dim)
        self.density = _Density(flow(features=dim, context=num_features))

    def draw(
        self, features: Float[Tensor, "batch features"], k: int, rng: torch.Generator | None, *, detach_q: bool = False
    ) -> Draws:
        """Return the images of Gaussian draws; the density is the Gaussian's over the map's volume change."""
        start = self.base.normal(features)
        u = start.draw(k, rng)
        context = features.expand(k, *features.shape)
        with exactly(u):
            z, log_volume = self.density.flow(context).transform.inv.call_and_ladj(u)
        if not detach_q:
            return z, lambda: start.log_prob(u).sum(-1) - log_volume, None
        constant = {name: value.detach() for name, value in self.density.named_parameters()}
        return z, lambda: functional_call(self.density, constant, (z, context.detach(), start.detached())), None


class _Density(nn.Module):
    """log q(z) of a Gaussian sent through a flow; a module, so that it can be called with other weights."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, z: Tensor, context: Tensor, start: Normal) -> Tensor:
        with exactly(z):
            u, log_volume = self.flow(context).transform.call_and_ladj(z)
        return start.log_prob(u).sum(-1) + log_volume
