"""The game that adversarial objectives and regularisers are terms of.

Notation: x real, z latent, G(z) generated, D(·) the discriminator's score (a logit, before any sigmoid), σ the
sigmoid. Means are over the examples of a batch (and over patches, where a discriminator scores patches).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Batch, Given, Latent
from genloom.limits import Count
from genloom.networks.base import Critique
from genloom.objectives.loss import Iteration, Loss


@dataclass
class Draw:
    """Generated examples.

    Args:
        latent: what they were generated from.
        content: the examples; detached from the generator in the discriminator's turn.
        given: what they were asked to be.
        rerun: generates again, with gradients, from an embedded latent of the same names, of this or a smaller number.
        has_asked: how much of the level that was asked for each has, 0 to 1; None if none was.
    """

    latent: Latent
    content: Tensor
    given: Given
    rerun: Callable[[Latent], Tensor]
    has_asked: Float[Tensor, " batch"] | None = None


@dataclass
class Game:
    """One turn of the game: what a term needs to know. Scores are computed once and shared by all terms.

    Args:
        real: real examples.
        fake: as many generated ones.
        critic: the discriminator, with any augmentation in front.
        iteration: generator updates so far; on a GPU a tensor that holds them.
        rng: this turn's randomness.
        pack: neighbouring examples that have one score; the batch is whole packs.
    """

    real: Batch
    fake: Draw
    critic: Callable[[Tensor, Given], Critique]
    iteration: Iteration
    rng: torch.Generator
    pack: int = 1

    @cached_property
    def real_critique(self) -> Critique:
        """D(x)."""
        return self.critic(self.real.content, self.real.given)

    @cached_property
    def fake_critique(self) -> Critique:
        """D(G(z))."""
        return self.critic(self.fake.content, self.fake.given)


class GanTerm(nn.Module):
    """A summand of the discriminator's loss, of the generator's, or of both. State belongs into buffers.

    Attributes:
        needs_labels: the data must be labelled.
        needs_aux: opinions beside the score that the discriminator's head must give.
        needs_latent: what an embedded latent must hold.
        needs_asked: levels must be asked for.

    Args:
        every_iterations: evaluate a lazy regulariser this seldom; the family multiplies it by the same number, so that
            its expected gradient does not depend on the laziness (Karras et al., StyleGAN2, 2020, appendix B).
    """

    needs_labels: bool = False
    needs_aux: tuple[str, ...] = ()
    needs_latent: tuple[str, ...] = ()
    needs_asked: bool = False

    def __init__(self, *, every_iterations: Count = 1) -> None:
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

    def trains(self, player: str) -> bool:
        """Return whether the term has a part for ``player``, discriminator or generator."""
        return getattr(type(self), player) is not getattr(GanTerm, player)

    def constrain(self, discriminator: nn.Module) -> None:
        """Change the discriminator after its update, with no gradient."""
