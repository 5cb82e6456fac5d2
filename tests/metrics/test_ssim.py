import numpy as np
import pytest
import torch

from genloom.metrics.reconstruction import structural_similarity


def waves(channels: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = np.mgrid[0:height, 0:width]
    c = np.arange(channels)[:, None, None]
    first, second = (
        (0.5 + 0.5 * np.sin(0.3 * x + 0.2 * y * (1 + c))),
        (0.5 + 0.45 * np.sin(0.3 * x + 0.25 * y * (1 + c) + 0.4)),
    )
    return torch.from_numpy(first)[None], torch.from_numpy(second)[None]


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((1, 28, 28), 0.2607603), ((3, 32, 20), -0.1482770), ((1, 11, 11), 0.8682787)],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_structural_similarity_is_that_of_scikit_image(shape, wanted, dtype):
    """scikit-image 0.26.0: ``skimage.metrics.structural_similarity(a, b, channel_axis=0, data_range=1.0,
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False)``, which leaves out the border as well; with it the
    three would be .280, -.040 and .604.
    """
    first, second = (each.to(dtype) for each in waves(*shape))
    found = structural_similarity(torch.cat([first, first]), torch.cat([second, first]))
    assert found[0].item() == pytest.approx(wanted, abs=1e-6)
    assert found[1].item() == pytest.approx(1, abs=1e-9)
