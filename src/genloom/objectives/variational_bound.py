"""What a diffusion model minimises in nats: how far the variational bound lies below what it could be."""

import math

from jaxtyping import Bool
from torch import Tensor

from genloom.batch import Given
from genloom.diffusion.noise_levels import LogUniform
from genloom.diffusion.process import Level
from genloom.diffusion.weighting import Likelihood
from genloom.errors import ConfigError
from genloom.limits import Positive
from genloom.objectives.denoising import Denoiser, Denoising
from genloom.objectives.loss import Loss


class VariationalBound(Denoising):
    """∫ E‖ε − ε̂‖² d log(σ/α): what the network has a say in of minus the bound, nats per example.

    Levels are uniform in log σ/α, and stratified. What is left of the bound is the same for every network. Kingma et
    al., Variational Diffusion Models, 2021, https://arxiv.org/abs/2107.00630, equation 17.

    Args:
        sigma_min: the lowest σ/α.
        sigma_max: the highest σ/α, unless the process ends before.

    Raises:
        ConfigError: ``sigma_min`` is not below ``sigma_max``.
    """

    noise_levels: LogUniform

    def __init__(self, *, sigma_min: Positive = 0.01, sigma_max: Positive = 80.0) -> None:
        if not 0 < sigma_min < sigma_max:
            raise ConfigError(
                f"model.objective.sigma_min: {sigma_min} is not above 0 and below "
                f"model.objective.sigma_max={sigma_max}; 0.01 and 80 are usual"
            )
        super().__init__(noise_levels=LogUniform(sigma_min=sigma_min, sigma_max=sigma_max), weighting=Likelihood())

    def forward(
        self,
        model: Denoiser,
        content: Tensor,
        levels: tuple[Level, ...],
        noise: Tensor,
        given: Given,
        mask: Bool[Tensor, "batch ..."] | None = None,
    ) -> Loss:
        """Return the loss; its terms are squared errors of the noise, and see :meth:`Denoising.forward`."""
        low, high = model.process.within(self.noise_levels.sigma_min, self.noise_levels.sigma_max)
        loss = super().forward(model, content, levels, noise, given, mask)
        return Loss(math.log(high / low) * content[0].numel() * loss.total, loss.terms)
