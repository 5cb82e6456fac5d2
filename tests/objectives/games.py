"""Games whose scores are known."""

import torch
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.contents.image import ImageBatch
from genloom.networks.base import Critique
from genloom.objectives.gan import Draw, Game


def game(
    critic, real: Tensor, fake: Tensor, *, labels: Tensor | None = None, latent=None, rerun=None, pack: int = 1
) -> Game:
    given = NOTHING if labels is None else Given(label=labels)
    batch = ImageBatch(content=real, index=torch.arange(len(real)), given=given)
    draw = Draw(latent or {"z": torch.zeros(len(fake), 1)}, fake, given, rerun or (lambda latent: fake))
    return Game(batch, draw, critic, 0, torch.Generator().manual_seed(0), pack)


def first_pixel(content: Tensor, given: object) -> Critique:
    return Critique(content[:, 0, 0, 0])


def images(*scores: float) -> Tensor:
    content = torch.zeros(len(scores), 1, 4, 4)
    content[:, 0, 0, 0] = torch.tensor(scores)
    return content


class Linear(nn.Module):
    """D(x) = w·x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(16, generator=torch.Generator().manual_seed(1)))

    def forward(self, content: Tensor, given: object = None) -> Critique:
        return Critique(content.flatten(1) @ self.w)


class Quadratic(nn.Module):
    """D(x) = a ‖x‖² / 2, whose gradient a x differs from point to point."""

    def __init__(self, a: float = 2.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, content: Tensor, given: object = None) -> Critique:
        return Critique(0.5 * self.a * content.flatten(1).square().sum(1))
