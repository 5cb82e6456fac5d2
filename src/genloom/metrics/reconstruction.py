"""How much of an example is left after encoding and decoding, beside the best linear map of the same size.

Values are in [0, 1].
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from genloom.contents.image import ImageContent
from genloom.examples import Examples
from genloom.judging.measuring import Held, Measurement
from genloom.judging.metric import Direction, Score
from genloom.limits import Count
from genloom.models.abilities import Reconstructs

SSIM_WINDOW = 11  # pixels


@dataclass(frozen=True)
class Reconstruction(Measurement):
    """Error of reconstructions: per value, in decibels, and as a structural similarity; averaged over the examples.

    ``ssim`` is that of Wang et al., Image Quality Assessment, 2004: a Gaussian window of 11 pixels with σ = 1.5, over
    the places where it lies within the picture ("valid"), averaged over the channels; smaller pictures have none.

    ``mse_of_pca`` is the error of a principal component analysis of the training examples with as many components as
    the model's latent has numbers: no linear encoder and decoder are better there.

    Args:
        batch_size: examples at once.
    """

    kind = ImageContent  # their values have a range
    requires = Reconstructs
    quantities: ClassVar = {
        "mse": Direction.LOWER,
        "mse_of_pca": Direction.NONE,
        "psnr": Direction.HIGHER,
        "ssim": Direction.HIGHER,
    }

    batch_size: Count = 500

    @property
    def parameters(self) -> dict[str, Any]:
        """Also how structural similarity is taken."""
        return super().parameters | {"ssim": f"valid places of a window of {SSIM_WINDOW}"}

    def measure(self, model: Reconstructs, held: Held) -> dict[str, Score]:
        """Return all four."""
        sums: dict[str, Tensor] = {}
        numbers = 0
        for batch in model.spec.batches(held.examples, self.batch_size):
            numbers = sum(value[0].numel() for value in model.encode(batch).values())
            ours = (model.reconstruct(batch).content.float().clamp(-1, 1) + 1) / 2
            real = ((batch.content + 1) / 2).to(ours)
            scores = {
                "mse": (ours - real).square().flatten(1).mean(1),
                "psnr": peak_signal_noise_ratio(ours, real, data_range=1.0, dim=(1, 2, 3), reduction="none"),
                **({"ssim": structural_similarity(ours, real)} if min(real.shape[-2:]) >= SSIM_WINDOW else {}),
            }
            for name, values in scores.items():
                assert isinstance(values, Tensor)
                sums[name] = sums.get(name, torch.zeros(())) + values.double().sum().cpu()
        found = {name: Score((total / len(held.examples)).item()) for name, total in sums.items()}
        if (error := _error_of_pca(held, numbers)) is not None:
            found["mse_of_pca"] = Score(error, details={"components": numbers})
        return found

    def warnings(self, scores: Mapping[str, Score]) -> list[str]:
        """Name what is not there."""
        if "ssim" in scores:
            return []
        return [f"pictures with sides below {SSIM_WINDOW} pixels have no ssim: its window does not fit in"]


def structural_similarity(
    ours: Float[Tensor, "batch channels height width"], real: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, " batch"]:
    """Return the mean structural similarity of each pair of pictures with values in [0, 1]."""
    border = SSIM_WINDOW // 2  # torchmetrics reflects the picture there, and averages over it
    places = structural_similarity_index_measure(
        ours.double(), real.double(), sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
    )[1]
    return places[..., border:-border, border:-border].flatten(1).mean(1)


def _error_of_pca(held: Held, components: int) -> float | None:
    """Return the error of the best linear map through so many numbers; None if there can't be as many."""
    train = held.train()
    if not 0 < components < min(len(train), math.prod(train.shape[1:])):
        return None
    key = {
        "pca": components,
        "train": train.fingerprint,
        "examples": held.examples.fingerprint,
    }
    return held.cache.plain(key, lambda: pca_error(train, held.examples, components))


def pca_error(train: Examples, examples: Examples, components: int) -> float:
    """Return the mean squared error, of values in [0, 1], of projecting ``examples`` on ``train``'s components."""
    num, dim = len(train), math.prod(train.shape[1:])
    total, products = torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dim, dtype=torch.float64)
    for part in _flat(train):
        total += part.sum(dim=0)
        products.addmm_(part.T, part)
    mean = total / num
    _, directions = torch.linalg.eigh(products.div_(num).addr_(mean, mean, alpha=-1))  # ascending
    basis = directions[:, -components:]
    squared = 0.0
    for part in _flat(examples):
        centred = part - mean
        squared += (centred - centred @ basis @ basis.T).square().sum().item()
    return squared / (len(examples) * dim)


def _flat(examples: Examples) -> Iterator[Float64[Tensor, "part dim"]]:
    """Yield all pixels as values in [0, 1], a thousand examples at a time."""
    return (part.flatten(1).double() / 255 for part in examples.parts(1000))
