"""Train every MNIST recipe of conf/experiment/mnist, three of the best with further seeds, and write the docs' table.

    GENLOOM_DATA=FOLDER python scripts/results/gan.py [ROOT [KEY=VALUE …]]

It took 1:36 hours on 2 cores. The runs go through genloom's multirun into ROOT (runs/results-gan) under
names of their own, so a second call goes on where an interrupted one stopped. The best are chosen by the Fréchet
distance of their default weights. With further keys (as trainer.max_steps=3, to try the script) the docs stay as they
are.
"""

import json
import subprocess
import sys
from pathlib import Path

from genloom.config.directory import config_directory

SEEDS_OF_THE_BEST = (1, 2)
NUM_BEST = 3
PAGE = Path(__file__).parents[2] / "docs" / "results.md"
BEGIN, END = "<!-- make results-gan: begin -->", "<!-- make results-gan: end -->"


def genloom(*arguments: str) -> None:
    """Run a command.

    Raises:
        CalledProcessError: it failed.
    """
    subprocess.run([sys.executable, "-m", "genloom", *arguments], check=True)


def train(recipes: list[str], seeds: tuple[int, ...], root: Path, keys: list[str]) -> None:
    """Train what is not finished yet."""
    genloom(
        "train",
        "-m",
        f"experiment={','.join(f'mnist/{recipe}' for recipe in recipes)}",
        f"seed={','.join(map(str, seeds))}",
        "resume=auto",
        f"hydra.sweep.dir={root}",
        "hydra.sweep.subdir=${run.name}-seed${seed}",
        *keys,
    )


def distance(run: Path) -> float:
    """Return the headline distance of a run's default weights."""
    evaluation = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["evaluation"]
    candidates = evaluation["metrics"][evaluation["headline"]]["candidates"]
    return next(iter(candidates.values()))["value"]


def main() -> None:
    """Train, compare, write."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/results-gan")  # relative, since the docs repeat it
    keys = sys.argv[2:]
    recipes = sorted(file.stem for file in (config_directory() / "experiment" / "mnist").glob("*.yaml"))
    train(recipes, (0,), root, keys)
    best = sorted(recipes, key=lambda recipe: distance(root / f"mnist_{recipe}-seed0"))[:NUM_BEST]
    train(best, SEEDS_OF_THE_BEST, root, keys)
    genloom("report", str(root), f"out={root}")
    if keys:
        return
    _, _, table = (root / "report.md").read_text(encoding="utf-8").strip().partition("\n\n")  # without its title
    table = table.replace("## ", "#### ")  # below the page's own headings
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
