import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio


def test_a_constant_error_of_a_tenth_is_twenty_decibels():
    """The protocol for reconstructions: per image (``dim``), with the data's range stated."""
    images = torch.rand(4, 1, 8, 8) * 0.9
    ratio = peak_signal_noise_ratio(images + 0.1, images, data_range=1.0, dim=(1, 2, 3), reduction="none")
    assert ratio.tolist() == pytest.approx([20.0] * 4, abs=1e-4)
