"""The VAE benchmark's loop under Lightning, with nothing else around it: what Lightning itself costs."""

from typing import Any

import bare_vae
import torch
from jaxtyping import UInt8
from pytorch_lightning import LightningModule
from throughput import timed_trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class _Pictures(Dataset[Any]):
    """Fetches a whole batch by one indexing operation."""

    def __init__(self, images: UInt8[Tensor, "num 1 28 28"]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: list[int]) -> Tensor:
        return self.images[torch.tensor(indices)]


class _Model(LightningModule):
    """One backward pass and one update per step."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.encoder, self.decoder = bare_vae.networks()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3, fused=True)

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(bare_vae.negative_elbo(self.encoder, self.decoder, batch))
        optimizer.step()


def train(images: UInt8[Tensor, "num 1 28 28"], iterations: int, batch_size: int = 128, seed: int = 0) -> float:
    """Train for ``iterations`` after the warm-up; return images per second. The arguments are the bare loop's."""
    torch.manual_seed(seed)
    loader = DataLoader(_Pictures(images), batch_size=batch_size, shuffle=True, collate_fn=lambda batch: batch)
    with timed_trainer(iterations) as (trainer, clock):
        trainer.fit(_Model(), loader)
    return clock.rate
