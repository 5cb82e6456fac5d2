"""How probable content is under a diffusion model, of any process and prediction, by what denoises alone.

In units of content every process is the same one: y = x_t/α = x + r ε, with r = σ/α. The model's own y at the highest
level is N(0, r²), from which samplers begin. Both ways go through y₀, at a lowest level, by

    log p(x) ≥ E[log p(x | y₀) − log q(y₀ | x) + log p(y₀)],   q(y₀ | x) = N(x, r₀²).

p(x | y₀) is N(y₀, r₀²) of content that is a continuum; of content that has certain values only, as pixels have, it is
their share of that density, as in Kingma et al., Variational Diffusion Models, 2021, https://arxiv.org/abs/2107.00630,
equation 8, and p(x) is a probability. What is left is log p(y₀), of which a class here is one way.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from genloom.diffusion.noise_levels import LogUniform
from genloom.diffusion.process import Denoise, Level, Process
from genloom.errors import ConfigError
from genloom.limits import Count, Positive, Whole
from genloom.part import Part


@dataclass(frozen=True)
class Scoring(Part, ABC):
    """A way to the density of content with hardly any noise.

    Args:
        sigma_min: σ/α of the lowest level, in units of content; well below what the content's finest differences are.
        sigma_max: σ/α of the highest level, unless the process ends before.

    Attributes:
        kind: what it gives: a ``bound``, at most the log-likelihood in expectation, or an ``estimate`` of such a one.

    Raises:
        ConfigError: ``sigma_min`` is not below ``sigma_max``.
    """

    kind: ClassVar[str]

    sigma_min: Positive = 0.01
    sigma_max: Positive = 80.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < float("inf"):
            raise ConfigError(
                f"model.scoring.sigma_min: {self.sigma_min} is not above 0 and below "
                f"model.scoring.sigma_max={self.sigma_max}; 0.01 and 80 are usual"
            )

    @abstractmethod
    def log_density(
        self, denoise: Denoise, content: Tensor, noise: Tensor, level: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, " batch"]:
        """Return log p(y₀), nats, or what is at most that in expectation; y₀ = content + ``sigma_min`` · noise.

        Args:
            denoise: the model; what it gives can be differentiated.
            content: as the model sees it.
            noise: of a standard normal distribution, in the shape of the content.
            level: one of each example, uniform in log σ/α from the lowest to the highest.
            process: of the model.
            rng: of further draws, on the device of ``content``.
        """

    def __call__(
        self,
        denoise: Denoise,
        content: Float[Tensor, "batch ..."],
        process: Process,
        *,
        alphabet: tuple[float, ...] | None,
        num: int,
        rng: torch.Generator,
    ) -> Float[Tensor, " batch"]:
        """Return the log-likelihood of each example, nats, averaged over ``num`` draws of noise.

        Args:
            denoise: the model; what it gives can be differentiated.
            content: as the model sees it.
            process: of the model.
            alphabet: all values that content can have, in ascending order; None where they are a continuum.
            num: draws for each example.
            rng: of the draws, on the device of ``content``.
        """
        low, high = process.within(self.sigma_min, self.sigma_max)
        levels = LogUniform(sigma_min=low, sigma_max=high).draw(num * len(content), process, rng)
        total = torch.zeros(len(content), dtype=torch.float64, device="cpu")  # not every GPU has these
        for draw in range(num):
            noise = torch.randn(content.shape, generator=rng, device=rng.device, dtype=content.dtype).to(content.device)
            level = levels.at(slice(draw, None, num)).like(content)
            found = self.log_density(denoise, content, noise, level, process, rng)
            if alphabet is not None:
                found = found + _share(content, noise, low, content.new_tensor(alphabet))
            total += found.double().cpu()
        return (total / num).to(content)


@dataclass(frozen=True)
class Bound(Scoring):
    """The variational bound of continuous time: one random level for each draw.

    E[log p(y₀)] ≥ E[log q(y₀ | x)] − KL(q(y₁ | x) ‖ p(y₁)) − ∫ E‖ε − ε̂‖² d log r, with y₁ at the highest level. Kingma
    et al., Variational Diffusion Models, 2021, https://arxiv.org/abs/2107.00630, equations 11 and 17; Kingma and Gao,
    Understanding Diffusion Objectives as the ELBO with Simple Data Augmentation, 2023, https://arxiv.org/abs/2303.00848.

    Args:
        sigma_min: see :class:`Scoring`.
        sigma_max: see :class:`Scoring`.
    """

    kind = "bound"

    def log_density(
        self, denoise: Denoise, content: Tensor, noise: Tensor, level: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, " batch"]:
        """Return the bound, with the integral by one level."""
        low, high = process.within(self.sigma_min, self.sigma_max)
        errors = _of_each((noise - denoise(level.noised(content, noise), level).noise).square())
        divergence = _of_each(content.square()) / (2 * high**2)
        entropy = 0.5 * content[0].numel() * (1 + math.log(2 * math.pi * low**2))  # of q(y₀ | x)
        return -entropy - divergence - math.log(high / low) * errors


@dataclass(frozen=True)
class Flow(Scoring):
    """The density of the probability flow dy/dr = ε̂, by the change of variables along it: d log p = −tr(∂ε̂/∂y) dr.

    Song et al., Score-Based Generative Modeling through Stochastic Differential Equations, 2021,
    https://arxiv.org/abs/2011.13456, section 4.3. The trace is Hutchinson's estimate by a random sign for each value
    (Grathwohl et al., FFJORD, 2019, https://arxiv.org/abs/1810.01367), unless the content has few values. The steps are
    those of the classical Runge-Kutta method, each at four network calls and as many gradients, and of equal ratios.

    Args:
        sigma_min: see :class:`Scoring`.
        sigma_max: see :class:`Scoring`.
        steps: from level to level.
        exact_up_to: values of content, up to which the trace is exact, at a gradient for each.
    """

    kind = "estimate"

    steps: Count = 24
    exact_up_to: Whole = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value, least in (("steps", self.steps, 1), ("exact_up_to", self.exact_up_to, 0)):
            if value < least:
                raise ConfigError(f"model.scoring.{name}: {value} is below the limit of {least}")

    def log_density(
        self, denoise: Denoise, content: Tensor, noise: Tensor, level: Level, process: Process, rng: torch.Generator
    ) -> Float[Tensor, " batch"]:
        """Return log p(y₀) by the flow from y₀ to the highest level."""
        low, high = process.within(self.sigma_min, self.sigma_max)
        probes = self._probes(content, rng)

        def moved(y: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
            at = process.level_of(torch.tensor(ratio, dtype=torch.float64)).like(content)
            with torch.enable_grad():
                y = y.detach().requires_grad_()
                direction = denoise(at.alpha * y, at).noise
                traces = [
                    _of_each(torch.autograd.grad(direction, y, probe, retain_graph=True)[0] * probe) for probe in probes
                ]
            return direction.detach(), torch.stack(traces).sum(0)

        y, log_ratio = content + low * noise, torch.zeros(len(content), device=content.device)
        ratios = [low * (high / low) ** (step / self.steps) for step in range(self.steps + 1)]
        for here, there in pairwise(ratios):
            width, middle = there - here, (here + there) / 2
            first, first_trace = moved(y, here)
            second, second_trace = moved(y + width / 2 * first, middle)
            third, third_trace = moved(y + width / 2 * second, middle)
            fourth, fourth_trace = moved(y + width * third, there)
            y = y + width / 6 * (first + 2 * second + 2 * third + fourth)
            log_ratio = log_ratio + width / 6 * (first_trace + 2 * second_trace + 2 * third_trace + fourth_trace)
        return log_ratio + _log_normal(y / high, high)

    def _probes(self, content: Tensor, rng: torch.Generator) -> list[Tensor]:
        values = content[0].numel()
        if values <= self.exact_up_to:
            return [each.view_as(content[0]).expand_as(content) for each in torch.eye(values).to(content)]
        signs = torch.randint(2, content.shape, generator=rng, device=rng.device)
        return [(2 * signs - 1).to(content)]


def _share(content: Tensor, noise: Tensor, ratio: float, alphabet: Tensor) -> Float[Tensor, " batch"]:
    """Return log p(x | y₀) − log q(y₀ | x) of content that has values of an alphabet, which rises.

    Values beyond eight standard deviations are left out: of 256 grey levels, most.
    """
    far = min(len(alphabet), math.ceil(8 * ratio / float(alphabet.diff().min())) + 1)
    steps = torch.arange(-far, far, device=alphabet.device)
    rows = max(1, 2**22 // (content[0].numel() * len(steps)))  # at once
    shares = []
    for x, own in zip(content.flatten(1).split(rows), noise.flatten(1).split(rows), strict=True):
        y = x + ratio * own
        places = torch.searchsorted(alphabet, y)[..., None] + steps
        others = (y[..., None] - alphabet[places.clamp(0, len(alphabet) - 1)]) / ratio
        outside = (places < 0) | (places >= len(alphabet))
        total = (-0.5 * others.square()).masked_fill(outside, -math.inf).logsumexp(-1)
        shares.append((-0.5 * own.square() - total).sum(1))
    return torch.cat(shares) - _log_normal(noise, ratio)


def _log_normal(standard: Tensor, std: float) -> Float[Tensor, " batch"]:
    """Return the log-density of std · ``standard`` under N(0, std²)."""
    return -0.5 * _of_each(standard.square() + math.log(2 * math.pi * std**2))


def _of_each(values: Tensor) -> Float[Tensor, " batch"]:
    return values.flatten(1).sum(1)
