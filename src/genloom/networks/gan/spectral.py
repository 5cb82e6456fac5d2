"""Spectral normalisation of any network."""

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def normalise_spectrally(network: nn.Module) -> None:
    """Divide every weight matrix by its largest singular value, estimated by one power iteration per forward pass.

    Convolutions, linear layers and embeddings; so each is at most a Lipschitz-1 map (a convolution up to the overlap of
    its windows). Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018.
    """
    for module in list(network.modules()):
        weight = module._parameters.get("weight")
        if weight is not None and weight.ndim >= 2:
            spectral_norm(module)
