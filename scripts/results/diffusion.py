"""Train every diffusion model of conf/experiment/mnist, draw from two of them in several ways, write the docs' tables.

    GENLOOM_DATA=FOLDER python scripts/results/diffusion.py [ROOT [KEY=VALUE …]]

The autoencoder is trained first, of whose latents one of them is a model. It takes about two hours of training on 2
cores, and one of drawing. The runs go into ROOT (runs/results-diffusion) under names of their own, so a second call
goes on where an interrupted one stopped. With further keys (as trainer.max_steps=3, to try the script) the docs stay as
they are.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from sweep import genloom, recipes, report, train, write

GROUP, NUM = "mnist", "metrics.num_samples=4000"
COLUMNS = [
    "fd", "times_floor", "precision", "recall", "coverage", "as_asked", "train_distance", "examples_per_second",
    "training_seconds", "peak_memory_mb", "trainable_parameters",
]  # fmt: skip
FEW = [f"sampler=euler times@sampler.times=uniform sampler.steps={steps}" for steps in (1, 2, 4, 8, 32)]
DRAWN = {  # recipe: ways to draw from it, as genloom evaluate takes them
    "diffusion": [
        "sampler=dpmsolver sampler.steps=5",
        "sampler=dpmsolver sampler.steps=10",
        "sampler=dpmsolver sampler.steps=20",
        "sampler=heun sampler.steps=10",
        "sampler=ancestral sampler.steps=250",
        "sampler=dpmsolver sampler.steps=16 sampler.guidance=1.5",
        *FEW,
    ],
    "diffusion_few_steps": FEW,
}


def drawn(run: Path, name: str, ways: list[str], keys: list[str]) -> Iterator[str]:
    """Yield a row on each way to draw from a run's model."""
    for number, way in enumerate(ways):
        out = run / "drawn" / str(number)
        arguments = [f"checkpoint={run}", *way.split(), "weights=ema", "metrics.num_samples=2000", *keys]
        if not (out / "metrics.json").exists():
            genloom("evaluate", *arguments, f"out={out}")
        evaluation = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["evaluation"]
        yield f"| {name} | `{way}` | " + " | ".join(cells(evaluation)) + " |"


def cells(evaluation: dict) -> Iterator[str]:
    """Yield network calls, distance, distance over the floor's, precision, recall, share classified as asked."""
    yield str(evaluation["protocol"]["sampler"]["values"]["calls"])
    found = {name.removesuffix("_digits_cnn_v1"): metric for name, metric in evaluation["metrics"].items()}
    distance, floor = found["fd"]["candidates"]["ema"]["value"], found["fd"]["floor"]["value"]
    yield f"{distance:.3g}"
    yield f"{distance / floor:.3g}"
    for name in ("precision", "recall", "as_asked"):
        yield f"{found[name]['candidates']['ema']['value']:.3f}"


def main() -> None:
    """Train, draw, compare, write."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/results-diffusion")  # relative, since the docs repeat it
    keys = sys.argv[2:]
    first, models = root / "autoencoder", root / "models"
    genloom("train", f"experiment={GROUP}/autoencoder", f"run.dir={first}", "resume=auto", NUM, *keys)
    runs = recipes(GROUP, "diffusion")
    latent = [name for name in runs if name.endswith("_latent")]
    train(GROUP, latent, (0,), models, [NUM, f"model.first_stage={first}", *keys])
    train(GROUP, [name for name in runs if name not in latent], (0,), models, [NUM, *keys])
    table = report(models, f"columns=[{','.join(COLUMNS)}]", "sort=fd")
    rows = [row for name, ways in DRAWN.items() for row in drawn(models / f"{runs[name]}-seed0", name, ways, [])]
    head = [
        "### In how many network calls",
        "2,000 samples of each, ema weights, against 2,000 training images: `genloom evaluate checkpoint=… weights=ema",
        "metrics.num_samples=2000` with the way given. A guided step calls the network twice.",
        "",
        "| recipe | way to draw | calls | Fréchet distance | times the floor | precision | recall | as asked |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    if not keys:
        write("results-diffusion", "\n".join([table, "", *head, *rows]))


if __name__ == "__main__":
    main()
