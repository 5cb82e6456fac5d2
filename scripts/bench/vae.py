"""Images per second of genloom's VAE against a bare loop and against pythae's trainer: one network, one batch size.

    make bench [ARGS="--pairs 5 --iterations 500"]
    python scripts/bench/vae.py --pythae ENVIRONMENT     # one that holds pythae; without it, one is made in the cache

pythae is installed in an environment of its own, below the user's cache folder; where that fails, its row is left out
and the reason printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path

import bare_vae
import numpy as np
import platformdirs
import torch
from jaxtyping import UInt8
from throughput import Given, in_turns, rate_of, ratio
from torch import Tensor

from genloom.bottlenecks.gaussian import Gaussian
from genloom.families.vae import VAE
from genloom.likelihoods.bernoulli import Bernoulli
from genloom.networks.dense import DenseDecoder, DenseEncoder
from genloom.objectives.vae import Elbo

HERE = Path(__file__).parent
Pictures = UInt8[Tensor, "num 1 28 28"]


def genloom(images: Pictures, iterations: int, batch_size: int, seed: int, *, ema: bool) -> float:
    """Return images per second of the family under Lightning."""
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
    return rate_of(model, data, iterations)


def pythae_environment(given: str | None) -> Path | str:
    """Return the python of an environment that holds pythae, made if need be; or why there is none."""
    folder = Path(given) if given else Path(platformdirs.user_cache_path("genloom")) / "bench-pythae"
    python = folder / "bin" / "python"
    commands = [] if python.exists() else [[sys.executable, "-m", "venv", str(folder)]]
    if not given:
        torch_version = version("torch").partition("+")[0]
        commands.append([str(python), "-m", "pip", "install", "--quiet", "pythae", f"torch=={torch_version}"])
    commands.append([str(python), "-c", "import pythae.trainers"])
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["it failed"])[-1]
    return python


def pythae(python: Path, images: Pictures, iterations: int, batch_size: int, seed: int) -> float:
    """Return images per second of pythae's trainer."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        np.save(file, images.numpy())
        command = [str(python), str(HERE / "pythae_loop.py"), str(file), str(iterations), str(batch_size), str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.rsplit("images/s", 1)[1])


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
        "genloom": partial(genloom, images, *sizes, ema=False),
        "genloom + EMA": partial(genloom, images, *sizes, ema=True),
    }
    python = pythae_environment(options.pythae)
    if isinstance(python, Path):
        contenders["pythae"] = partial(pythae, python, images, *sizes)
    else:
        print(f"pythae left out: {python}")
    rates = in_turns(contenders, options.pairs)
    result = {
        "images_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "genloom / bare loop (at least 0.97)": ratio(rates["genloom"], rates["bare loop"]),
        "with EMA / without": ratio(rates["genloom + EMA"], rates["genloom"]),
    }
    if "pythae" in rates:
        result["genloom / pythae (at least 1.3)"] = ratio(rates["genloom"], rates["pythae"])
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
