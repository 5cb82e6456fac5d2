"""The calibration ladder of a feature extractor: damage of a known kind and strength done to real pictures.

The distances of the rungs tell what a value means: an extractor whose distance does not rise with the damage measures
something else, and a model that is further from the data than ``pca_50_gaussian`` has learned less than a closed-form
Gaussian.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from genloom import randomness
from genloom.examples import Examples

Pictures = UInt8[Tensor, "num channels height width"]


def _uint8(images: Float[Tensor, "num channels height width"]) -> Pictures:
    return (images * 255).clamp(0, 255).round().to(torch.uint8)


def rungs(train: Examples, test: Examples) -> dict[str, Pictures]:
    """Return pictures for each rung, best first; as many as ``test`` holds, less the class that one rung leaves out.

    PCA keeps 50 components, or half of what there can be where that is less, and the rungs' names say how many.

    Args:
        train: the images that PCA is fitted to, disjoint from ``test``; labelled.
        test: the images that are damaged.
    """
    if test.labels is None:
        raise ValueError("the ladder drops a class, so it needs labels")
    rng = randomness.generator("ladder")
    clean = test.content.float() / 255
    channels = clean.shape[1]

    def noisy(sigma: float) -> Pictures:
        return _uint8(clean + sigma * torch.randn(clean.shape, generator=rng))

    flat = train.content.flatten(1).float() / 255
    mean = flat.mean(0)
    num_computed = min(100, *flat.shape)
    num_kept = num_computed // 2
    _, singular, basis = torch.svd_lowrank(flat - mean, q=num_computed, niter=4)
    basis, scale = basis[:, :num_kept], singular[:num_kept] / (len(flat) - 1) ** 0.5
    projected = mean + (clean.flatten(1) - mean) @ basis @ basis.T
    drawn = mean + (torch.randn(len(clean), num_kept, generator=rng) * scale) @ basis.T
    box = torch.full((channels, 1, 3, 3), 1 / 9)
    return {
        "real": test.content,
        "noise_0.05": noisy(0.05),
        "class_dropped": test.content[test.labels != 0],
        f"pca_{num_kept}_reconstruction": _uint8(projected.view_as(clean)),
        "noise_0.2": noisy(0.2),
        "blur_3x3": _uint8(F.conv2d(clean, box, padding=1, groups=channels)),
        f"pca_{num_kept}_gaussian": _uint8(drawn.view_as(clean)),
        "uniform_noise": _uint8(torch.rand(clean.shape, generator=rng)),
    }


def unseen(distances: Mapping[str, float]) -> list[str]:
    """Return the rungs that are no further away than the weaker damage of their kind: what an extractor is blind to.

    A PCA reconstruction may be as close as the real images, since PCA may have left out next to nothing.

    Args:
        distances: by rung, from the same reference.
    """
    pca = [name for name in distances if name.startswith("pca_")]  # the reconstruction, then the Gaussian
    chains = (
        ["real", "noise_0.05", "noise_0.2", "uniform_noise"],
        ["real", "class_dropped"],
        ["real", "blur_3x3"],
        ["real", *pca[1:]],
        pca,
    )
    kept = [[name for name in chain if name in distances] for chain in chains]
    falls = [worse for chain in kept for better, worse in pairwise(chain) if distances[worse] <= distances[better]]
    return list(dict.fromkeys(falls))
