"""Images per second of genloom's VAE against a bare loop, that loop under Lightning, and pythae's trainer.

One network, one batch size:

    make bench [ARGS="--pairs 5 --iterations 500"]
    python scripts/bench/vae.py --pythae ENVIRONMENT     # one that holds pythae; without it, one is made in the cache

pythae is installed in an environment of its own, below the user's cache folder; where that fails, its row is left out
and the reason printed.
"""

import argparse
import json
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import bare_vae
import lightning_vae
import numpy as np
import torch
from environments import environment, rate
from jaxtyping import UInt8
from throughput import Given, in_turns, rate_of, ratio
from torch import Tensor

from genloom.bottlenecks.gaussian import Gaussian
from genloom.distributions.likelihoods.bernoulli import Bernoulli
from genloom.models.vae import VAE
from genloom.networks.dense import DenseDecoder, DenseEncoder
from genloom.objectives.vae import Elbo

Pictures = UInt8[Tensor, "num 1 28 28"]


def genloom(images: Pictures, iterations: int, batch_size: int, seed: int, *, ema: bool, **trained: Any) -> float:
    """Return images per second of the family under Lightning; see :func:`throughput.timed_trainer`."""
    data = Given(images, batch_size=batch_size, seed=seed, binarize="static")
    model = VAE(
        data.describe(),
        encoder=partial(DenseEncoder, widths=bare_vae.WIDTHS[1:]),
        decoder=partial(DenseDecoder, widths=bare_vae.WIDTHS[1:]),
        bottleneck=partial(Gaussian, dim=bare_vae.LATENT_DIM),
        likelihood=Bernoulli,
        objective=Elbo(),
        ema_half_life_examples=10_000 if ema else None,
        optimizer={"autoencoder": partial(torch.optim.Adam, lr=1e-3, fused=True)},
        seed=seed,
    )
    return rate_of(model, data, iterations, **trained)


def pythae(python: Path, images: Pictures, iterations: int, batch_size: int, seed: int) -> float:
    """Return images per second of pythae's trainer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        np.save(file, images.numpy())
        return rate(python, "pythae_loop.py", file, iterations, batch_size, seed)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--pythae", help="an environment that holds pythae")
    options = parser.parse_args()
    rng = torch.Generator().manual_seed(0)
    images = 255 * (torch.rand(12_800, 1, 28, 28, generator=rng) < 0.2).to(torch.uint8)
    sizes = (options.iterations, options.batch_size)
    contenders = {
        "bare loop": partial(bare_vae.train, images, *sizes),
        "Lightning alone": partial(lightning_vae.train, images, *sizes),
        "genloom": partial(genloom, images, *sizes, ema=False),
        "genloom + EMA": partial(genloom, images, *sizes, ema=True),
    }
    python = environment("pythae", "pythae.trainers", options.pythae)
    if isinstance(python, Path):
        contenders["pythae"] = partial(pythae, python, images, *sizes)
    else:
        print(f"pythae left out: {python}")
    rates = in_turns(contenders, options.pairs)
    result = {
        "images_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "genloom / bare loop (at least 0.97)": ratio(rates["genloom"], rates["bare loop"]),
        "Lightning alone / bare loop": ratio(rates["Lightning alone"], rates["bare loop"]),
        "genloom / Lightning alone": ratio(rates["genloom"], rates["Lightning alone"]),
        "with EMA / without": ratio(rates["genloom + EMA"], rates["genloom"]),
    }
    if "pythae" in rates:
        result["bare loop / pythae"] = ratio(rates["bare loop"], rates["pythae"])
        result["genloom / pythae (at least 1.3)"] = ratio(rates["genloom"], rates["pythae"])
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
