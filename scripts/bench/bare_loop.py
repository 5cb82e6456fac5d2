"""The benchmark's upper bound: the fastest plain loop over the same networks, with no framework around it.

Batches are indexed and converted at once, tensors are channels-last, the discriminator is frozen in the generator's
turn, and both players' turns share one generation per iteration. Nothing is logged.

    python scripts/bench/bare_loop.py --iterations 40
"""

import argparse
import time

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from genloom.contents.image import ImageContent
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.spec import Spec

LATENT_DIM = 100
WARMUP_ITERATIONS = 3


def train(
    images: UInt8[Tensor, "num channels height width"],
    iterations: int,
    batch_size: int = 128,
    seed: int = 0,
    *,
    fused: bool = True,
) -> float:
    """Train for ``iterations`` after the warm-up; return images per second.

    Args:
        images: at the size that the networks get.
        iterations: generator updates that are timed.
        batch_size: examples of one update.
        seed: of the weights, the order and the latents.
        fused: use Adam's fused kernel.
    """
    torch.manual_seed(seed)
    _, channels, height, width = images.shape
    content = ImageContent(channels, height, width)
    spec = Spec("bare", content)
    generator = DCGANGenerator(spec, LATENT_DIM).to(memory_format=torch.channels_last)
    discriminator = DCGANDiscriminator(spec).to(memory_format=torch.channels_last)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=fused)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=fused)
    images = images.contiguous(memory_format=torch.channels_last)

    order = torch.empty(0, dtype=torch.long)
    start = 0.0
    for step in range(WARMUP_ITERATIONS + iterations):
        if step == WARMUP_ITERATIONS:
            start = time.perf_counter()
        if len(order) < batch_size:
            order = torch.randperm(len(images))
        index, order = order[:batch_size], order[batch_size:]
        x = content.encode(images[index])
        generated = generator({"z": torch.randn(batch_size, LATENT_DIM)})

        fake_score, real_score = discriminator(generated.detach()).score, discriminator(x).score
        (F.softplus(-real_score).mean() + F.softplus(fake_score).mean()).backward()
        optimizer_d.step()
        optimizer_d.zero_grad()

        discriminator.requires_grad_(False)
        F.softplus(-discriminator(generated).score).mean().backward()
        discriminator.requires_grad_(True)
        optimizer_g.step()
        optimizer_g.zero_grad()
    return iterations * batch_size / (time.perf_counter() - start)


if __name__ == "__main__":
    from survey_loop import SIZE, digits_28

    from genloom.data.images.base import resize

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fused", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    pictures = resize(digits_28()[0][:, None], SIZE)
    rate = train(pictures, arguments.iterations, arguments.batch_size, arguments.seed, fused=arguments.fused)
    print(f"{rate:.0f} images/s")
