"""Images per second of a diffusion model: trained, against a bare loop and diffusers; drawn, against diffusers.

Trained: the same U-Net as the bare loop's, and one of diffusers of the same widths by the loop of its example. Drawn:
one network of diffusers, by its pipeline and by genloom, DDIM in as many steps.

    make bench [ARGS="--pairs 5 --iterations 20"]
    python scripts/bench/diffusion.py --diffusers ENVIRONMENT     # one that holds diffusers and accelerate

diffusers is installed in an environment of its own, below the user's cache folder; where that fails, its rows are left
out and the reason printed.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import bare_diffusion
import numpy as np
import torch
from environments import environment, rate
from jaxtyping import UInt8
from throughput import Given, in_turns, rate_of, ratio
from torch import Tensor

from genloom.diffusion.noise_levels import LogNormal
from genloom.diffusion.prediction import Velocity
from genloom.diffusion.process import RectifiedFlow
from genloom.models.diffusion import Diffusion
from genloom.objectives.denoising import Denoising

STEPS, BATCHES = 10, (1, 64)
Pictures = UInt8[Tensor, "num 1 32 32"]


def genloom(images: Pictures, iterations: int, batch_size: int, seed: int, *, ema: bool) -> float:
    """Return images per second of the family under Lightning."""
    data = Given(images, batch_size=batch_size, seed=seed)
    model = Diffusion(
        data.describe(),
        network=lambda spec: bare_diffusion.network(),
        process=RectifiedFlow(),
        prediction=Velocity(),
        objective=Denoising(noise_levels=LogNormal(mean=0.0, std=1.0)),
        gradient_clip_norm=1.0,
        ema_half_life_examples=10_000 if ema else None,
        optimizer={"denoiser": partial(torch.optim.AdamW, lr=2e-4, fused=True)},
        seed=seed,
    )
    return rate_of(model, data, iterations)


def drawn(python: Path, pairs: int) -> dict[str, float]:
    """Return genloom's images per second over those of diffusers' pipeline, by the batch."""
    found = {}
    for size in BATCHES:
        steps = STEPS if size > 1 else 10 * STEPS
        contenders: dict[str, Callable[[int], float]] = {
            name: partial(rate, python, "diffusers_loop.py", task, steps, size)
            for name, task in (("pipeline", "sample"), ("genloom", "genloom"))
        }
        rates = in_turns(contenders, pairs)
        found[f"drawn, batch {size}, genloom / diffusers (at least 1)"] = ratio(rates["genloom"], rates["pipeline"])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--diffusers", help="an environment that holds diffusers and accelerate")
    options = parser.parse_args()
    images = torch.randint(0, 256, (1280, 1, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    sizes = (options.iterations, options.batch_size)
    contenders: dict[str, Callable[[int], float]] = {
        "bare loop": partial(bare_diffusion.train, images, *sizes),
        "genloom": partial(genloom, images, *sizes, ema=False),
        "genloom + EMA": partial(genloom, images, *sizes, ema=True),
    }
    python = environment("diffusers[torch]", "diffusers, accelerate", options.diffusers)
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(python, Path):
            file = Path(folder) / "images.npy"
            np.save(file, images.numpy())
            train = partial(rate, python, "diffusers_loop.py", "train", *sizes)
            contenders["diffusers"] = lambda seed: train(seed, file)
        else:
            print(f"diffusers left out: {python}")
        rates = in_turns(contenders, options.pairs)
    result = {
        "images_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "genloom / bare loop (at least 0.97)": ratio(rates["genloom"], rates["bare loop"]),
        "with EMA / without": ratio(rates["genloom + EMA"], rates["genloom"]),
    }
    if isinstance(python, Path):
        result["genloom / diffusers (at least 1)"] = ratio(rates["genloom"], rates["diffusers"])
        result |= drawn(python, options.pairs)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
