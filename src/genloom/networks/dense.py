"""The fully connected GAN of the survey, in the form of Goodfellow et al., Generative Adversarial Nets, 2014."""

from collections.abc import Sequence
from math import prod

from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Condition, Latent
from genloom.networks.base import Critique, Discriminator, Generator
from genloom.spec import Spec


class DenseGenerator(Generator):
    """Linear layers with BatchNorm and LeakyReLU(0.2), tanh last.

    Args:
        spec: the data's; content of any shape.
        latent_dim: length of z.
        widths: hidden units per layer.
    """

    def __init__(self, spec: Spec, latent_dim: int, *, widths: Sequence[int] = (128, 256, 512, 1024)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        num_inputs = latent_dim
        for level, width in enumerate(widths):
            layers.append(nn.Linear(num_inputs, width))
            layers += [nn.BatchNorm1d(width)] if level else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            num_inputs = width
        shape = spec.content.shape
        self.layers = nn.Sequential(*layers, nn.Linear(num_inputs, prod(shape)), nn.Tanh(), nn.Unflatten(1, shape))

    def forward(self, latent: Latent, condition: Condition | None = None) -> Float[Tensor, "batch ..."]:
        """Return content in [-1, 1]."""
        return self.layers(latent["z"])


class DenseDiscriminator(Discriminator):
    """Linear layers with LeakyReLU(0.2), one score.

    Args:
        spec: the data's; content of any shape.
        widths: hidden units per layer.
    """

    def __init__(self, spec: Spec, *, widths: Sequence[int] = (512, 256)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        num_inputs = prod(spec.content.shape)
        for width in widths:
            layers += [nn.Linear(num_inputs, width), nn.LeakyReLU(0.2, inplace=True)]
            num_inputs = width
        self.layers = nn.Sequential(*layers, nn.Linear(num_inputs, 1))

    def forward(self, content: Float[Tensor, "batch ..."], condition: Condition | None = None) -> Critique:
        """Return one logit per example."""
        return Critique(self.layers(content).squeeze(1))
