"""What a family expects of its networks: the shapes that go in and come out, and the facts about image sizes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import NOTHING, Given, Latent
from genloom.contents.base import Content
from genloom.contents.image import ImageContent
from genloom.limits import Count
from genloom.precision import exact
from genloom.spec import Spec


class LatentProjection(NamedTuple):
    """The first linear map that a latent meets.

    Args:
        name: of the embedded latent.
        matrix: its weight.
    """

    name: str
    matrix: Float[Tensor, "out latent_dim"]


class Generator(nn.Module):
    """Maps latents to content. Built by ``generator(spec, latent_dim=…)``.

    Attributes:
        conditions: names of those that it uses.
        latent_names: names that an embedded latent has.
    """

    conditions: tuple[str, ...] = ()
    latent_names: frozenset[str] = frozenset({"z"})

    def embed(self, latent: Latent, given: Given, rng: torch.Generator | None) -> Latent:
        """Complete a drawn latent: a style network maps z to w, mixes styles and draws its noise here, so that
        regularisers and latent walks can use what the synthesis really sees. Without ``rng`` nothing is random. An
        embedded latent stays as it is. The default changes nothing.
        """
        return latent

    def drawn(self, latent: Latent, rng: torch.Generator | None) -> Latent:
        """Return a latent with what the generator draws beside it for a sample, as for choices; by default nothing."""
        return latent

    def latent_projection(self) -> LatentProjection | None:
        """Return the first linear map, whose singular vectors are the directions that change the content most."""
        return None

    def forward(self, latent: Latent, given: Given = NOTHING) -> Float[Tensor, "batch ..."]:
        """Return content for an embedded latent."""
        raise NotImplementedError


class Tanh(nn.Tanh):
    """The hyperbolic tangent in at least single precision, from a generator's last numbers to pixels.

    Numbers of 8 or 11 bits are 1 wherever the tangent is above 0.998 or 0.9998, and there its slope would be zero: a
    pixel that is black or white would learn no more.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return values in [-1, 1]."""
        return super().forward(exact(input))


class Truncating(Generator, ABC):
    """A generator whose embedded latents have a mean to move towards."""

    @abstractmethod
    def truncate(self, latent: Latent, psi: float) -> Latent:
        """Move an embedded latent towards the mean: a share ``psi`` of its distance from it remains."""


@dataclass
class Critique:
    """A discriminator's opinion.

    Args:
        score: a logit or an unbounded score per example (or per patch).
        aux: further opinions by name: class logits, latent codes.
    """

    score: Float[Tensor, "batch *patch"]
    aux: dict[str, Tensor] = field(default_factory=dict)

    def exact(self) -> "Critique":
        """Return it in at least single precision."""
        return Critique(exact(self.score), {name: exact(value) for name, value in self.aux.items()})


class Head(nn.Module):
    """The last layers of a discriminator: from features to a critique. Built by ``head(spec, num_features)``.

    Attributes:
        conditions: names of those that the score depends on.
        aux: the further opinions, by name the number of values each gives.
    """

    conditions: tuple[str, ...] = ()
    aux: Mapping[str, int] = MappingProxyType({})

    def forward(self, features: Float[Tensor, "batch features"], given: Given = NOTHING) -> Critique:
        """Judge."""
        raise NotImplementedError


class Discriminator(nn.Module):
    """Maps content to a :class:`Critique`: features, and a head that judges them. Built by ``discriminator(spec)``.

    A subclass gives :meth:`features` and a ``head``; or, without a head, its own ``forward``, and says by the class
    attributes ``conditions`` and ``aux`` what it can do.

    Attributes:
        pack: neighbouring examples that have one score.
    """

    head: Head
    pack: int = 1

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions that the score depends on."""
        return self.head.conditions if "head" in self._modules else ()

    @property
    def aux(self) -> Mapping[str, int]:
        """The opinions beside the score, by name the number of values each gives."""
        return self.head.aux if "head" in self._modules else {}

    def layers_from_input(self) -> Sequence[nn.Module]:
        """Return the parts in their order, which FreezeD keeps fixed from the first on; the head is not among them."""
        return ()

    def features(self, content: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch features"]:
        """Return what the head judges."""
        raise NotImplementedError

    def forward(self, content: Float[Tensor, "batch ..."], given: Given = NOTHING) -> Critique:
        """Judge ``content``."""
        return self.head(self.features(content), given)


class Encoder(nn.Module):
    """Maps content to features. Built by ``encoder(spec)``.

    Attributes:
        num_features: length of the features.
    """

    num_features: int

    def forward(self, content: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch features"]:
        """Return what the latent is inferred from."""
        raise NotImplementedError


class Decoder(nn.Module):
    """Maps latents to the parameters of a likelihood. Built by ``decoder(spec, latent_dim=…, outputs=…)``."""

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch outputs ..."]:
        """Return ``outputs`` numbers per value of content."""
        raise NotImplementedError


@dataclass(frozen=True)
class Pyramid:
    """How an image is reached from a small map by doubling: ``size = base · 2^doublings``, then cropped.

    The base is at least 4 pixels and below 8 on the shorter side: 28 is 7 doubled twice, 32 is 4 doubled three times.
    Sizes that are no such product are made a little larger and cropped in the centre.
    """

    height: int
    width: Count

    @property
    def doublings(self) -> int:
        """Number of doublings, at least one."""
        return max(1, (min(self.height, self.width) // 4).bit_length() - 1)

    @property
    def base(self) -> tuple[int, int]:
        """Height and width of the smallest map."""
        step = 2**self.doublings
        return -(-self.height // step), -(-self.width // step)

    def widths(self, width: int, max_width: int) -> list[int]:
        """Channels per resolution, finest first: ``width``, doubled at each halving, at most ``max_width``."""
        return [min(width * 2**level, max_width) for level in range(self.doublings)]

    def crop(self, content: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels height width"]:
        """Cut the centre."""
        top, left = (content.shape[-2] - self.height) // 2, (content.shape[-1] - self.width) // 2
        return content[..., top : top + self.height, left : left + self.width]


class OfImages:
    """Marks a network that is made for images, and for nothing else."""

    kind: ClassVar[type[Content]] = ImageContent

    def image_shape(self, spec: Spec, key: str) -> tuple[int, int, int]:
        """Return channels, height and width.

        Args:
            spec: the data's.
            key: of the configuration that chose the network.

        Raises:
            ConfigError: the data holds no images.
        """
        spec.check(self, key)
        return ImageContent.of(spec.content).shape
