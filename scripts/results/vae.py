"""Train every VAE of conf/experiment/mnist and conf/experiment/shapes, and write the docs' tables.

    GENLOOM_DATA=FOLDER python scripts/results/vae.py [ROOT [KEY=VALUE …]]

The recipes of shapes run with three seeds each. The runs go through genloom's multirun into ROOT (runs/results-vae)
under names of their own, so a second call goes on where an interrupted one stopped. With further keys (as
trainer.max_steps=3, to try the script) the docs stay as they are.
"""

import sys
from pathlib import Path

from sweep import recipes, report, train, write

TABLES = {  # folder of recipes: seeds, columns, the column by which rows are sorted
    "mnist": (
        (0,),
        [
            "nll_bound", "bits_per_dim", "negative_elbo", "kl_nats", "active_units", "mse", "mse_of_pca", "psnr",
            "ssim", "rfd", "fd_reconstructed", "fd", "times_floor", "codebook_use", "examples_per_second",
            "training_seconds", "peak_memory_mb", "trainable_parameters",
        ],
        "mse",
    ),
    "shapes": (
        (0, 1, 2),
        [
            "mig", "dci_disentanglement", "dci_completeness", "dci_informativeness", "nll_bound", "negative_elbo",
            "kl_nats", "active_units", "mse", "examples_per_second", "training_seconds",
        ],
        "mig",
    ),
}  # fmt: skip


def main() -> None:
    """Train and write."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/results-vae")  # relative, since the docs repeat it
    keys = sys.argv[2:]
    tables = []
    for group, (seeds, columns, sort) in TABLES.items():
        train(group, list(recipes(group, "vae")), seeds, root / group, keys)
        tables.append(report(root / group, f"columns=[{','.join(columns)}]", f"sort={sort}"))
    if not keys:
        write("results-vae", "\n\n".join(tables))


if __name__ == "__main__":
    main()
