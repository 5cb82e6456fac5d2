"""How a network is told what it is asked for: beside z, or in its normalisation layers.

A network makes one vector of all that it is told (:meth:`Conditioning.forward`), joins it to its input
(:meth:`Conditioning.input`), builds its normalisation by :meth:`Conditioning.norm`, and puts its layers into
:class:`Layers`, which passes the vector on to those that want it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.networks.base import Encoder
from genloom.networks.embedders import MakeEmbedder, Told
from genloom.precision import exact
from genloom.spec import Spec

Vector = Float[Tensor, "batch told"] | None


class Conditioning(nn.Module):
    """No condition: z as it is, ordinary normalisation. Built by ``conditioning(spec)``.

    Attributes:
        conditions: names of those that are told.
        extra_dim: how much longer than z the network's input is.
    """

    conditions: tuple[str, ...] = ()
    extra_dim: int = 0

    def __init__(self, spec: Spec) -> None:
        super().__init__()

    def forward(self, given: Given) -> Vector:
        """Return all that is told as one vector; None if nothing is."""
        return None

    def input(self, z: Float[Tensor, "batch latent"], told: Vector) -> Float[Tensor, "batch input"]:
        """Return what the first layer gets."""
        return z

    def norm(self, width: int, kind: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
        """Return a normalisation layer."""
        return kind(width)


class _Telling(Conditioning):
    """A conditioning that tells something.

    Args:
        spec: the data's.
        names: of the conditions that are told; None is all that the data has.
        required: refuse data without any; otherwise nothing is told there.
        embedders: by a condition's name, what makes a vector of it; without one it is what is usual for its kind.
    """

    who = "conditioning"

    def __init__(
        self,
        spec: Spec,
        *,
        names: Sequence[str] | None = None,
        required: bool = True,
        embedders: Mapping[str, MakeEmbedder] | None = None,
    ) -> None:
        super().__init__(spec)
        self.told = Told(spec, self.who, names=names, required=required, embedders=embedders)
        self.conditions = self.told.names

    def forward(self, given: Given) -> Vector:
        """Return the vectors of all conditions as one."""
        return self.told(given) if self.conditions else None


class Concatenation(_Telling):
    """[z, e(y)]; Mirza and Osindero, Conditional Generative Adversarial Nets, 2014, with classes as ones and zeros."""

    who = "conditioning: concatenation"

    def __init__(self, spec: Spec, **telling: Any) -> None:
        super().__init__(spec, **telling)
        self.extra_dim = self.told.dim

    def input(self, z: Float[Tensor, "batch latent"], told: Vector) -> Float[Tensor, "batch input"]:
        """Append what is told."""
        return z if told is None else torch.cat([z, told.to(z.dtype)], dim=1)


class ConditionalBatchNorm(_Telling):
    """A scale and a shift per channel after BatchNorm, both linear in what is told: of classes, one pair for each.

    Dumoulin et al., A Learned Representation for Artistic Style, 2017; de Vries et al., 2017.
    """

    who = "conditioning: conditional_batch_norm"

    def norm(self, width: int, kind: type[nn.BatchNorm1d | nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.Module:
        """Return a layer that takes what is told; an ordinary one if nothing is."""
        return Modulated(kind(width, affine=False), self.told.dim) if self.conditions else kind(width)


class ConditionalEncoder(nn.Module):
    """An encoder that is told the conditions: from content to features.

    Args:
        spec: the data's.
        encoder: sees the content.
        conditioning: appends what is told to its features.
    """

    def __init__(self, spec: Spec, encoder: Encoder, conditioning: Conditioning) -> None:
        super().__init__()
        self.encoder = encoder
        self.conditioning = conditioning
        self.content_shape = spec.content.shape
        self.num_features = encoder.num_features + conditioning.extra_dim

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions that matter."""
        return self.conditioning.conditions

    def forward(self, content: Float[Tensor, "batch ..."], given: Given = NOTHING) -> Float[Tensor, "batch features"]:
        """Return what latents are inferred from."""
        return self.conditioning.input(exact(self.encoder(content)), self.conditioning(given))


class ConditionedModule(nn.Module):
    """A layer that :class:`Layers` calls with what is told."""


class Modulated(ConditionedModule):
    """(1 + A t) · BatchNorm(x) + B t, with what is told as the vector t; A and B are zero at first.

    Args:
        norm: without a scale and shift of its own.
        told_dim: length of t.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, told_dim: int) -> None:
        super().__init__()
        self.norm = norm
        self.scale = nn.Parameter(torch.zeros(told_dim, norm.num_features))
        self.shift = nn.Parameter(torch.zeros(told_dim, norm.num_features))

    def forward(self, x: Float[Tensor, "batch width ..."], told: Float[Tensor, "batch told"]) -> Float[Tensor, "..."]:
        """Normalise, scale and shift."""
        shape = (*x.shape[:2], *([1] * (x.ndim - 2)))
        return self.norm(x) * (1 + told @ self.scale).view(shape) + (told @ self.shift).view(shape)


class Layers(nn.Sequential):
    """A sequence whose conditional layers get what is told."""

    def forward(self, x: Tensor, told: Vector = None) -> Tensor:  # pyright: ignore
        """Apply every layer."""
        for layer in self:
            x = layer(x, told) if isinstance(layer, ConditionedModule) else layer(x)
        return x
