"""The VAE benchmark's upper bound: a plain loop over the same networks, with no framework around it.

python scripts/bench/bare_vae.py --iterations 500
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64, UInt8
from torch import Tensor, nn

WIDTHS, LATENT_DIM = (784, 400, 400), 40
WARMUP_ITERATIONS = 3


def networks() -> tuple[nn.Module, nn.Module]:
    """Return an encoder that gives mean and log-variance, and a decoder that gives logits."""
    first, second, third = WIDTHS
    encoder = nn.Sequential(
        nn.Linear(first, second), nn.ReLU(), nn.Linear(second, third), nn.ReLU(), nn.Linear(third, 2 * LATENT_DIM)
    )
    decoder = nn.Sequential(
        nn.Linear(LATENT_DIM, third), nn.ReLU(), nn.Linear(third, second), nn.ReLU(), nn.Linear(second, first)
    )
    return encoder, decoder


def negative_elbo(encoder: nn.Module, decoder: nn.Module, images: UInt8[Tensor, "num 1 28 28"]) -> Tensor:
    """Return the loss, nats per image."""
    x = images.flatten(1).float().div_(255)
    mean, log_variance = encoder(x).chunk(2, dim=1)
    z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    reconstruction = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    return (reconstruction + divergence) / len(x)


def updates(
    images: UInt8[Tensor, "num 1 28 28"],
    seed: int = 0,
    *,
    bf16: bool = False,
    compile: Callable[[Any], Any] = lambda function: function,
) -> Callable[[Int64[Tensor, " batch"]], None]:
    """Return what updates the networks by the images of some places; see :func:`bare_loop.updates`."""
    torch.manual_seed(seed)
    device = images.device
    encoder, decoder = (network.to(device) for network in networks())
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True, capturable=device.type == "cuda")
    loss = compile(partial(negative_elbo, encoder, decoder))

    def update(index: Tensor) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
            total = loss(images[index])
        total.backward()
        optimizer.step()
        optimizer.zero_grad()

    return update


def train(images: UInt8[Tensor, "num 1 28 28"], iterations: int, batch_size: int = 128, seed: int = 0) -> float:
    """Train for ``iterations`` after the warm-up; return images per second.

    Args:
        images: black and white.
        iterations: updates that are timed.
        batch_size: examples of one update.
        seed: of the weights, the order and the draws.
    """
    update = updates(images, seed)
    order = torch.empty(0, dtype=torch.long)
    start = 0.0
    for step in range(WARMUP_ITERATIONS + iterations):
        if step == WARMUP_ITERATIONS:
            start = time.perf_counter()
        if len(order) < batch_size:
            order = torch.randperm(len(images))
        index, order = order[:batch_size], order[batch_size:]
        update(index)
    return iterations * batch_size / (time.perf_counter() - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=500)
    options = parser.parse_args()
    pictures = 255 * torch.randint(0, 2, (12_800, 1, 28, 28), dtype=torch.uint8)
    print(f"{train(pictures, options.iterations):.0f} images/s")
