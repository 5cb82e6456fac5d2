"""The contract of a bottleneck, and what an objective gets from it.

Notation: q(z|x) the posterior, p(z) the prior; k draws for each example of a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from genloom.batch import Batch, Latent
from genloom.distributions.normal import Normal
from genloom.errors import ConfigError
from genloom.networks.conditioning import ConditionalEncoder


@dataclass
class Inference:
    """What is inferred about the latents of a batch.

    Args:
        latent: k draws for each example.
        kl: by the name of the latent, KL(q ‖ p) per unit, nats: in closed form where there is one; else one column, the
            mean of log q − log p over the k draws.
        ratio: returns :attr:`log_ratio`; called where an objective asks for it, since a closed form needs none.
        posterior: q(z|x), where it is a diagonal Gaussian.
        penalties: further terms of the loss, already weighted, that are no part of a bound.
        decoder_input: what the decoder gets, where its gradient has to pass by the latent; None derives it from that.
    """

    latent: dict[str, Shaped[Tensor, "k batch ..."]]
    kl: dict[str, Float[Tensor, "batch units"]]
    ratio: Callable[[], Float[Tensor, "k batch"]]
    posterior: Normal | None = None
    penalties: dict[str, Float[Tensor, ""]] = field(default_factory=dict)
    decoder_input: Float[Tensor, "k batch dim"] | None = None

    @cached_property
    def log_ratio(self) -> Float[Tensor, "k batch"]:
        """log p(z) − log q(z|x) of each draw, nats."""
        return self.ratio()


class Bottleneck(nn.Module):
    """Infers latents from content, and draws them. Built by ``bottleneck(encoder)``.

    Args:
        encoder: gives the features that latents are inferred from.

    Attributes:
        dim: length of what the decoder gets.
        stochastic: whether there are densities, and so bounds on the likelihood.
        certain: whether all draws for an example are the same.
        samples: whether :meth:`draw` is there.
        one_vector: whether the latent is one vector, z, of length ``dim``.
        num_codes: size of the codebook; None where latents are numbers that can be moved a little.
    """

    dim: int
    stochastic: bool = True
    certain: bool = False
    samples: bool = True
    one_vector: bool = False
    num_codes: int | None = None

    def __init__(self, encoder: ConditionalEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def apart(self) -> nn.Module | None:
        """Return the part that learns from latents without changing them, by an optimizer of its own; None: none."""
        return None

    def loss_apart(self, batch: Batch) -> Float[Tensor, ""]:
        """Return the loss of :attr:`apart` alone, nats per example, while all other parts are at rest."""
        raise NotImplementedError

    def infer(self, batch: Batch, k: int, rng: torch.Generator | None, *, detach_q: bool = False) -> Inference:
        """Draw k latents for each example.

        Args:
            batch: of the data.
            k: draws.
            rng: None takes what is most typical, the mean.
            detach_q: leave the posterior's parameters out of the gradient of its density ("sticking the landing").
        """
        raise NotImplementedError

    def draw(self, num: int, rng: torch.Generator) -> Latent:
        """Return ``num`` latents of the prior; what is random comes from the device of ``rng``."""
        raise NotImplementedError

    def decoder_input(self, latent: Latent) -> Float[Tensor, "*batch dim"]:
        """Return what the decoder gets."""
        return latent["z"]

    def interpolate(self, a: Latent, b: Latent, weight: float) -> Latent:
        """Return the latents a share ``weight`` of the way from ``a`` to ``b``."""
        return {name: torch.lerp(a[name], b[name], weight) for name in a}


def at_least_one(name: str, value: int) -> int:
    """Return ``value``.

    Raises:
        ConfigError: it is below 1; ``model.bottleneck.NAME`` is named.
    """
    if value < 1:
        raise ConfigError(f"model.bottleneck.{name}: {value} is below the limit of 1")
    return value
