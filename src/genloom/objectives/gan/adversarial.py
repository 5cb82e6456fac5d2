"""Adversarial objectives: what the players minimise.

Notation: x real, z latent, G(z) generated, D(·) the discriminator's score (a logit, before any sigmoid), σ the
sigmoid. Means are over the examples of a batch (and over patches, where a discriminator scores patches).
"""

import torch.nn.functional as F
from torch import Tensor

from genloom.objectives.gan.game import Game, GanTerm
from genloom.objectives.loss import Loss


def _probabilities(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    return {"D(x)": real.detach().sigmoid().mean(), "D(G(z))": fake.detach().sigmoid().mean()}


def _scores(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    return {"score_x": real.detach().mean(), "score_G(z)": fake.detach().mean()}


class NonSaturating(GanTerm):
    """The non-saturating objective.

        L_D = E[−log σ(D(x))] + E[−log(1 − σ(D(G(z))))],    L_G = E[−log σ(D(G(z)))]

    Goodfellow et al., Generative Adversarial Nets, 2014, section 3. At equilibrium L_D = 2 log 2 and L_G = log 2 nats.
    """

    def discriminator(self, game: Game) -> Loss:
        """L_D in nats; logs D(x) and D(G(z)) as probabilities."""
        real, fake = game.real_critique.score, game.fake_critique.score
        return Loss(F.softplus(-real).mean() + F.softplus(fake).mean(), lambda: _probabilities(real, fake))

    def generator(self, game: Game) -> Loss:
        """L_G in nats."""
        return Loss(F.softplus(-game.fake_critique.score).mean())


class Minimax(NonSaturating):
    """The original two-player objective: L_D as :class:`NonSaturating`, L_G = E[log(1 − σ(D(G(z))))].

    Goodfellow et al., Generative Adversarial Nets, 2014, equation 1. L_G is flat where the discriminator is sure, so
    the generator learns slowly at first.
    """

    def generator(self, game: Game) -> Loss:
        """L_G in nats; it falls below zero."""
        return Loss(-F.softplus(game.fake_critique.score).mean())


class LeastSquares(GanTerm):
    """Least squares with the targets 0, 1 and 1.

        L_D = ½ E[(D(x) − 1)²] + ½ E[D(G(z))²],    L_G = ½ E[(D(G(z)) − 1)²]

    Mao et al., Least Squares Generative Adversarial Networks, 2017, equation 9.
    """

    def discriminator(self, game: Game) -> Loss:
        """L_D in squared score."""
        real, fake = game.real_critique.score, game.fake_critique.score
        return Loss(0.5 * ((real - 1).square().mean() + fake.square().mean()), lambda: _scores(real, fake))

    def generator(self, game: Game) -> Loss:
        """L_G in squared score."""
        return Loss(0.5 * (game.fake_critique.score - 1).square().mean())


class Wasserstein(GanTerm):
    """The Wasserstein objective; the critic must be kept Lipschitz by a regulariser (clipping, a gradient penalty).

        L_D = E[D(G(z))] − E[D(x)],    L_G = −E[D(G(z))]

    Arjovsky et al., Wasserstein Generative Adversarial Networks, 2017. −L_D estimates the distance, in units of the
    content times the Lipschitz constant.
    """

    def discriminator(self, game: Game) -> Loss:
        """L_D; logs the estimated distance."""
        real, fake = game.real_critique.score.mean(), game.fake_critique.score.mean()
        return Loss(fake - real, lambda: {"wasserstein_estimate": (real - fake).detach()})

    def generator(self, game: Game) -> Loss:
        """L_G."""
        return Loss(-game.fake_critique.score.mean())


class Hinge(GanTerm):
    """The hinge objective.

        L_D = E[max(0, 1 − D(x))] + E[max(0, 1 + D(G(z)))],    L_G = −E[D(G(z))]

    Lim and Ye, Geometric GAN, 2017; Miyato et al., Spectral Normalization for GANs, 2018, equations 17 and 18.
    """

    def discriminator(self, game: Game) -> Loss:
        """L_D in score."""
        real, fake = game.real_critique.score, game.fake_critique.score
        return Loss(F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lambda: _scores(real, fake))

    def generator(self, game: Game) -> Loss:
        """L_G in score."""
        return Loss(-game.fake_critique.score.mean())


class RelativisticAverage(GanTerm):
    """Is this more realistic than the others are on average?

        L_D = E[−log σ(D(x) − E D(G(z)))] + E[−log(1 − σ(D(G(z)) − E D(x)))],    L_G with real and fake exchanged

    Jolicoeur-Martineau, The Relativistic Discriminator, 2018, equations 11 and 12 (RaSGAN).
    """

    @staticmethod
    def _loss(first: Tensor, second: Tensor) -> Tensor:
        return F.softplus(second.mean() - first).mean() + F.softplus(second - first.mean()).mean()

    def discriminator(self, game: Game) -> Loss:
        """L_D in nats."""
        real, fake = game.real_critique.score, game.fake_critique.score
        return Loss(self._loss(real, fake), lambda: _scores(real, fake))

    def generator(self, game: Game) -> Loss:
        """L_G in nats."""
        return Loss(self._loss(game.fake_critique.score, game.real_critique.score))


class RelativisticPairing(GanTerm):
    """Is this real image more realistic than this generated one?

        L_D = E[−log σ(D(x) − D(G(z)))],    L_G = E[−log σ(D(G(z)) − D(x))]

    Jolicoeur-Martineau, 2018, equation 3; with R1 and R2 it is the objective of Huang et al., The GAN is dead; long
    live the GAN! A Modern GAN Baseline, 2024.
    """

    def discriminator(self, game: Game) -> Loss:
        """L_D in nats."""
        real, fake = game.real_critique.score, game.fake_critique.score
        return Loss(F.softplus(fake - real).mean(), lambda: _scores(real, fake))

    def generator(self, game: Game) -> Loss:
        """L_G in nats."""
        return Loss(F.softplus(game.real_critique.score - game.fake_critique.score).mean())
