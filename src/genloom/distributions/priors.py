"""What is known about a latent before any example was seen: p(z)."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from zuko.lazy import Flow

from genloom.distributions.latents import slerp
from genloom.distributions.normal import LOG_2_PI, Normal
from genloom.errors import ConfigError
from genloom.limits import Count
from genloom.precision import exactly

PosteriorOf = Callable[[Tensor], Normal | None]  # of content, without a condition


class Prior(nn.Module):
    """A density that latents can be drawn from. Built by ``prior(dim, content_shape)``.

    Attributes:
        standard: whether it is N(0, I), to which a Gaussian's divergence has a closed form.
        needs_posterior: whether it is made of the posteriors of some content.
    """

    standard: ClassVar[bool] = False
    needs_posterior: ClassVar[bool] = False

    def log_prob(self, z: Float[Tensor, "*batch dim"], posterior_of: PosteriorOf) -> Float[Tensor, "*batch"]:
        """Return log p(z), nats.

        Args:
            z: latents.
            posterior_of: returns q(z|x) of given content.
        """
        raise NotImplementedError

    def draw(self, num: int, rng: torch.Generator, posterior_of: PosteriorOf) -> Float[Tensor, "num dim"]:
        """Return draws; what is random comes from the device of ``rng``."""
        raise NotImplementedError

    def interpolate(self, a: Float[Tensor, "num dim"], b: Float[Tensor, "num dim"], weight: float) -> Tensor:
        """Return the points a share ``weight`` of the way from ``a`` to ``b``."""
        return torch.lerp(a, b, weight)


class StandardNormal(Prior):
    """N(0, I).

    Args:
        dim: length of z.
        content_shape: not used.
    """

    standard = True

    def __init__(self, dim: Count, content_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.dim = dim

    def log_prob(self, z: Float[Tensor, "*batch dim"], posterior_of: PosteriorOf) -> Float[Tensor, "*batch"]:
        """Return the density."""
        return -0.5 * (z.square() + LOG_2_PI).sum(-1)

    def draw(self, num: int, rng: torch.Generator, posterior_of: PosteriorOf) -> Float[Tensor, "num dim"]:
        """Return draws."""
        return torch.randn(num, self.dim, generator=rng, device=rng.device)

    def interpolate(self, a: Float[Tensor, "num dim"], b: Float[Tensor, "num dim"], weight: float) -> Tensor:
        """Interpolate spherically, since both ends are about as long as a Gaussian's draws."""
        return slerp(a, b, weight)


class FlowPrior(Prior):
    """N(0, I) sent through a learned invertible map. Chen et al., Variational Lossy Autoencoder, 2017, section 3.2.

    Args:
        dim: length of z.
        content_shape: not used.
        flow: called as ``flow(features=dim)``: one of zuko's.
    """

    def __init__(self, dim: Count, content_shape: tuple[int, ...], *, flow: Callable[..., Flow]) -> None:
        super().__init__()
        self.dim = dim
        self.flow = flow(features=dim)

    def log_prob(self, z: Float[Tensor, "*batch dim"], posterior_of: PosteriorOf) -> Float[Tensor, "*batch"]:
        """Return the density."""
        with exactly(z):
            return self.flow().log_prob(z)

    def draw(self, num: int, rng: torch.Generator, posterior_of: PosteriorOf) -> Float[Tensor, "num dim"]:
        """Return draws."""
        u = torch.randn(num, self.dim, generator=rng, device=rng.device)
        return self.flow().transform.inv(u.to(next(self.flow.parameters()).device))


class VampPrior(Prior):
    """The average of the posteriors of some content that is learned: p(z) = (1/C) Σ_c q(z|u_c).

    Tomczak and Welling, VAE with a VampPrior, 2018, equation 9.

    Args:
        dim: length of z.
        content_shape: of the u_c.
        components: C.
    """

    needs_posterior = True

    def __init__(self, dim: Count, content_shape: tuple[int, ...], *, components: Count = 500) -> None:
        super().__init__()
        if components < 1:
            raise ConfigError(f"model.bottleneck.prior.components: {components} is below the limit of 1")
        self.pseudo_inputs = nn.Parameter(0.5 * torch.randn(components, *content_shape))

    def _components(self, posterior_of: PosteriorOf) -> Normal:
        normal = posterior_of(self.pseudo_inputs.clamp(-1, 1))
        if normal is None:
            raise ConfigError(
                "model.bottleneck.prior: a VampPrior needs Gaussian posteriors, and model.bottleneck.posterior gives "
                "others; choose posterior@model.bottleneck.posterior=gaussian"
            )
        return normal

    def log_prob(self, z: Float[Tensor, "*batch dim"], posterior_of: PosteriorOf) -> Float[Tensor, "*batch"]:
        """Return the density; by matrix products, so that draws x components x dim numbers are never in memory.

        In double precision: the products are as large as |z|² over the variance, their sum is not.
        """
        normal, z_exact = self._components(posterior_of), z.double()
        precision = (-normal.log_variance.double()).exp()
        scaled = normal.mean.double() * precision
        constant = -0.5 * (normal.mean * scaled + normal.log_variance + LOG_2_PI).sum(1)
        each = z_exact @ scaled.T - 0.5 * z_exact.square() @ precision.T + constant
        return (torch.logsumexp(each, dim=-1) - math.log(len(constant))).float()

    def draw(self, num: int, rng: torch.Generator, posterior_of: PosteriorOf) -> Float[Tensor, "num dim"]:
        """Return draws of components that are chosen uniformly."""
        normal = self._components(posterior_of)
        chosen = torch.randint(len(normal.mean), (num,), generator=rng, device=rng.device).to(normal.mean.device)
        return Normal(normal.mean[chosen], normal.log_variance[chosen]).draw(1, rng)[0]
