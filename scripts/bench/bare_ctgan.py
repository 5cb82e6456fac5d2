"""CTGAN and TVAE of the package ctgan, on the rows that ``scripts/bench/tables.py rows`` wrote.

    python scripts/bench/bare_ctgan.py rows samples [--epochs 300] [--seeds 5]

Needs an environment of its own with ``ctgan``; of genloom it knows nothing. All else is the package's default. Writes
MODEL-SET-SEED.csv with 2,000 rows each, what is there already is kept, and prints the seconds that each took.
"""

import argparse
import time
from pathlib import Path

# pyright: reportMissingImports=false
import pandas as pd
import torch
from ctgan import CTGAN, TVAE


def main() -> None:
    """Train one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    arguments.samples.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for kinds in sorted(arguments.rows.glob("*.txt")):
        columns = [line.split("\t") for line in kinds.read_text("utf-8").splitlines()]
        categories = [name for name, kind in columns if kind == "category"]
        for seed in range(arguments.seeds):
            frame = pd.read_csv(arguments.rows / f"{kinds.stem}-{seed}.csv")
            for peer in (TVAE, CTGAN):
                out = arguments.samples / f"{peer.__name__}-{kinds.stem}-{seed}.csv"
                if out.exists():
                    continue
                start = time.perf_counter()
                model = peer(epochs=arguments.epochs)
                model.set_random_state(seed)
                model.fit(frame, categories)
                model.sample(2000).to_csv(out, index=False)
                print(f"{out.stem}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
