"""How a generator is told the class that it is asked for: beside z, or in its normalisation layers.

A generator calls :meth:`Conditioning.input` on z, builds its normalisation by :meth:`Conditioning.norm`, and puts its
layers into :class:`Layers`, which passes the condition on to those that want it.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Condition
from genloom.networks.base import Encoder
from genloom.networks.heads import label_index, num_classes
from genloom.precision import exact
from genloom.spec import Spec


class Conditioning(nn.Module):
    """No condition: z as it is, ordinary normalisation. Built by ``conditioning(spec)``.

    Attributes:
        conditional: whether the class matters.
        extra_dim: how much longer than z the generator's input is.
    """

    conditional: bool = False
    extra_dim: int = 0

    def __init__(self, spec: Spec) -> None:
        super().__init__()

    def input(self, z: Float[Tensor, "batch latent"], condition: Condition | None) -> Float[Tensor, "batch input"]:
        """Return what the first layer gets."""
        return z

    def norm(self, width: int, kind: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
        """Return a normalisation layer."""
        return kind(width)


class Concatenation(Conditioning):
    """[z, one-hot y]; Mirza and Osindero, Conditional Generative Adversarial Nets, 2014.

    Args:
        spec: the data's.
        required: refuse data without classes; otherwise z stays as it is there.
    """

    def __init__(self, spec: Spec, *, required: bool = True) -> None:
        super().__init__(spec)
        self.conditional = required or spec.labels is not None
        if self.conditional:
            self.extra_dim = num_classes(spec, "conditioning: concatenation")

    def input(self, z: Float[Tensor, "batch latent"], condition: Condition | None) -> Float[Tensor, "batch input"]:
        """Append the class."""
        if not self.conditional:
            return z
        return torch.cat([z, F.one_hot(label_index(condition), self.extra_dim).to(z.dtype)], dim=1)


class ConditionalBatchNorm(Conditioning):
    """A scale and a shift per class and channel after BatchNorm.

    Dumoulin et al., A Learned Representation for Artistic Style, 2017; de Vries et al., 2017.
    """

    conditional = True

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.num_classes = num_classes(spec, "conditioning: conditional_batch_norm")

    def norm(self, width: int, kind: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
        """Return a layer that takes the condition."""
        return ClassBatchNorm(kind(width, affine=False), self.num_classes)


class ConditionalEncoder(nn.Module):
    """An encoder that is told the class: from content to features.

    Args:
        spec: the data's.
        encoder: sees the content.
        conditioning: appends the class to its features.
    """

    def __init__(self, spec: Spec, encoder: Encoder, conditioning: Conditioning) -> None:
        super().__init__()
        self.encoder = encoder
        self.conditioning = conditioning
        self.content_shape = spec.content.shape
        self.num_features = encoder.num_features + conditioning.extra_dim

    @property
    def conditional(self) -> bool:
        """Whether the class matters."""
        return self.conditioning.conditional

    def forward(
        self, content: Float[Tensor, "batch ..."], condition: Condition | None
    ) -> Float[Tensor, "batch features"]:
        """Return what latents are inferred from."""
        return self.conditioning.input(exact(self.encoder(content)), condition)


class ConditionedModule(nn.Module):
    """A layer that :class:`Layers` calls with the condition."""


class ClassBatchNorm(ConditionedModule):
    """γ_y · BatchNorm(x) + β_y.

    Args:
        norm: without a scale and shift of its own.
        num_classes: how many γ and β there are.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, num_classes: int) -> None:
        super().__init__()
        self.norm = norm
        self.scale = nn.Embedding(num_classes, norm.num_features)
        self.shift = nn.Embedding(num_classes, norm.num_features)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Float[Tensor, "batch width ..."], condition: Condition | None) -> Float[Tensor, "..."]:
        """Normalise, scale and shift."""
        index = label_index(condition)
        shape = (*x.shape[:2], *([1] * (x.ndim - 2)))
        return self.norm(x) * self.scale(index).view(shape) + self.shift(index).view(shape)


class Layers(nn.Sequential):
    """A sequence whose conditional layers get the condition."""

    def forward(self, x: Tensor, condition: Condition | None = None) -> Tensor:  # pyright: ignore
        """Apply every layer."""
        for layer in self:
            x = layer(x, condition) if isinstance(layer, ConditionedModule) else layer(x)
        return x
