"""Spectral normalisation of any network."""

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd  # pyright: ignore[reportPrivateUsage]
from torch.nn.utils.parametrizations import _SpectralNorm  # pyright: ignore[reportPrivateUsage]
from torch.nn.utils.parametrize import register_parametrization

from genloom.precision import exactly


class _Normalised(_SpectralNorm):
    """PyTorch's in single precision: a GPU's autocast would round the singular value, and so each weight's norm."""

    def forward(self, weight: Tensor) -> Tensor:
        with exactly(weight):
            return super().forward(weight)


def normalise_spectrally(network: nn.Module) -> None:
    """Divide every weight matrix by its largest singular value, estimated by one power iteration per forward pass.

    Convolutions, linear layers and embeddings; so each is at most a Lipschitz-1 map (a convolution up to the overlap of
    its windows). Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018.
    """
    for module in list(network.modules()):
        weight = module._parameters.get("weight")
        if weight is not None and weight.ndim >= 2:
            outputs = 1 if isinstance(module, _ConvTransposeNd) else 0  # the axis
            register_parametrization(module, "weight", _Normalised(weight, dim=outputs))
