"""The network of the extractors that are trained here."""

from itertools import pairwise

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from genloom.limits import Count, Counts


class StridedCNN(nn.Module):
    """A small classifier of square pictures, whose penultimate layer gives the features.

    Args:
        channels: 1 (grey) or 3 (colour).
        size: height and width, in pixels.
        widths: channels of each stage: a convolution that halves the map, of 5x5 in the first stage and 3x3 after it.
        num_features: width of the penultimate layer.
        num_classes: classes to tell apart.
    """

    def __init__(self, channels: Count, size: int, widths: Counts, num_features: int, num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side = size
        for position, (width_in, width_out) in enumerate(pairwise((channels, *widths))):
            kernel_size = 3 if position else 5
            convolution = nn.Conv2d(width_in, width_out, kernel_size, stride=2, padding=kernel_size // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(width_out), nn.ReLU()]
            side = -(-side // 2)
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * side * side, num_features))
        self.classify = nn.Sequential(nn.ReLU(), nn.Linear(num_features, num_classes))
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(()))  # makes the trace of the real features' covariance num_features

    def forward(
        self, images: Shaped[Tensor, "num channels size size"]
    ) -> tuple[Float[Tensor, "num features"], Float[Tensor, "num classes"]]:
        """Return the features, scaled, and the logits of pixels in 0..255."""
        features = self.features(images.float() / 255)
        return features * self.scale, self.classify(features)
