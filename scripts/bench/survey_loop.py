"""The benchmark's reference: a DCGAN training loop as tutorials and surveys write it, made to run.

Pictures are transformed one at a time by a loader, tensors keep the default memory format, the generator's step leaves
gradients in the discriminator too, and the losses are printed at each step. Networks, batch and optimizer settings are
genloom's.

    python scripts/bench/survey_loop.py --iterations 40
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from genloom.contents.image import ImageContent
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.spec import Spec

LATENT_DIM = 100
SIZE = 32  # pixels
WARMUP_ITERATIONS = 3


def digits_28(num: int = 6000) -> tuple[UInt8[Tensor, "num 28 28"], Int[Tensor, " num"]]:
    """Return MNIST-like images and labels that need no download: scikit-learn's digits, enlarged and repeated."""
    from sklearn.datasets import load_digits

    intensities, labels = load_digits(return_X_y=True)
    chosen = np.arange(num) % len(labels)
    grey = torch.from_numpy(intensities[chosen] * (255 / 16)).reshape(num, 1, 8, 8)
    images = nn.functional.interpolate(grey, size=(28, 28), mode="bilinear")[:, 0]
    return images.round().to(torch.uint8), torch.from_numpy(labels[chosen])


class Pictures(Dataset[tuple[Tensor, int]]):
    """Transforms each picture when it is asked for."""

    def __init__(self, images: UInt8[Tensor, "num height width"], labels: Int[Tensor, " num"]) -> None:
        self.images = images
        self.labels = labels
        self.transform = transforms.Compose(
            [transforms.Resize(SIZE), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[index].numpy())), int(self.labels[index])


def train(
    images: UInt8[Tensor, "num height width"],
    iterations: int,
    batch_size: int = 128,
    seed: int = 0,
    labels: Int[Tensor, " num"] | None = None,
    device: str = "cpu",
) -> float:
    """Train for ``iterations`` after the warm-up; return images per second."""
    torch.manual_seed(seed)
    spec = Spec("survey", ImageContent(1, SIZE, SIZE))
    generator, discriminator = DCGANGenerator(spec, LATENT_DIM).to(device), DCGANDiscriminator(spec).to(device)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    adversarial_loss = nn.BCELoss()
    labels = torch.zeros(len(images), dtype=torch.long) if labels is None else labels
    loader = DataLoader(Pictures(images, labels), batch_size, shuffle=True, num_workers=0, drop_last=True)

    step, start = 0, 0.0
    while True:
        for x, _ in loader:
            if step == WARMUP_ITERATIONS:
                start = time.perf_counter()
            if step == WARMUP_ITERATIONS + iterations:
                return iterations * batch_size / (time.perf_counter() - start)
            x = x.to(device)
            valid, fake = torch.ones(len(x), device=device), torch.zeros(len(x), device=device)

            optimizer_g.zero_grad()
            z = torch.randn(len(x), LATENT_DIM, device=device)
            generated = generator({"z": z})
            g_loss = adversarial_loss(discriminator(generated).score.sigmoid(), valid)
            g_loss.backward()
            optimizer_g.step()

            optimizer_d.zero_grad()
            real_loss = adversarial_loss(discriminator(x).score.sigmoid(), valid)
            fake_loss = adversarial_loss(discriminator(generated.detach()).score.sigmoid(), fake)
            d_loss = (real_loss + fake_loss) / 2
            d_loss.backward()
            optimizer_d.step()

            print(f"step {step} d_loss {d_loss.item():.4f} g_loss {g_loss.item():.4f}")
            step += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pictures, classes = digits_28()
    rate = train(pictures, arguments.iterations, arguments.batch_size, arguments.seed, classes)
    print(f"{rate:.0f} images/s")
