"""The benchmark's upper bound: the fastest plain loop over the same networks, with no framework around it.

Batches are indexed and converted at once, tensors are channels-last, the discriminator is frozen in the generator's
turn, and both players' turns share one generation per iteration. Nothing is logged.

    python scripts/bench/bare_loop.py --iterations 40
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64, UInt8
from torch import Tensor

from genloom.contents.image import ImageContent
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.spec import Spec

LATENT_DIM = 100
WARMUP_ITERATIONS = 3


def updates(
    images: UInt8[Tensor, "num channels height width"],
    seed: int = 0,
    *,
    fused: bool = True,
    bf16: bool = False,
    compile: Callable[[Any], Any] = lambda function: function,
) -> Callable[[Int64[Tensor, " batch"]], None]:
    """Return what updates both players by the images of some places.

    Args:
        images: at the size that the networks get, where the networks are to be.
        seed: of the weights and the latents.
        fused: use Adam's fused kernel.
        bf16: networks compute in bfloat16, by autocast; losses, gradients of weights and weights are of single
            precision.
        compile: called with each function that is differentiated.
    """
    torch.manual_seed(seed)
    _, channels, height, width = images.shape
    device = images.device
    content = ImageContent(channels, height, width)
    spec = Spec("bare", content)
    generator = DCGANGenerator(spec, LATENT_DIM).to(device).to(memory_format=torch.channels_last)
    discriminator = DCGANDiscriminator(spec).to(device).to(memory_format=torch.channels_last)
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), fused=fused, capturable=device.type == "cuda")
    optimizer_g, optimizer_d = adam(generator.parameters()), adam(discriminator.parameters())
    images = images.contiguous(memory_format=torch.channels_last)
    networks = partial(torch.autocast, device.type, torch.bfloat16, enabled=bf16, cache_enabled=False)

    def score(x: Tensor) -> Tensor:
        with networks():
            return discriminator(x).score.float()

    @compile
    def generate(z: Tensor) -> Tensor:
        with networks():
            return generator({"z": z})

    @compile
    def loss_d(x: Tensor, generated: Tensor) -> Tensor:
        fake_score, real_score = score(generated), score(x)
        return F.softplus(-real_score).mean() + F.softplus(fake_score).mean()

    @compile
    def loss_g(generated: Tensor) -> Tensor:
        return F.softplus(-score(generated)).mean()

    def update(index: Tensor) -> None:
        x = content.encode(images[index])
        generated = generate(torch.randn(len(index), LATENT_DIM, device=device))
        loss_d(x, generated.detach()).backward()
        optimizer_d.step()
        optimizer_d.zero_grad()

        discriminator.requires_grad_(False)
        loss_g(generated).backward()
        discriminator.requires_grad_(True)
        optimizer_g.step()
        optimizer_g.zero_grad()

    return update


def train(
    images: UInt8[Tensor, "num channels height width"],
    iterations: int,
    batch_size: int = 128,
    seed: int = 0,
    *,
    fused: bool = True,
    bf16: bool = False,
) -> float:
    """Train for ``iterations`` after the warm-up; return images per second.

    Args:
        images: see :func:`updates`.
        iterations: generator updates that are timed.
        batch_size: examples of one update.
        seed: of the weights, the order and the latents.
        fused: use Adam's fused kernel.
        bf16: see :func:`updates`.
    """
    update = updates(images, seed, fused=fused, bf16=bf16)
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
    from survey_loop import SIZE, digits_28

    from genloom.data.images.base import resize

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fused", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()
    pictures = resize(digits_28()[0][:, None], SIZE)
    rate = train(
        pictures,
        arguments.iterations,
        arguments.batch_size,
        arguments.seed,
        fused=arguments.fused,
        bf16=arguments.bf16,
    )
    print(f"{rate:.0f} images/s")
