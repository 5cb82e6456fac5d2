"""The least Lightning program that trains the survey's DCGAN on scikit-learn's digits, up to its first step."""

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from first_step import FirstStep
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class DCGAN(pl.LightningModule):
    """Generator 256-128-64, discriminator 16-32-64."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(100, 256, 4, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
            nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(16, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 1, 4), nn.Flatten(0),
        )  # fmt: skip

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for both."""
        return [
            torch.optim.Adam(module.parameters(), 2e-4, (0.5, 0.999)) for module in (self.generator, self.discriminator)
        ]

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """One update of each."""
        (real,) = batch
        of_generator, of_discriminator = self.optimizers()  # pyright: ignore
        fake = self.generator(torch.randn(len(real), 100, 1, 1))
        loss = F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(fake.detach())).mean()
        of_discriminator.zero_grad()
        self.manual_backward(loss)
        of_discriminator.step()
        loss = F.softplus(-self.discriminator(fake)).mean()
        of_generator.zero_grad()
        self.manual_backward(loss)
        of_generator.step()
        self.log("loss", loss)


if __name__ == "__main__":
    digits: Any = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 8 - 1
    images = F.interpolate(images, size=(32, 32), mode="bilinear", antialias=True)
    trainer = pl.Trainer(accelerator="cpu", max_steps=10, callbacks=[FirstStep()], enable_checkpointing=False)
    trainer.fit(DCGAN(), DataLoader(TensorDataset(images), batch_size=64, shuffle=True))
