"""The time of judging by all image metrics against the Fréchet distance alone.

    GENLOOM_DATA=FOLDER python scripts/bench/judging.py [ROUNDS]

10,000 pictures drawn from an untrained DCGAN generator against 10,000 of MNIST's, drawing included, the real side's
statistics cached before. The two take turns; the ratio is the median over the rounds.
"""

import os
import statistics
import sys
import tempfile
import time

import torch
from hydra import compose, initialize_config_dir

from genloom import randomness
from genloom.config.directory import config_directory
from genloom.config.instantiate import instantiate
from genloom.contents.image import Images
from genloom.data.images.torchvision_sets import MNIST
from genloom.judging.judge import Candidate, Judge
from genloom.networks.gan.dcgan import DCGANGenerator


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    data = MNIST(name="mnist", size=32, domain="handwritten_digits", root=os.environ.get("GENLOOM_DATA"))
    spec = data.describe()
    generator = DCGANGenerator(spec, 100).eval()

    def draw(num: int) -> Images:
        rng = randomness.generator("bench")
        with torch.inference_mode():
            parts = [generator({"z": torch.randn(250, 100, generator=rng)}) for _ in range(num // 250)]
        return Images(spec.content.decode(torch.cat(parts)))

    with initialize_config_dir(str(config_directory()), version_base="1.3"), tempfile.TemporaryDirectory() as cache:
        node = compose("metrics/images").metrics
        node.cache_dir = cache
        everything: Judge = instantiate(node, "metrics")
        node.metrics = {"frechet": node.metrics.frechet}
        frechet: Judge = instantiate(node, "metrics")
        seconds: dict[str, list[float]] = {"all metrics": [], "Fréchet distance": []}
        for round_ in range(rounds + 1):  # the first fills the cache
            for name, judge in zip(seconds, (everything, frechet), strict=True):
                start = time.perf_counter()
                judge.judge(data, {"samples": Candidate.of_samples(draw)})
                if round_:
                    seconds[name].append(time.perf_counter() - start)
                    print(f"round {round_}: {name:17s} {seconds[name][-1]:.2f} s", flush=True)
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(f"all metrics / Fréchet distance (at most 1.5): {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
