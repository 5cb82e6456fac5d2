"""How much is left of an example, on pictures whose errors are known by hand or by scikit-learn."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from genloom.bottlenecks.gaussian import Gaussian
from genloom.contents.image import ImageBatch, ImageContent, Images
from genloom.extractors.reference_cache import ReferenceCache
from genloom.judging.measuring import Held
from genloom.judging.metric import Score
from genloom.metrics.reconstruction import Reconstruction, pca_error
from genloom.spec import Spec

CONTENT = ImageContent(1, 16, 16)


@pytest.fixture
def measured(tiny_vae, monkeypatch, tmp_path: Path):
    """Measures a model that makes given pictures, with values in [-1, 1], out of others."""

    def measure(pictures: Images, made: torch.Tensor, *, train: Images | None = None, dim: int = 3) -> dict[str, Score]:
        model = tiny_vae(spec=Spec("any", CONTENT), bottleneck=partial(Gaussian, dim=dim))
        returned = lambda batch: ImageBatch(content=made[batch.index], index=batch.index)  # noqa: E731
        monkeypatch.setattr(model, "reconstruct", returned)
        held = Held("test", pictures, lambda: train or pictures, ReferenceCache(tmp_path))
        return Reconstruction(batch_size=2).measure(model, held)

    return measure


def grey(*levels: int) -> Images:
    return Images(torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 16, 16).contiguous())


def test_errors_of_constant_pictures_are_those_by_hand(measured):
    """Without variance structural similarity is (2ab + C) / (a² + b² + C), C = 0.01² of values in [0, 1]."""
    real, made = np.array([0.0, 0.2, 0.6]), np.array([0.1, 0.4, 0.5])
    scores = measured(grey(0, 51, 153), torch.tensor(2 * made - 1).float().view(-1, 1, 1, 1).expand(-1, 1, 16, 16))
    squared = (real - made) ** 2
    assert scores["mse"].value == pytest.approx(squared.mean(), rel=1e-5)
    assert scores["psnr"].value == pytest.approx((-10 * np.log10(squared)).mean(), rel=1e-5)  # averaged in decibels
    similarity = (2 * real * made + 1e-4) / (real**2 + made**2 + 1e-4)
    assert scores["ssim"].value == pytest.approx(similarity.mean(), rel=1e-4)
    assert scores["ssim"].value < 0.7


def test_what_is_made_outside_of_the_range_counts_as_its_end(measured):
    made = torch.full((3, 1, 16, 16), 1.8)
    assert measured(grey(255, 255, 255), made)["mse"].value == 0


def test_the_error_beside_is_that_of_as_many_principal_components_as_the_latent_has_numbers(measured):
    rng = torch.Generator().manual_seed(0)
    train, pictures = (Images(torch.randint(0, 256, (num, 1, 16, 16), generator=rng).byte()) for num in (40, 6))
    scores = measured(pictures, torch.zeros(6, 1, 16, 16), train=train, dim=5)
    assert scores["mse_of_pca"].details == {"components": 5}
    a, b = (part.content.flatten(1).double().numpy() / 255 for part in (train, pictures))
    mean = a.mean(0)
    components = np.linalg.svd(a - mean, full_matrices=False)[2][:5]
    rest = (b - mean) - (b - mean) @ components.T @ components
    assert scores["mse_of_pca"].value == pytest.approx((rest**2).mean(), rel=1e-3)
    assert pca_error(train, train, 39) == pytest.approx(0, abs=1e-6)
    assert "mse_of_pca" not in measured(pictures, torch.zeros(6, 1, 16, 16), train=train[:5], dim=5)


@pytest.mark.parametrize(("side", "has"), [(10, False), (11, True)])
def test_structural_similarity_is_of_pictures_that_its_window_fits_in(tiny_vae, monkeypatch, tmp_path, side, has):
    model = tiny_vae(spec=Spec("any", ImageContent(1, side, 14)))
    monkeypatch.setattr(model, "reconstruct", lambda batch: batch)
    pictures = Images(torch.randint(0, 256, (6, 1, side, 14), dtype=torch.uint8))
    scores = Reconstruction().measure(model, Held("test", pictures, lambda: pictures, ReferenceCache(tmp_path)))
    assert ("ssim" in scores) is has
    assert bool(Reconstruction().warnings(scores)) is not has
    assert not has or scores["ssim"].value == pytest.approx(1)
