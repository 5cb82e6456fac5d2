"""Train the forecasting and text recipes and write the docs' tables.

    GENLOOM_DATA=FOLDER python scripts/results/sequence.py [ROOT [KEY=VALUE …]]

FOLDER holds ETT/ETTh1.csv and tiny_shakespeare/input.txt. The runs go through genloom's multirun into ROOT
(runs/results-sequence) under names of their own, so a second call goes on where an interrupted one stopped. With
further keys (as trainer.max_steps=3, to try the script) the docs stay as they are.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from sweep import report, train, write


@dataclass(frozen=True)
class Batch:
    """Recipes of one folder of conf/experiment that run alike."""

    group: str
    names: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    keys: tuple[str, ...] = ()


HORIZONS = "data.horizon=96,192,336,720"
BATCHES = (
    Batch("etth1", ("ridge", "repeat_last", "seasonal_naive"), keys=(HORIZONS,)),
    Batch("etth1", ("periodic",), (0, 1, 2), (HORIZONS,)),
    Batch("etth1", ("lstm", "gru"), (0, 1, 2)),
    Batch("series", ("ridge", "nlinear", "repeat_last", "seasonal_naive")),
    Batch("tiny_shakespeare", ("ngram", "kneser_ney", "lstm", "gru", "transformer")),
)
COLUMNS = {  # folder of recipes: columns, the one that rows are sorted by
    "etth1": (
        ("mse", "mae", "mase", "smape", "crps", "coverage_80", "training_seconds", "trainable_parameters"),
        "mse",
    ),
    "series": (("mse", "mse_of_optimum", "mae", "mase", "crps", "coverage_80", "training_seconds"), "mse"),
    "tiny_shakespeare": (
        (
            *("nats_per_token", "bits_per_character", "perplexity", "distinct_2", "self_bleu_2", "copied_share"),
            *("training_seconds", "trainable_parameters", "peak_memory_mb"),
        ),
        "nats_per_token",
    ),
}


def main() -> None:
    """Train and write."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/results-sequence")  # relative, since the docs repeat it
    keys = sys.argv[2:]
    for batch in BATCHES:
        train(batch.group, list(batch.names), batch.seeds, root / batch.group, [*batch.keys, *keys])
    tables = [
        report(root / group, f"columns=[{','.join(columns)}]", f"sort={sort}")
        for group, (columns, sort) in COLUMNS.items()
    ]
    if not keys:
        write("results-sequence", "\n\n".join(tables))


if __name__ == "__main__":
    main()
