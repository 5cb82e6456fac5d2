"""Images per second of pythae's trainer, on the benchmark's VAE; runs in an environment that holds pythae.

PYTHAE_ENV/bin/python scripts/bench/pythae_loop.py IMAGES.npy ITERATIONS BATCH_SIZE SEED
"""

import logging
import sys
import tempfile
import time

# pyright: reportMissingImports=false
import numpy as np
import torch
from pythae.data.preprocessors import DataProcessor
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

WIDTHS, LATENT_DIM = (784, 400, 400), 40


class Encoder(BaseEncoder):
    """Two hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.layers = nn.Sequential(nn.Linear(first, second), nn.ReLU(), nn.Linear(second, third), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(third, LATENT_DIM), nn.Linear(third, LATENT_DIM)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Return mean and log-variance."""
        h = self.layers(x.flatten(1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    """Two hidden layers; probabilities, as pythae's Bernoulli likelihood expects them."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.layers = nn.Sequential(
            nn.Linear(LATENT_DIM, third), nn.ReLU(), nn.Linear(third, second), nn.ReLU(), nn.Linear(second, first),
            nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """Return pixels."""
        return ModelOutput(reconstruction=self.layers(z).unflatten(1, (1, 28, 28)))


def main() -> None:
    """Train for whole epochs, at least as many iterations as asked for, and print images per second."""
    images, iterations, batch_size, seed = sys.argv[1], *map(int, sys.argv[2:5])
    logging.disable(logging.WARNING)
    torch.manual_seed(seed)
    data = torch.from_numpy(np.load(images)).float() / 255
    epochs = -(-iterations * batch_size // len(data))
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=LATENT_DIM, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder())
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=1e-3,
            per_device_train_batch_size=batch_size,
            optimizer_cls="Adam",
            steps_saving=None,
            no_cuda=True,
            seed=seed,
        )
        trainer = BaseTrainer(model, train_dataset=DataProcessor.to_dataset(data), training_config=settings)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    print(f"images/s {epochs * len(data) / seconds}")


if __name__ == "__main__":
    main()
