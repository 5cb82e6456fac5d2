"""Fully connected networks.

The GAN's are in the form of Goodfellow et al., Generative Adversarial Nets, 2014, as the survey shows them; the
autoencoder's in that of Kingma and Welling, Auto-Encoding Variational Bayes, 2014.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given, Latent
from genloom.contents.base import Values
from genloom.errors import ConfigError
from genloom.limits import Count, Counts, PartialShare, Positive
from genloom.networks.base import Critique, Decoder, Discriminator, Encoder, Generator, Head, LatentProjection
from genloom.networks.conditioning import ConditionedModule, Conditioning, Layers, Vector
from genloom.networks.heads import Score
from genloom.precision import exact
from genloom.spec import Spec


class DenseGenerator(Generator):
    """Linear layers with BatchNorm (not after the first) and LeakyReLU(0.2).

    Last comes tanh, where values are bounded, as of images, and a Gumbel softmax where one of some values is chosen, as
    of categories: Jang et al., Categorical Reparameterization with Gumbel-Softmax, 2017,
    https://arxiv.org/abs/1611.01144.

    Args:
        spec: the data's; content of any shape.
        latent_dim: length of z.
        widths: hidden units per layer.
        batch_norm: normalise.
        skips: each layer sees what the one before saw, too: Xu et al., Modeling Tabular Data using Conditional GAN,
            2019, https://arxiv.org/abs/1907.00503.
        temperature: of choices; the lower, the nearer to ones and zeros.
        conditioning: called as ``conditioning(spec)``; how the generator is told its conditions.
    """

    def __init__(
        self,
        spec: Spec,
        latent_dim: int,
        *,
        widths: Counts = (128, 256, 512, 1024),
        batch_norm: bool = True,
        skips: bool = False,
        temperature: Positive = 0.2,
        conditioning: Callable[[Spec], Conditioning] = Conditioning,
    ) -> None:
        super().__init__()
        self.conditioning = conditioning(spec)
        self.conditions = self.conditioning.conditions
        self.latent_dim = latent_dim
        self.shape, self.blocks = spec.content.shape, Values.of(spec.content).blocks
        self.temperature = temperature
        layers: list[nn.Module] = []
        num_inputs = latent_dim + self.conditioning.extra_dim
        for level, width in enumerate(widths):
            layer: list[nn.Module] = [nn.Linear(num_inputs, width)]
            layer += [self.conditioning.norm(width, nn.BatchNorm1d)] if level and batch_norm else []
            layer.append(nn.LeakyReLU(0.2, inplace=True))
            layers += [Skip(*layer)] if skips else layer
            num_inputs = width + (num_inputs if skips else 0)
        self.layers = Layers(*layers, nn.Linear(num_inputs, prod(self.shape)))

    def latent_projection(self) -> LatentProjection:
        """The first layer's weight."""
        first = next(module for module in self.layers.modules() if isinstance(module, nn.Linear))
        return LatentProjection("z", first.weight.detach()[:, : self.latent_dim])

    def drawn(self, latent: Latent, rng: torch.Generator | None) -> Latent:
        """Return the latent with Gumbel noise for all choices, if there are some; without ``rng`` with none."""
        if "gumbel" in latent or not any(block.chosen for block in self.blocks):
            return latent
        z = latent["z"]
        if rng is None:
            return {**latent, "gumbel": z.new_zeros(len(z), prod(self.shape))}
        uniform = torch.rand(len(z), prod(self.shape), generator=rng, device=rng.device).clamp(1e-7, 1 - 1e-7)
        return {**latent, "gumbel": -(-uniform.log()).log().to(z)}

    def embed(self, latent: Latent, given: Given, rng: torch.Generator | None) -> Latent:
        """Return the latent with what is drawn beside it."""
        return self.drawn(latent, rng)

    def forward(self, latent: Latent, given: Given = NOTHING) -> Float[Tensor, "batch ..."]:
        """Return content; images in [-1, 1]."""
        told = self.conditioning(given)
        outputs = exact(self.layers(self.conditioning.input(latent["z"], told), told))  # as Tanh explains
        if len(self.blocks) == 1 and not self.blocks[0].chosen:
            outputs = outputs.tanh() if self.blocks[0].bounded else outputs
        else:
            outputs = self._activated(outputs, latent["gumbel"] if "gumbel" in latent else torch.zeros_like(outputs))
        return outputs.unflatten(1, self.shape)

    def _activated(self, outputs: Tensor, gumbel: Tensor) -> Float[Tensor, "batch values"]:
        widths = [block.width for block in self.blocks]
        parts = zip(self.blocks, outputs.split(widths, dim=1), gumbel.split(widths, dim=1), strict=True)
        activated = [
            ((own + noise) / self.temperature).softmax(1) if block.chosen else own.tanh() if block.bounded else own
            for block, own, noise in parts
        ]
        return torch.cat(activated, dim=1)


