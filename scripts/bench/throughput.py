"""Images per second of genloom against reference loops, and the CPU time from start to first step.

    make bench [ARGS="--pairs 5 --iterations 30"]

The same networks (the survey's DCGAN), the same batch and the same images in every loop. The contenders take turns, so
that a drift of the machine's speed falls on all of them; each ratio is the median over the rounds of one run.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import bare_loop
import survey_loop
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from genloom.data.base import InMemoryData, Split
from genloom.data.images.base import ImageData, Images, resize
from genloom.distributions.latents import StandardNormal
from genloom.inspections.throughput import Progress, Throughput
from genloom.models.gan import GAN
from genloom.models.training.family import Family
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.objectives.gan import NonSaturating

HERE = Path(__file__).parent
WARM_UP = 3
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # Lightning's; it slows Adam, and no bare loop would have it


class Given(ImageData):
    """Images that are at hand.

    Args:
        images: of the training split.
        **arguments: see :class:`~genloom.data.images.base.ImageData`.
    """

    classes = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, images: torch.Tensor | Images, **arguments: Any) -> None:
        super().__init__(name="bench", **arguments)
        self._images = images if isinstance(images, Images) else Images(images)

    def read(self, split: Split) -> Images:
        """Return them, whatever the split."""
        return self._images


class Clock(Callback):
    """Times the iterations after the warm-up, from batch end to batch end, data included."""

    def __init__(self) -> None:
        self.images = 0
        self.start = self.end = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time."""
        self.end = time.perf_counter()
        if trainer.global_step <= WARM_UP:
            self.start = self.end
        else:
            self.images += len(batch)

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / (self.end - self.start)


def genloom(
    images: torch.Tensor | Images, iterations: int, batch_size: int, seed: int, *, ema: bool, logging: bool
) -> float:
    """Return images per second of the family under Lightning."""
    data = Given(images, batch_size=batch_size, seed=seed)
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), fused=True)
    model = GAN(
        data.describe(),
        generator=DCGANGenerator,
        discriminator=DCGANDiscriminator,
        latent=StandardNormal(100),
        objective={"non_saturating": NonSaturating()},
        ema_half_life_examples=2000 if ema else None,
        optimizer={"generator": adam, "discriminator": adam},
        seed=seed,
    )
    return rate_of(model, data, iterations, logging=logging)


@contextlib.contextmanager
def timed_trainer(iterations: int, *, logging: bool = False) -> Iterator[tuple[Trainer, Clock]]:
    """Yield a trainer as ``genloom train`` sets it up, and what times it after a warm-up."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        yield (
            Trainer(
                accelerator="cpu",
                max_steps=WARM_UP + iterations,
                max_epochs=-1,
                log_every_n_steps=25 if logging else 10**9,
                logger=TensorBoardLogger(folder) if logging else False,
                callbacks=[Throughput(), Progress(), clock] if logging else [clock],
                default_root_dir=folder,
                use_distributed_sampler=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            ),
            clock,
        )


def rate_of(model: Family, data: InMemoryData, iterations: int, *, logging: bool = False) -> float:
    """Return examples per second of training under Lightning."""
    with timed_trainer(iterations, logging=logging) as (trainer, clock):
        trainer.fit(model, data)
    return clock.rate


def in_turns(
    contenders: dict[str, Callable[[int], float]], rounds: int, unit: str = "images/s"
) -> dict[str, list[float]]:
    """Return what each contender gives, so many per second, in each round; it is called with the round's number."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        turns = list(contenders.items())
        for name, train in turns if number % 2 == 0 else reversed(turns):  # so that a drift favours no neighbour
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # some print each step
                rates[name].append(train(number))
            print(f"round {number + 1}: {name:20s} {rates[name][-1]:8.1f} {unit}", flush=True)
    return rates


def compare_throughput(pairs: int, iterations: int, batch_size: int) -> dict[str, list[float]]:
    """Return images per second per contender and round."""
    small, _ = survey_loop.digits_28(6000)
    large = resize(small.unsqueeze(1), 32)
    contenders = {
        "survey loop": lambda seed: survey_loop.train(small, iterations, batch_size, seed),
        "bare loop": lambda seed: bare_loop.train(large, iterations, batch_size, seed),
        "genloom": lambda seed: genloom(large, iterations, batch_size, seed, ema=False, logging=False),
        "genloom + EMA": lambda seed: genloom(large, iterations, batch_size, seed, ema=True, logging=False),
        "genloom + EMA + log": lambda seed: genloom(large, iterations, batch_size, seed, ema=True, logging=True),
    }
    return in_turns(contenders, pairs)


def seconds_to_first_step(command: list[str]) -> float:
    """Return the CPU seconds of a program up to the end of its first training step."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "seconds"
        environment = {**os.environ, "FIRST_STEP_REPORT": str(report), "PYTHONPATH": str(HERE)}
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return float(report.read_text())


def compare_start(pairs: int) -> dict[str, list[float]]:
    """Return CPU seconds to the first step per program and round."""
    programs = {
        "bare Lightning": [sys.executable, str(HERE / "bare_lightning.py")],
        "genloom train": [
            sys.executable, "-m", "genloom", "train", "trainer=cpu", "+callbacks.stop._target_=first_step.FirstStep",
        ],
    }  # fmt: skip
    return {name: list(times) for name, times in zip(programs, zip(*[
        [seconds_to_first_step(command) for command in programs.values()] for _ in range(pairs)
    ], strict=True), strict=True)}  # fmt: skip


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the ratios round by round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=128)
    options = parser.parse_args()
    rates = compare_throughput(options.pairs, options.iterations, options.batch_size)
    start = compare_start(options.pairs)
    result = {
        "images_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "genloom / survey loop (at least 1.25)": ratio(rates["genloom"], rates["survey loop"]),
        "genloom / bare loop (at least 0.97)": ratio(rates["genloom"], rates["bare loop"]),
        "with EMA / without": ratio(rates["genloom + EMA"], rates["genloom"]),
        "with EMA and log / with EMA": ratio(rates["genloom + EMA + log"], rates["genloom + EMA"]),
        "cpu_seconds_to_first_step": {name: statistics.median(values) for name, values in start.items()},
        "start, genloom / bare Lightning (at most 1.15)": ratio(start["genloom train"], start["bare Lightning"]),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
