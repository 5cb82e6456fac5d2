"""Synthetic tables: genloom's models, and CSVs of any other program, by one judge on the same rows.

    python scripts/bench/tables.py rows --out rows          # the training rows of each set and seed, as CSV
    python scripts/bench/tables.py judge --theirs samples   # trains and judges ours, judges theirs, prints a table

A seed is that of a model and of the split of the rows alike, so an interval says what other rows and another training
would change. A file of theirs is called MODEL-SET-SEED.csv, as ``scripts/bench/bare_ctgan.py`` writes them. What was
measured stays below ``--out``; a second call goes on.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from genloom.config.composition import Composer
from genloom.config.directory import config_directory
from genloom.config.instantiate import instantiate
from genloom.contents.table import TableContent
from genloom.data.tables.rows import Rows
from genloom.intervals import half_width, of_mean

SETS = ("breast_cancer", "wine", "diabetes")
OURS = ("copula", "vae", "transformer", "gan")
QUANTITIES = ("tstr_linear", "tstr_trees", "detection_trees", "train_distance", "copies")
HEADINGS = ("linear model", "boosted trees", "told apart (.5 is best)", "nearest training row (real: 1)", "copies")


def write_rows(out: Path, seeds: int) -> None:
    """Write SET-SEED.csv for each set and seed, and SET.txt with a line of name, tab and kind per column."""
    composer = Composer("train", config_directory())
    out.mkdir(parents=True, exist_ok=True)
    for name in SETS:
        for seed in range(seeds):
            config = composer.compose(composer.parse([f"data={name}", f"data.split_seed={seed}"]))
            data = instantiate(config.data, "data")
            assert isinstance(data, Rows)
            content = TableContent.of(data.describe().content)
            content.frame(data.split("train")).write_csv(out / f"{name}-{seed}.csv")
            kinds = [f"{column.name}\t{'number' if column.is_measured else 'category'}" for column in content.columns]
            (out / f"{name}.txt").write_text("\n".join(kinds), encoding="utf-8")


def genloom(*arguments: str) -> None:
    """Run a command without its output; its errors are shown."""
    quiet = ("progress_bar=false", "logger=none", "callbacks=none") if arguments[0] == "train" else ()
    subprocess.run([sys.executable, "-m", "genloom", *arguments, *quiet], stdout=subprocess.DEVNULL, check=True)


def measured(folder: Path) -> dict[str, tuple[float, float]]:
    """Return each quantity of the candidate, averaged weights first, and of real rows."""
    rows = json.loads((folder / "metrics.json").read_text("utf-8"))
    found = {}
    for name, row in rows.get("evaluation", rows)["metrics"].items():
        candidates = row["candidates"]
        best = candidates.get("ema") or next(iter(candidates.values()))
        found[name.removesuffix("_rows")] = (best["value"], row["floor"]["value"])
    return found


def judge(out: Path, theirs: Path | None, seeds: int) -> None:
    """Train what is not there yet, judge, and print a table per set."""
    for name in SETS:
        found: dict[str, list[dict[str, tuple[float, float]]]] = defaultdict(list)
        for seed in range(seeds):
            split = f"data.split_seed={seed}"
            for model in OURS:
                folder = out / f"{model}-{name}-{seed}"
                if not (folder / "metrics.json").is_file():
                    genloom("train", f"experiment={name}/{model}", f"seed={seed}", split, f"run.dir={folder}")
                found[model].append(measured(folder))
            for file in sorted(theirs.glob(f"*-{name}-{seed}.csv")) if theirs else ():
                folder = out / file.stem
                if not (folder / "metrics.json").is_file():
                    genloom("evaluate", f"samples={file}", f"data={name}", split, "metrics=table", f"out={folder}")
                found[file.stem.partition("-")[0]].append(measured(folder))
        print(f"\n| {name} | {' | '.join(HEADINGS)} |\n|{' --- |' * (1 + len(HEADINGS))}")
        for model, runs in found.items():
            print(line(model, [{key: pair[0] for key, pair in run.items()} for run in runs]))
        print(line("real rows", [{key: pair[1] for key, pair in run.items()} for run in next(iter(found.values()))]))


def line(model: str, runs: list[dict[str, float]]) -> str:
    """Return a row of the table: means and 95 % intervals over the seeds."""
    cells = []
    for quantity in QUANTITIES:
        values = [run[quantity] for run in runs]
        error = half_width(of_mean(values)) if len(values) > 1 else 0.0
        cells.append(f"{statistics.fmean(values):.3f}{f' ± {error:.3f}' if error else ''}")
    return f"| {model} ({len(runs)}) | {' | '.join(cells)} |"


def main() -> None:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("rows", "judge"))
    parser.add_argument("--out", type=Path, default=Path("runs/tables"), help="folder to write to")
    parser.add_argument("--theirs", type=Path, help="folder of MODEL-SET-SEED.csv")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.what == "rows":
        write_rows(arguments.out, arguments.seeds)
    else:
        judge(arguments.out, arguments.theirs, arguments.seeds)


if __name__ == "__main__":
    main()
