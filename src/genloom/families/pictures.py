"""Draw many examples from a model in chunks, as they are stored in the user's world."""

import torch
from jaxtyping import UInt8
from torch import Tensor

from genloom import randomness
from genloom.families.base import Family


def draw_pictures(
    model: Family, num: int, *, seed: int, weights: str | None = None, batch_size: int = 250
) -> UInt8[Tensor, "num channels height width"]:
    """Return ``num`` generated images as 8-bit pixels on the CPU; the same seed gives the same images.

    Args:
        model: one that offers Sample.
        num: how many.
        seed: of the latents, which are drawn on the CPU, so that they are the same on every device.
        weights: which of the model's weight sets; None is its default.
        batch_size: images per pass through the network.
    """
    rng = randomness.generator(seed, "sample")
    decode = model.spec.content.decode
    sizes = [min(batch_size, num - first) for first in range(0, num, batch_size)]
    return torch.cat([decode(model.sample(size, rng=rng, weights=weights).content).cpu() for size in sizes])
