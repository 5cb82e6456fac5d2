"""Averages that follow weights while they are trained."""

import copy

import torch
from jaxtyping import Float
from torch import Tensor, nn


def average_of(source: nn.Module) -> nn.Module:
    """Return a frozen copy that will follow ``source``."""
    return copy.deepcopy(source).requires_grad_(False)


def share_of_new(examples: int, seen: int, half_life_examples: float) -> float:
    """Return by what share of the way an average moves towards its source.

    The half-life grows with the examples seen, up to its limit, so that a short run is not judged by its start (Karras
    et al., StyleGAN2, 2020, call this the ramp-up).

    Args:
        examples: of this update.
        seen: examples of the run so far, these included.
        half_life_examples: after so many an old weight counts half.
    """
    return 1.0 - 0.5 ** (examples / min(half_life_examples, 0.05 * seen))


@torch.no_grad()
def follow(average: nn.Module, source: nn.Module, share: float | Float[Tensor, ""]) -> None:
    """Move an average towards its source: weights and floating-point statistics alike; counts are taken over.

    Args:
        average: what moves.
        source: what it follows.
        share: of the way; a tensor is read where it is.
    """
    targets = [*average.parameters(), *(b for b in average.buffers() if b.is_floating_point())]
    sources = [*source.parameters(), *(b for b in source.buffers() if b.is_floating_point())]
    if isinstance(share, Tensor):  # by which PyTorch interpolates one after another only
        ways = torch._foreach_sub(sources, targets)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_mul_(ways, share)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(targets, ways)  # pyright: ignore[reportPrivateImportUsage]
    else:
        torch._foreach_lerp_(targets, sources, share)  # pyright: ignore[reportPrivateImportUsage]
    for to, origin in zip(average.buffers(), source.buffers(), strict=True):
        if not to.is_floating_point():
            to.copy_(origin)