class Skip(ConditionedModule):
    """Layers, and what they were given beside what they make of it.

    Args:
        *layers: in their order.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = Layers(*layers)

    def forward(self, x: Float[Tensor, "batch width"], told: Vector) -> Float[Tensor, "batch wider"]:
        """Return both."""
        return torch.cat([self.layers(x, told), x], dim=1)


class DenseDiscriminator(Discriminator):
    """Linear layers with LeakyReLU(0.2), then the head.

    Args:
        spec: the data's; content of any shape.
        widths: hidden units per layer.
        pack: examples that are judged together, so that those without variety are found: Lin et al., PacGAN, 2018,
            https://arxiv.org/abs/1712.04086. A batch's last pack is filled with its first examples.
        dropout: share of hidden units that training leaves out.
        conditioning: called as ``conditioning(spec)``; what is told beside the content.
        head: called as ``head(spec, num_features)``.

    Raises:
        ConfigError: a head is told conditions, of packs that have several of each.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        widths: Counts = (512, 256),
        pack: Count = 1,
        dropout: PartialShare = 0.0,
        conditioning: Callable[[Spec], Conditioning] = Conditioning,
        head: Callable[..., Head] = Score,
    ) -> None:
        super().__init__()
        self.conditioning = conditioning(spec)
        self.pack = pack
        layers: list[nn.Module] = [nn.Flatten()]
        num_inputs = pack * (prod(spec.content.shape) + self.conditioning.extra_dim)
        for width in widths:
            layers += [nn.Linear(num_inputs, width), nn.LeakyReLU(0.2, inplace=True)]
            layers += [nn.Dropout(dropout)] if dropout else []
            num_inputs = width
        self.layers = nn.Sequential(*layers)
        self.head = head(spec, num_inputs)
        if pack > 1 and (self.head.conditions or self.head.aux):
            raise ConfigError(
                f"model.discriminator.head: {type(self.head).__name__} says something of single examples, and "
                f"model.discriminator.pack={pack} judges so many together; choose "
                "network/head@model.discriminator.head=score with "
                "network/conditioning@model.discriminator.conditioning=concatenation, or model.discriminator.pack=1"
            )

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions that the score depends on."""
        return tuple(dict.fromkeys([*self.conditioning.conditions, *self.head.conditions]))

    def layers_from_input(self) -> Sequence[nn.Module]:
        """Each linear layer."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def features(self, content: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch features"]:
        """Return the last hidden layer."""
        return self.layers(content)

    def forward(self, content: Float[Tensor, "batch ..."], given: Given = NOTHING) -> Critique:
        """Judge ``content``, or packs of it."""
        told = self.conditioning(given)
        seen = content if told is None else self.conditioning.input(content.flatten(1), told)
        if self.pack > 1:
            packs = -(-len(seen) // self.pack)
            seen = seen[torch.arange(packs * self.pack, device=seen.device) % len(seen)].reshape(packs, -1)
        return self.head(self.features(seen), given)


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
