"""The diffusion benchmark's upper bound: a plain loop over the same U-Net, with no framework around it.

python scripts/bench/bare_diffusion.py --iterations 50
"""

import argparse
import time

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from genloom.contents.image import ImageContent
from genloom.diffusion.process import Level
from genloom.networks.denoiser.unet import UNet
from genloom.spec import Spec

SPEC = Spec("bench", ImageContent(channels=1, height=32, width=32))
WIDTH, MULTIPLIERS, BLOCKS, ATTENTION = 32, (1, 2, 3), 2, (1, 2)
WARMUP_ITERATIONS = 3


def network() -> UNet:
    """Return the U-Net, of whole pixels."""
    return UNet(SPEC, width=WIDTH, multipliers=MULTIPLIERS, blocks=BLOCKS, attention=ATTENTION)


def train(images: UInt8[Tensor, "num 1 32 32"], iterations: int, batch_size: int = 64, seed: int = 0) -> float:
    """Train a rectified flow for ``iterations`` after the warm-up; return images per second.

    Args:
        images: 8-bit.
        iterations: updates that are timed.
        batch_size: examples of one update.
        seed: of the weights, the order and the draws.
    """
    torch.manual_seed(seed)
    denoiser = network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=2e-4, fused=True)
    order = torch.empty(0, dtype=torch.long)
    start = 0.0
    for step in range(WARMUP_ITERATIONS + iterations):
        if step == WARMUP_ITERATIONS:
            start = time.perf_counter()
        if len(order) < batch_size:
            order = torch.randperm(len(images))
        index, order = order[:batch_size], order[batch_size:]
        content = images[index].float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)
        noise, sigma = torch.randn_like(content), torch.randn(batch_size).sigmoid()
        noised = torch.lerp(content, noise, sigma[:, None, None, None])
        said = denoiser(noised, Level(1 - sigma, sigma))
        nn.functional.mse_loss(said, noise - content).backward()
        nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return iterations * batch_size / (time.perf_counter() - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=50)
    options = parser.parse_args()
    pictures = torch.randint(0, 256, (1280, 1, 32, 32), dtype=torch.uint8)
    print(f"{train(pictures, options.iterations):.0f} images/s")
