"""Train every GAN of conf/experiment/mnist, three of the best with further seeds, and write the docs' table.

    GENLOOM_DATA=FOLDER python scripts/results/gan.py [ROOT [KEY=VALUE …]]

It took 1:36 hours on 2 cores. The runs go through genloom's multirun into ROOT (runs/results-gan) under
names of their own, so a second call goes on where an interrupted one stopped. The best are chosen by the Fréchet
distance of their default weights. With further keys (as trainer.max_steps=3, to try the script) the docs stay as they
are.
"""

import json
import sys
from pathlib import Path

from sweep import recipes, report, train, write

GROUP = "mnist"
SEEDS_OF_THE_BEST = (1, 2)
NUM_BEST = 3


def distance(run: Path) -> float:
    """Return the headline distance of a run's default weights."""
    evaluation = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["evaluation"]
    candidates = evaluation["metrics"][evaluation["headline"]]["candidates"]
    return next(iter(candidates.values()))["value"]


def main() -> None:
    """Train, compare, write."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/results-gan")  # relative, since the docs repeat it
    keys = sys.argv[2:]
    runs = recipes(GROUP, "gan")
    train(GROUP, list(runs), (0,), root, keys)
    best = sorted(runs, key=lambda name: distance(root / f"{runs[name]}-seed0"))[:NUM_BEST]
    train(GROUP, best, SEEDS_OF_THE_BEST, root, keys)
    table = report(root)
    if not keys:
        write("results-gan", table)


if __name__ == "__main__":
    main()
