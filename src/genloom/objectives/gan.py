"""Adversarial objectives and their regularisers, one list of terms over one game.

Notation: x real, z latent, G(z) generated, D(·) the discriminator's score (a logit, before any sigmoid), σ the
sigmoid. Means are over the examples of a batch (and over patches, where a discriminator scores patches).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genloom.batch import Batch, Condition, Latent
from genloom.networks.base import Critique
from genloom.objectives.loss import Loss


@dataclass
class Draw:
    """Generated examples.

    Args:
        latent: what they were generated from.
        content: the examples; detached from the generator in the discriminator's turn.
        condition: what they were asked to be.
        rerun: generates again, with gradients, from a latent of the same names and shapes.
    """

    latent: Latent
    content: Tensor
    condition: Condition | None
    rerun: Callable[[Latent], Tensor]


@dataclass
class Game:
    """One turn of the game: what a term needs to know. Scores are computed once and shared by all terms.

    Args:
        real: real examples.
        fake: as many generated ones.
        critic: the discriminator, with any augmentation in front.
        iteration: generator updates so far.
        rng: this turn's randomness.
    """

    real: Batch
    fake: Draw
    critic: Callable[[Tensor, Condition | None], Critique]
    iteration: int
    rng: torch.Generator

    @cached_property
    def real_critique(self) -> Critique:
        """D(x)."""
        return self.critic(self.real.content, self.real.condition)

    @cached_property
    def fake_critique(self) -> Critique:
        """D(G(z))."""
        return self.critic(self.fake.content, self.fake.condition)


class GanTerm(nn.Module):
    """A summand of the discriminator's loss, of the generator's, or of both. State belongs into buffers.

    Args:
        every_iterations: evaluate a lazy regulariser this seldom; the family multiplies it by the same number, so that
            its expected gradient does not depend on the laziness (Karras et al., StyleGAN2, 2020, appendix B).
    """

    def __init__(self, *, every_iterations: int = 1) -> None:
        super().__init__()
        if every_iterations < 1:
            raise ValueError(f"every_iterations: {every_iterations} is below the limit of 1")
        self.every_iterations = every_iterations

    def discriminator(self, game: Game) -> Loss | None:
        """Return the discriminator's part, or None if there is none."""
        return None

    def generator(self, game: Game) -> Loss | None:
        """Return the generator's part, or None if there is none."""
        return None


class NonSaturating(GanTerm):
    """The non-saturating objective.

        L_D = E[−log σ(D(x))] + E[−log(1 − σ(D(G(z))))],    L_G = E[−log σ(D(G(z)))]

    Goodfellow et al., Generative Adversarial Nets, 2014, section 3. At equilibrium L_D = 2 log 2 and L_G = log 2 nats.
    """

    def discriminator(self, game: Game) -> Loss:
        """L_D in nats; logs D(x) and D(G(z)) as probabilities."""
        real, fake = game.real_critique.score, game.fake_critique.score
        total = F.softplus(-real).mean() + F.softplus(fake).mean()
        return Loss(total, {"D(x)": real.detach().sigmoid().mean(), "D(G(z))": fake.detach().sigmoid().mean()})

    def generator(self, game: Game) -> Loss:
        """L_G in nats."""
        return Loss(F.softplus(-game.fake_critique.score).mean())


class R1(GanTerm):
    """Zero-centred gradient penalty on real examples.

        L_D += γ/2 · E[‖∇ₓ D(x)‖²]

    The norm is over all values of one example, the mean over examples. Mescheder et al., Which Training Methods for
    GANs do actually Converge?, 2018, equation 9.

    Args:
        gamma: γ, in squared score per squared unit of content (content is in [-1, 1]).
        every_iterations: see :class:`GanTerm`.
    """

    def __init__(self, *, gamma: float = 1.0, every_iterations: int = 16) -> None:
        super().__init__(every_iterations=every_iterations)
        self.gamma = gamma

    def discriminator(self, game: Game) -> Loss:
        """γ/2 · E[‖∇ₓ D(x)‖²]; logs the expectation."""
        x = game.real.content.detach().requires_grad_()
        with torch.enable_grad():
            score = game.critic(x, game.real.condition).score
        (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
        squared_norm = gradient.square().flatten(1).sum(1).mean()
        return Loss(0.5 * self.gamma * squared_norm, {"r1_squared_gradient_norm": squared_norm.detach()})
