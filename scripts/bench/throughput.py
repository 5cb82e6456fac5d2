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
from typing import Any, Literal

import bare_loop
import survey_loop
import torch
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.loggers import TensorBoardLogger

from genloom.data.base import InMemoryData, Split
from genloom.data.images.base import ImageData, Images, resize
from genloom.distributions.latents import StandardNormal
from genloom.inspections.throughput import Progress, Throughput
from genloom.models.gan import GAN
from genloom.models.training.family import Family
from genloom.models.training.trainer import Trainer
from genloom.networks.gan.dcgan import DCGANDiscriminator, DCGANGenerator
from genloom.objectives.gan import NonSaturating

HERE = Path(__file__).parent
WARM_UP = 3
HAS_BF16 = torch.cpu.get_capabilities().get("avx512_bf16", False)  # other processors compute it far more slowly
Precision = Literal["32-true", "bf16-mixed"]
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
    """Times the iterations after the warm-up, from batch end to batch end, data included.

    Args:
        warm_up: iterations.
    """

    def __init__(self, warm_up: int = WARM_UP) -> None:
        self.warm_up = warm_up
        self.images = 0
        self.start = self.end = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time."""
        if pl_module.device.type == "cuda" and trainer.global_step in (self.warm_up, trainer.max_steps):
            torch.cuda.synchronize()
        self.end = time.perf_counter()
        if trainer.global_step <= self.warm_up:
            self.start = self.end
        else:
            self.images += len(batch)

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / (self.end - self.start)


def genloom(
    images: torch.Tensor | Images,
    iterations: int,
    batch_size: int,
    seed: int,
    *,
    ema: bool = False,
    logging: bool = False,
    bf16: bool = False,
    **trained: Any,
) -> float:
    """Return images per second of the family under Lightning; further arguments are :func:`timed_trainer`'s."""
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
    precision = "bf16-mixed" if bf16 else "32-true"
    return rate_of(model, data, iterations, logging=logging, precision=precision, **trained)


@contextlib.contextmanager
def timed_trainer(
    iterations: int,
    *,
    logging: bool = False,
    precision: Precision = "32-true",
    device: str = "cpu",
    warm_up: int = WARM_UP,
    capture: bool = True,
) -> Iterator[tuple[Trainer, Clock]]:
    """Yield a trainer as ``genloom train`` sets it up, and what times it after a warm-up."""
    clock = Clock(warm_up)
    with tempfile.TemporaryDirectory() as folder:
        yield (
            Trainer(
                accelerator=device,
                devices=1,
                capture="auto" if capture else "off",
                precision=precision,
                max_steps=warm_up + iterations,
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


def rate_of(model: Family, data: InMemoryData, iterations: int, **trained: Any) -> float:
    """Return examples per second of training under Lightning; further arguments are :func:`timed_trainer`'s."""
    with timed_trainer(iterations, **trained) as (trainer, clock):
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
        "genloom": lambda seed: genloom(large, iterations, batch_size, seed),
        "genloom + EMA": lambda seed: genloom(large, iterations, batch_size, seed, ema=True),
        "genloom + EMA + log": lambda seed: genloom(large, iterations, batch_size, seed, ema=True, logging=True),
    }
    if HAS_BF16:
        contenders |= {
            "bare loop, bf16": lambda seed: bare_loop.train(large, iterations, batch_size, seed, bf16=True),
            "genloom, bf16": lambda seed: genloom(large, iterations, batch_size, seed, bf16=True),
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


def _in_bf16(rates: dict[str, list[float]]) -> dict[str, float]:
    """Return the ratios of what computes in bfloat16, where the processor does."""
    if not HAS_BF16:
        return {}
    return {
        "genloom / bare loop, both in bf16 (at least 0.95)": ratio(rates["genloom, bf16"], rates["bare loop, bf16"]),
        "bf16 / single precision, genloom": ratio(rates["genloom, bf16"], rates["genloom"]),
        "bf16 / single precision, bare loop": ratio(rates["bare loop, bf16"], rates["bare loop"]),
    }


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
        **_in_bf16(rates),
        "with EMA / without": ratio(rates["genloom + EMA"], rates["genloom"]),
        "with EMA and log / with EMA": ratio(rates["genloom + EMA + log"], rates["genloom + EMA"]),
        "cpu_seconds_to_first_step": {name: statistics.median(values) for name, values in start.items()},
        "start, genloom / bare Lightning (at most 1.15)": ratio(start["genloom train"], start["bare Lightning"]),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
