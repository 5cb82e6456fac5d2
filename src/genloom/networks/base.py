"""What a family expects of its networks: the shapes that go in and come out, and the facts about image sizes."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genloom.batch import Condition, Latent


class Generator(nn.Module):
    """Maps latents to content. Built by ``generator(spec, latent_dim=…)``."""

    def embed(self, latent: Latent, condition: Condition | None, rng: torch.Generator | None) -> Latent:
        """Complete a drawn latent: a style network maps z to w, mixes styles and draws its noise here, so that
        regularisers and latent walks can use what the synthesis really sees. The default changes nothing.
        """
        return latent

    def forward(self, latent: Latent, condition: Condition | None = None) -> Float[Tensor, "batch ..."]:
        """Return content for an embedded latent."""
        raise NotImplementedError


@dataclass
class Critique:
    """A discriminator's opinion.

    Args:
        score: a logit or an unbounded score per example (or per patch).
        aux: further heads by name: class logits, latent codes, features.
    """

    score: Float[Tensor, "batch *patch"]
    aux: dict[str, Tensor] = field(default_factory=dict)


class Discriminator(nn.Module):
    """Maps content to a :class:`Critique`. Built by ``discriminator(spec)``."""

    def forward(self, content: Float[Tensor, "batch ..."], condition: Condition | None = None) -> Critique:
        """Judge ``content``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Pyramid:
    """How an image is reached from a small map by doubling: ``size = base · 2^doublings``, then cropped.

    The base is at least 4 pixels and below 8 on the shorter side: 28 is 7 doubled twice, 32 is 4 doubled three times.
    Sizes that are no such product are made a little larger and cropped in the centre.
    """

    height: int
    width: int

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
