"""Fully connected networks.

The GAN's are in the form of Goodfellow et al., Generative Adversarial Nets, 2014, as the survey shows them; the
autoencoder's in that of Kingma and Welling, Auto-Encoding Variational Bayes, 2014.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod

from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given, Latent
from genloom.limits import Counts
from genloom.networks.base import Decoder, Discriminator, Encoder, Generator, Head, LatentProjection
from genloom.networks.conditioning import Conditioning, Layers
from genloom.networks.heads import Score
from genloom.spec import Spec


class DenseGenerator(Generator):
    """Linear layers with BatchNorm (not after the first) and LeakyReLU(0.2); tanh last, for images.

    Args:
        spec: the data's; content of any shape.
        latent_dim: length of z.
        widths: hidden units per layer.
        batch_norm: normalise.
        conditioning: called as ``conditioning(spec)``; how the generator is told its conditions.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        *,
        widths: Counts = (128, 256, 512, 1024),
        batch_norm: bool = True,
        conditioning: Callable[[Spec], Conditioning] = Conditioning,
    ) -> None:
        super().__init__()
        self.conditioning = conditioning(spec)
        self.conditions = self.conditioning.conditions
        self.latent_dim = latent_dim
        layers: list[nn.Module] = []
        num_inputs = latent_dim + self.conditioning.extra_dim
        for level, width in enumerate(widths):
            layers.append(nn.Linear(num_inputs, width))
            layers += [self.conditioning.norm(width, nn.BatchNorm1d)] if level and batch_norm else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            num_inputs = width
        shape = spec.content.shape
        layers += [nn.Linear(num_inputs, prod(shape)), nn.Unflatten(1, shape)]
        self.layers = Layers(*layers, *([nn.Tanh()] if spec.content.bounded else []))

    def latent_projection(self) -> LatentProjection:
        """The first layer's weight."""
        first = next(module for module in self.layers.modules() if isinstance(module, nn.Linear))
        return LatentProjection("z", first.weight.detach()[:, : self.latent_dim])

    def forward(self, latent: Latent, given: Given = NOTHING) -> Float[Tensor, "batch ..."]:
        """Return content; images in [-1, 1]."""
        told = self.conditioning(given)
        return self.layers(self.conditioning.input(latent["z"], told), told)


class DenseDiscriminator(Discriminator):
    """Linear layers with LeakyReLU(0.2), then the head.

    Args:
        spec: the data's; content of any shape.
        widths: hidden units per layer.
        head: called as ``head(spec, num_features)``.
    """

    def __init__(self, spec: Spec, *, widths: Counts = (512, 256), head: Callable[..., Head] = Score) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        num_inputs = prod(spec.content.shape)
        for width in widths:
            layers += [nn.Linear(num_inputs, width), nn.LeakyReLU(0.2, inplace=True)]
            num_inputs = width
        self.layers = nn.Sequential(*layers)
        self.head = head(spec, num_inputs)

    def layers_from_input(self) -> Sequence[nn.Module]:
        """Each linear layer."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def features(self, content: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch features"]:
        """Return the last hidden layer."""
        return self.layers(content)


class DenseEncoder(Encoder):
    """Linear layers, each with ReLU.

    Args:
        spec: the data's; content of any shape.
        widths: hidden units per layer.
        layer_norm: normalise before each ReLU, which bears higher learning rates.
    """

    def __init__(self, spec: Spec, *, widths: Counts = (400, 400), layer_norm: bool = False) -> None:
        super().__init__()
        sizes = [prod(spec.content.shape), *widths]
        self.layers = nn.Sequential(nn.Flatten(), *_hidden_layers(sizes, layer_norm))
        self.num_features = sizes[-1]

    def forward(self, content: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch features"]:
        """Return the last hidden layer."""
        return self.layers(content)


class DenseDecoder(Decoder):
    """Linear layers with ReLU between.

    Args:
        spec: the data's; content of any shape.
        latent_dim: length of the input.
        outputs: numbers per value of content.
        widths: hidden units per layer.
        layer_norm: normalise before each ReLU, which bears higher learning rates.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        outputs: int,
        *,
        widths: Counts = (400, 400),
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        shape = (outputs, *spec.content.shape)
        sizes = [latent_dim, *widths]
        last = nn.Linear(sizes[-1], prod(shape))
        self.layers = nn.Sequential(*_hidden_layers(sizes, layer_norm), last, nn.Unflatten(1, shape))

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch outputs ..."]:
        """Return the parameters of the likelihood."""
        return self.layers(z)


def _hidden_layers(sizes: Sequence[int], layer_norm: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), *([nn.LayerNorm(b)] if layer_norm else []), nn.ReLU(inplace=True)]
    return layers
