"""Examples per second on a GPU: genloom's families beside bare loops, launched, compiled, and as one CUDA graph.

    python scripts/bench/gpu_speed.py [--rounds 2] [--limit 200] [--write docs/gpu.md]
    python scripts/bench/gpu_speed.py --device cpu --iterations 2 --rounds 1

The same networks, batches and examples in all loops of a group. A bare loop draws the places of its batch where the
examples are, and logs nothing; its graph is the whole iteration, both players' passes and updates: the most that there
is to reach. The contenders take turns, so that a drift falls on all; each number is the median of the rounds. On the
CPU, which has no graphs, those contenders are left out.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path

import bare_language
import bare_loop
import bare_vae
import generation
import survey_loop
import throughput
import torch
import vae
from jaxtyping import Int64
from torch import Tensor

from genloom.data.images.base import resize
from genloom.data.texts.text import FromCharacters, Text

Update = Callable[[Int64[Tensor, " batch"]], None]
BEGIN, END = "<!-- gpu_speed.py: begin -->", "<!-- gpu_speed.py: end -->"


@dataclass(frozen=True)
class Group:
    """What is compared with one another.

    Args:
        name: of the work.
        contenders: each called with the number of iterations, returns examples per second; by name.
        limits: ours, theirs, and what the ratio of the two is held to be at least.
    """

    name: str
    contenders: dict[str, Callable[[int], float]]
    limits: tuple[tuple[str, str, float], ...] = ()


def wait(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def bare(build: Callable[..., Update], num: int, batch: int, device: str, iterations: int, *, how: str) -> float:
    """Return examples per second of a bare loop.

    Args:
        build: called with ``compile``, returns what an iteration does.
        num: places to draw from.
        batch: places drawn.
        device: cuda or cpu.
        iterations: that are timed.
        how: launched, compiled, or graph.
    """
    update = build(compile=torch.compile) if how == "compiled" else build()

    def iteration() -> None:
        update(torch.randint(num, (batch,), device=device))

    for _ in range(5):
        iteration()
    repeat: Callable[[], None] = iteration
    if how == "graph":
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            iteration()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            iteration()
        repeat = graph.replay
    wait(device)
    start = time.perf_counter()
    for _ in range(iterations):
        repeat()
    wait(device)
    return iterations * batch / (time.perf_counter() - start)


def groups(device: str) -> list[Group]:
    """Return what is compared."""
    small, _ = survey_loop.digits_28(12_800)
    survey = partial(survey_loop.train, small, batch_size=128, device=device)
    pictures = resize(small.unsqueeze(1), 32)
    binary = 255 * (small.unsqueeze(1) > 127).to(torch.uint8)
    text = Text(vocabulary=FromCharacters(), batch_size=16)
    rows, spec = text.read("train").rows, text.describe()
    length = spec.content.shape[0]
    ours = {"device": device, "warm_up": 8}

    def loops(build: Callable[..., Update], num: int, batch: int, names: dict[str, str], **changes: bool):
        graphs = device == "cuda"
        return {
            name: partial(bare, partial(build, **changes), num, batch, device, how=how)
            for name, how in names.items()
            if graphs or how == "launched"
        }

    def dcgan(batch: int, **changes: bool) -> Callable[[int], float]:
        return lambda iterations: throughput.genloom(pictures, iterations, batch, 0, **changes, **ours)

    def language(batch: int, **changes: bool) -> Callable[[int], float]:
        return lambda iterations: generation.genloom(iterations, batch, 0, **changes, **ours)

    def in_tokens(contenders: dict[str, Callable[[int], float]]) -> dict[str, Callable[[int], float]]:
        return {name: lambda iterations, rate=rate: rate(iterations) * length for name, rate in contenders.items()}

    players = partial(bare_loop.updates, pictures.to(device))
    encoder = partial(bare_vae.updates, binary.to(device))
    network = partial(bare_language.updates, rows.to(device), spec)
    three = {"bare": "launched", "bare, compiled": "compiled", "whole graph": "graph"}
    return [
        Group(
            "DCGAN, 32 pixels, batch 128, images/s",
            {
                "survey's loop": lambda iterations: survey(iterations=min(iterations, 50)),
                **loops(players, len(pictures), 128, three),
                **loops(players, len(pictures), 128, {"whole graph, bf16": "graph"}, bf16=True),
                "genloom, capture=off": dcgan(128, capture=False),
                "genloom": dcgan(128),
                "genloom + EMA": dcgan(128, ema=True),
                "genloom, bf16": dcgan(128, bf16=True),
            },
            (("genloom", "whole graph", 0.8), ("genloom", "survey's loop", 20)),
        ),
        Group(
            "DCGAN, 32 pixels, batch 1024, images/s",
            {
                **loops(players, len(pictures), 1024, {"bare": "launched", "whole graph": "graph"}),
                "genloom": dcgan(1024),
            },
            (("genloom", "whole graph", 0.85),),
        ),
        Group(
            "dense VAE, batch 128, images/s",
            {
                **loops(encoder, len(binary), 128, three),
                "genloom": lambda iterations: vae.genloom(binary, iterations, 128, 0, ema=False, **ours),
            },
            (("genloom", "whole graph", 0.8),),
        ),
        Group(
            "char Transformer, 16 windows of 128, tokens/s",
            {
                **in_tokens(loops(network, len(rows) - length, 16, three)),
                "genloom": language(16),
            },
            (("genloom", "whole graph", 0.8),),
        ),
        Group(
            "char Transformer, 256 windows of 128, bf16, tokens/s",
            {
                **in_tokens(loops(network, len(rows) - length, 256, {"bare, compiled": "compiled"}, bf16=True)),
                "genloom": language(256, bf16=True),
            },
            (("genloom", "bare, compiled", 0.97),),
        ),
    ]


def measured(group: Group, iterations: int, rounds: int, until: float) -> tuple[dict[str, float], int]:
    """Return the median rate of each contender that found time and did not fail, and how many failures were printed."""
    failures = 0
    rates: dict[str, list[float]] = {}
    for number in range(rounds):
        turns = list(group.contenders.items())
        for name, train in turns if number % 2 == 0 else reversed(turns):
            if time.monotonic() > until:
                print(f"no time left for {group.name}: {name}", flush=True)
                continue
            try:
                with redirect_stdout(StringIO()):
                    rates.setdefault(name, []).append(train(iterations))
            except Exception as error:  # the others are still worth knowing
                failures += 1
                print(f"{group.name}: {name}: {type(error).__name__}: {error}", flush=True)
    return {name: statistics.median(values) for name, values in rates.items() if values}, failures


def main() -> None:
    """Measure, print, and write if wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=float, default=200, help="seconds of all; what finds no time is left out")
    parser.add_argument("--only", default="", help="groups whose name holds this")
    parser.add_argument("--write", type=Path, help="a page with the marks between which the tables belong")
    options = parser.parse_args()
    until = time.monotonic() + options.limit
    card = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    lines = [f"On {card}, PyTorch {torch.__version__}; the median of {options.rounds} rounds."]
    missed, failures = [], 0
    for group in groups(options.device):
        if options.only not in group.name:
            continue
        rates, failed = measured(group, options.iterations, options.rounds, until)
        failures += failed
        lines += ["", f"| {group.name} | rate | of the first |", "| --- | ---: | ---: |"]
        lines += [f"| {name} | {rate:,.0f} | {rate / next(iter(rates.values())):.2f} |" for name, rate in rates.items()]
        for ours, theirs, least in group.limits:
            if ours in rates and theirs in rates:
                found = rates[ours] / rates[theirs]
                lines += ["", f"{ours} over {theirs}: {found:.2f} (at least {least})"]
                missed += [lines[-1]] * (found < least)
    print("\n".join(lines))
    print(f"{len(missed)} limits missed, {failures} contenders failed")
    if options.write:
        before, _, rest = options.write.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        options.write.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    sys.exit(bool(missed or failures))


if __name__ == "__main__":
    main()
