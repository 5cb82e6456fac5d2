"""Terms about what a discriminator says beside its score: the class, or the generator's own codes."""

import math

import torch.nn.functional as F
from torch import Tensor

from genloom.limits import NonNegative
from genloom.networks.base import Critique
from genloom.objectives.gan.game import Game, GanTerm
from genloom.objectives.loss import Loss


class AuxiliaryClassification(GanTerm):
    """Class logits, learned on real examples, tell the generator whether it drew what it was asked for.

        L_D += λ_D · E[−log p(y | x)],    L_G += λ_G · E[−log p(y | G(z, y))]

    Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, 2017, equation 3. There the classifier
    also learns from generated examples; ``on_generated`` does so.

    Args:
        weight: λ_D, per nat.
        generator_weight: λ_G, per nat.
        on_generated: whether the classifier learns from generated examples too.
    """

    needs_labels = True
    needs_aux = ("class",)

    def __init__(
        self, *, weight: NonNegative = 1.0, generator_weight: NonNegative = 0.1, on_generated: bool = False
    ) -> None:
        super().__init__()
        self.weight = weight
        self.generator_weight = generator_weight
        self.on_generated = on_generated

    def discriminator(self, game: Game) -> Loss:
        """λ_D times nats; logs the share of real examples that are classified right."""
        logits, index = game.real_critique.aux["class"], game.real.given["label"]
        total = F.cross_entropy(logits, index)
        if self.on_generated:
            total = total + F.cross_entropy(game.fake_critique.aux["class"], game.fake.given["label"])
        return Loss(self.weight * total, lambda: {"class_accuracy_x": _accuracy(logits, index)})

    def generator(self, game: Game) -> Loss:
        """λ_G times nats; logs the share that is classified as asked."""
        logits, index = game.fake_critique.aux["class"], game.fake.given["label"]
        total = F.cross_entropy(logits, index)
        return Loss(self.generator_weight * total, lambda: {"class_accuracy_G(z)": _accuracy(logits, index)})


class CodeInformation(GanTerm):
    """The generator's codes shall be readable from what it draws.

        L += −λ_c · E[log q(c | G(z, c))] − λ_v · E[log q(v | G(z, v))]

    for a categorical code c and continuous codes v with q(v | ·) a Gaussian of unit variance. H(c) + E[log q(c | ·)] is
    a lower bound of the mutual information I(c; G(z, c)), in nats. Chen et al., InfoGAN, 2016, equation 5. Both players
    minimise it: the recognition head learns in the discriminator's turn.

    Args:
        weight: λ_c, per nat.
        continuous_weight: λ_v, per nat.
    """

    needs_aux = ("category",)
    needs_latent = ("category",)

    def __init__(self, *, weight: NonNegative = 1.0, continuous_weight: NonNegative = 0.1) -> None:
        super().__init__()
        self.weight = weight
        self.continuous_weight = continuous_weight

    def _loss(self, critique: Critique, latent: dict[str, Tensor]) -> Loss:
        logits = critique.aux["category"]
        entropy = F.cross_entropy(logits, latent["category"])
        total = self.weight * entropy
        if "continuous" in critique.aux:
            squared = 0.5 * (critique.aux["continuous"] - latent["continuous"]).square().sum(1).mean()
            total = total + self.continuous_weight * squared
        return Loss(total, lambda: {"code_information_bound": math.log(logits.shape[1]) - entropy.detach()})

    def discriminator(self, game: Game) -> Loss:
        """The recognition head's loss; logs the bound of the information, in nats."""
        return self._loss(game.fake_critique, game.fake.latent)

    def generator(self, game: Game) -> Loss:
        """The generator's loss."""
        return self._loss(game.fake_critique, game.fake.latent)


class AskedLevel(GanTerm):
    """The generator shall draw what it is asked for: the level of one choice.

        L_G += −λ · E[log G(z, level) at the level's place]

    Xu et al., Modeling Tabular Data using Conditional GAN, 2019, section 4.3, https://arxiv.org/abs/1907.00503.

    Args:
        weight: λ, per nat.
    """

    needs_asked = True

    def __init__(self, *, weight: NonNegative = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def generator(self, game: Game) -> Loss:
        """λ times nats; logs the share that has the level, more or less."""
        has = game.fake.has_asked
        assert has is not None  # as was checked
        return Loss(-self.weight * has.clamp_min(1e-30).log().mean(), lambda: {"as_asked_G(z)": has.detach().mean()})


def _accuracy(logits: Tensor, index: Tensor) -> Tensor:
    return (logits.argmax(1) == index).float().mean()
