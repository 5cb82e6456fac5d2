"""Regularisers: terms that join any adversarial objective.

Notation: x real, z latent, G(z) generated, D(·) the discriminator's score. A gradient's norm is over all values of one
example, means are over the examples. Gradients are with respect to what enters the critic, before any augmentation;
images are in [-1, 1].
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Given
from genloom.limits import Count, NonNegative, Positive, Share
from genloom.objectives.gan.game import Game, GanTerm
from genloom.objectives.loss import Loss
from genloom.precision import exactly
from genloom.running_mean import RunningMean


def squared_gradient_norm(game: Game, content: Float[Tensor, "batch ..."], given: Given) -> Float[Tensor, " scores"]:
    """Return ‖∇ₓ D(x)‖² of each example, or of each pack that is judged as one, differentiable by the discriminator's
    weights.

    Raises no error for batch statistics, but with them D(x) depends on the other examples too, and so does the norm.
    The critic is run in the content's precision: ∇ₓ D(x) of one pixel is below what half precision can hold.
    """
    x = content.detach().requires_grad_()
    with torch.enable_grad(), exactly(x):
        score = game.critic(x, given).score
        (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1).view(-1, game.pack).sum(1)


def _norm(squared: Tensor) -> Tensor:
    return (squared + 1e-12).sqrt()  # the root's slope at zero is infinite


class R1(GanTerm):
    """Zero-centred gradient penalty on real examples.

        L_D += γ/2 · E[‖∇ₓ D(x)‖²]

    Mescheder et al., Which Training Methods for GANs do actually Converge?, 2018, equation 9.

    Args:
        gamma: γ, in squared score per squared unit of content.
        every_iterations: see :class:`GanTerm`.
    """

    def __init__(self, *, gamma: NonNegative = 1.0, every_iterations: Count = 16) -> None:
        super().__init__(every_iterations=every_iterations)
        self.gamma = gamma

    def discriminator(self, game: Game) -> Loss:
        """γ/2 · E[‖∇ₓ D(x)‖²]; logs the expectation."""
        squared = squared_gradient_norm(game, game.real.content, game.real.given).mean()
        return Loss(0.5 * self.gamma * squared, lambda: {"r1_squared_gradient_norm": squared.detach()})


class R2(R1):
    """Zero-centred gradient penalty on generated examples: L_D += γ/2 · E[‖∇ D(G(z))‖²]; Mescheder et al., 2018."""

    def discriminator(self, game: Game) -> Loss:
        """γ/2 · E[‖∇ D(G(z))‖²]; logs the expectation."""
        squared = squared_gradient_norm(game, game.fake.content, game.fake.given).mean()
        return Loss(0.5 * self.gamma * squared, lambda: {"r2_squared_gradient_norm": squared.detach()})


class GradientPenalty(GanTerm):
    """Holds the gradient's norm at k between real and generated examples.

        L_D += λ · E[(‖∇ D(x̂)‖ − k)²],    x̂ = ε x + (1 − ε) G(z),    ε ~ U(0, 1) per example, or pack

    Gulrajani et al., Improved Training of Wasserstein GANs, 2017, equation 3, with k = 1. One-sided, only norms above k
    count: λ · E[max(0, ‖∇ D(x̂)‖ − k)²]; Petzka et al., On the Regularization of Wasserstein GANs, 2018.

    Args:
        weight: λ, in score per squared norm.
        norm: k, in score per unit of content.
        one_sided: whether norms below k are free.
        every_iterations: see :class:`GanTerm`.
    """

    def __init__(
        self,
        *,
        weight: NonNegative = 10.0,
        norm: NonNegative = 1.0,
        one_sided: bool = False,
        every_iterations: Count = 1,
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        self.weight = weight
        self.norm = norm
        self.one_sided = one_sided

    def points(self, game: Game) -> Tensor:
        """Return x̂."""
        real = game.real.content
        shape = (len(real) // game.pack, *[1] * (real.ndim - 1))
        epsilon = torch.rand(shape, generator=game.rng, device=real.device, dtype=real.dtype)
        return torch.lerp(game.fake.content, real, epsilon.repeat_interleave(game.pack, dim=0))

    def discriminator(self, game: Game) -> Loss:
        """The penalty; logs the mean norm."""
        norm = _norm(squared_gradient_norm(game, self.points(game), game.real.given))
        excess = norm - self.norm
        if self.one_sided:
            excess = F.relu(excess)
        return Loss(self.weight * excess.square().mean(), lambda: {"gradient_norm_between": norm.detach().mean()})


class Dragan(GradientPenalty):
    """Holds the gradient's norm at k around the real examples.

        x̂ = x + α · c s · u,    α ~ U(0, 1) per example,    u ~ U(0, 1) per value,    s the batch's standard deviation

    Kodali et al., On Convergence and Stability of GANs, 2017, algorithm 1, with the perturbation of the authors' code
    (https://github.com/kodalinaveen3/DRAGAN, DRAGAN.ipynb), which is never below x; the paper has x̂ = x + δ with
    δ ~ N(0, c I). Scores may then differ by k times the distance between examples; where that is far above 1, an
    objective with a sigmoid has little gradient left.

    Args:
        spread: c, the largest perturbation, in standard deviations of all values of the batch.
        **penalty: see :class:`GradientPenalty`.
    """

    def __init__(self, *, spread: NonNegative = 0.5, **penalty: Any) -> None:
        super().__init__(**penalty)
        self.spread = spread

    def points(self, game: Game) -> Tensor:
        """Return x̂."""
        x = game.real.content
        alpha, u = (
            torch.rand(shape, generator=game.rng, device=x.device, dtype=x.dtype)
            for shape in ((len(x), *[1] * (x.ndim - 1)), x.shape)
        )
        return x + alpha * self.spread * x.std(correction=0) * u


class WeightClipping(GanTerm):
    """Keeps every weight of the critic within ±limit, after each of its updates.

    Arjovsky et al., Wasserstein Generative Adversarial Networks, 2017, algorithm 1. Scales of normalisation layers are
    clipped with the rest, so use a critic without them.

    Args:
        limit: c.
    """

    def __init__(self, *, limit: Positive = 0.01) -> None:
        super().__init__()
        self.limit = limit

    @torch.no_grad()
    def constrain(self, discriminator: nn.Module) -> None:
        """Clip."""
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.limit, self.limit)


class LeCam(GanTerm):
    """Keeps scores from moving away from the other side's running mean.

        L_D += λ · (E[max(0, D(x) − α_F)²] + E[max(0, α_R − D(G(z)))²]),
        α_R, α_F running means of E[D(x)] and E[D(G(z))]

    Tseng et al., Regularizing Generative Adversarial Networks under Limited Data, 2021, equation 6, with what the
    authors' code adds to it: the rectifiers; and the running means, which include this update and are free of the bias
    towards their start (https://github.com/google/lecam-gan, stylegan2/lecam_loss.py). Without the rectifiers real
    examples are pulled up, too, where they score below the generated ones.

    Args:
        weight: λ.
        decay: of the running means, per discriminator update.
    """

    def __init__(self, *, weight: NonNegative = 0.1, decay: Share = 0.99) -> None:
        super().__init__()
        self.weight = weight
        self.mean_real = RunningMean(decay)
        self.mean_fake = RunningMean(decay)

    def discriminator(self, game: Game) -> Loss:
        """λ times the squared distances in score; logs the distance of the means."""
        real, fake = game.real_critique.score, game.fake_critique.score
        mean_real = self.mean_real.update(real.detach().mean())
        mean_fake = self.mean_fake.update(fake.detach().mean())
        total = F.relu(real - mean_fake).square().mean() + F.relu(mean_real - fake).square().mean()
        return Loss(self.weight * total, lambda: {"lecam_gap": mean_real - mean_fake})


class PathLength(GanTerm):
    """A step of fixed length in the latent space shall change the image by a fixed amount.

        L_G += weight · E[(‖J_wᵀ y‖ − a)²],    y ~ N(0, I)/√(h·w),    a the running mean of the norm

    Karras et al., Analyzing and Improving the Image Quality of StyleGAN, 2020, equation 4. Where the latent has one
    row per layer, squared norms are averaged over the rows.

    Args:
        weight: of the penalty.
        decay: of a, per evaluation.
        latent: name of the embedded latent.
        batch_share: share of the batch that is used, since the second derivative is dear.
        every_iterations: see :class:`GanTerm`.
    """

    def __init__(
        self,
        *,
        weight: NonNegative = 2.0,
        decay: Share = 0.99,
        latent: str = "w",
        batch_share: Share = 0.5,
        every_iterations: Count = 4,
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        if not 0 < batch_share <= 1:
            raise ValueError(f"batch_share: {batch_share} is not within 0 and 1")
        self.weight = weight
        self.decay = decay
        self.latent = latent
        self.needs_latent = (latent,)
        self.batch_share = batch_share
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(()))

    def generator(self, game: Game) -> Loss:
        """The penalty; logs the running mean a."""
        num = max(1, math.ceil(len(game.fake.content) * self.batch_share))
        latent = {name: value[:num].detach() for name, value in game.fake.latent.items()}
        w = game.fake.latent[self.latent][:num]
        if not w.requires_grad:  # z itself
            w = w.detach().requires_grad_()
        with exactly(w):
            image = game.fake.rerun({**latent, self.latent: w})
            noise = torch.randn(image.shape, generator=game.rng, device=image.device, dtype=image.dtype)
            y = noise / math.sqrt(math.prod(image.shape[2:]))
            (gradient,) = torch.autograd.grad((image * y).sum(), w, create_graph=True)
        squared = gradient.square().sum(-1)
        length = _norm(squared.flatten(1).mean(1) if squared.ndim > 1 else squared)
        self.mean.lerp_(length.detach().mean().to(self.mean), 1 - self.decay)
        penalty = (length - self.mean.clone()).square().mean()
        return Loss(self.weight * penalty, lambda: {"path_length": self.mean.clone()})
