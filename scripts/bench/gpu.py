"""Whether every recipe runs on a GPU: each a few steps in each precision, then used on the GPU beside the CPU.

    python scripts/bench/gpu.py [--limit 240]
    python scripts/bench/gpu.py --device cpu --only 'digits/*'

Trains every experiment by the real command, then draws, encodes, forecasts and judges with some of them on both devices
and compares what comes out, and trains some twice from one seed, with and without ``trainer.deterministic=true``, and
once more without capturing their iterations as CUDA graphs, which must give the same weights. How fast it is,
``gpu_speed.py`` says. The commands are forked children of a process that has imported everything, several at once.
Recipes whose data is not there are named and left out; set GENLOOM_DATA. Prints what is not ok, and exits with 1 if
there is any.
"""

import argparse
import csv
import fnmatch
import importlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # to look for a GPU must not start CUDA, which no fork survives
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from forked import Children, Command, file_name

import genloom.cli
from genloom.commands.assembly import load_data
from genloom.config.composition import Composer
from genloom.config.directory import config_directory
from genloom.errors import DataError

IMPORTED_ONCE = [
    *(
        f"genloom.commands.{name}"
        for name in ("train", "sample", "encode", "reconstruct", "evaluate", "forecast", "explore")
    ),
    *(f"genloom.data.{name}" for name in ("images.digits", "images.torchvision_sets", "texts.text", "series.series")),
    *(f"genloom.models.{name}" for name in ("gan", "vae", "pca", "sequence")),
    *("genloom.judging.judge", "sklearn.datasets", "torchmetrics", "tensorboard", "hydra.core.hydra_config"),
]

# else nothing is augmented so early
OVERRIDES = {"digits/ada": ["model.augmentation.initial_probability=0.5"]}

#: Judged at the end of their training, and by ``genloom evaluate``.
JUDGED = [
    "default",
    "digits/diffaugment",
    "digits/cvae",
    "digits/vq_vae",
    "ring/wgan_gp",
    "etth1/gru",
    "tiny_shakespeare/lstm",
]

#: How trained models are used: the recipes, and what the command is told.
USES: dict[str, tuple[list[str], list[str]]] = {
    "sample": (
        [
            *(
                "default",
                "digits/ada",
                "mnist/stylegan2",
                "mnist/projection",
                "mnist/sagan",
                "ring/wgan_gp",
                "digits/cvae",
            ),
            *("digits/ladder_vae", "digits/vae_flow_prior", "digits/vq_vae", "mnist/autoencoder"),
            *("tiny_shakespeare/transformer", "tiny_shakespeare/lstm", "tiny_shakespeare/kneser_ney"),
        ],
        ["num=8", "seed=3"],
    ),
    "encode": (["digits/cvae", "digits/vq_vae", "digits/autoencoder", "digits/pca"], ["num=50"]),
    "reconstruct": (["digits/cvae", "digits/vq_vae", "digits/autoencoder", "digits/pca"], ["num=8"]),
    "forecast": (["etth1/*"], ["data.path=${oc.env:GENLOOM_DATA}/ETT/ETTh1.csv"]),
    "evaluate": (JUDGED, []),
    "explore": (["digits/cvae", "mnist/stylegan2", "tiny_shakespeare/transformer"], []),
}

#: Trained twice from one seed.
REPEATED = [
    *(
        "default",
        "digits/diffaugment",
        "digits/ada",
        "mnist/wgan_gp",
        "mnist/stylegan2",
        "mnist/sagan",
        "mnist/infogan",
    ),
    *("digits/cvae", "digits/vq_vae", "digits/vae_flow_posterior", "digits/vae_residual", "mnist/vae_convolutional"),
    *("etth1/gru", "etth1/periodic", "series/nlinear", "tiny_shakespeare/transformer", "tiny_shakespeare/lstm"),
]
MOST_DIFFERENCE = 0.05  # between the devices, of the numbers' standard deviation, in half of the examples


def chosen(experiment: str) -> list[str]:
    """Return the overrides that choose an experiment; the default run is called ``default``."""
    return [] if experiment == "default" else [f"experiment={experiment}"]


def genloom_command(name: str, *arguments: str) -> Command:
    """Return the command that a user would type."""

    def do() -> None:
        sys.argv = ["genloom", *arguments]
        genloom.cli.main()

    return Command(name, do)


@dataclass(frozen=True)
class Recipes:
    """The commands that train and use experiments on one device.

    Args:
        folder: where everything is written.
        device: cuda or cpu.
        steps: iterations of each training.
    """

    folder: Path
    device: str
    steps: int

    def run_of(self, experiment: str, kind: str) -> Path:
        """Return the directory of a run."""
        return self.folder / "runs" / f"{file_name(experiment)}-{kind}"

    def out(self, command: str, experiment: str, device: str) -> Path:
        """Return where a command writes: a folder or a file."""
        suffix = {"encode": ".npz", "forecast": ".csv"}.get(command, "")
        return self.folder / "out" / f"{command}-{file_name(experiment)}-{device}{suffix}"

    def training(self, experiment: str, kind: str, *overrides: str, judged: bool = False) -> Command:
        """Return the command that trains an experiment."""
        return genloom_command(
            f"train {experiment} {kind}",
            *("train", *chosen(experiment), f"trainer={'gpu' if self.device == 'cuda' else 'cpu'}"),
            *(f"trainer.max_steps={self.steps}", "trainer.log_every_n_steps=2", "progress_bar=false"),
            *(f"run.dir={self.run_of(experiment, kind)}", *OVERRIDES.get(experiment, [])),
            *([] if judged else ["metrics=none"]),
            *overrides,
        )

    def extractor(self, folder: Path) -> Command:
        """Return the command that trains a feature extractor."""
        return genloom_command(
            f"extractor {folder.name}",
            *("extractor", "data=digits", "name=digits", "epochs=1", "num_samples=100", "progress_bar=false"),
            *(f"device={self.device}", f"out={folder}"),
        )

    def uses(self, experiments: list[str]) -> Iterator[tuple[str, str]]:
        """Yield command and experiment of each use."""
        for command, (patterns, _) in USES.items():
            for experiment in experiments:
                if any(fnmatch.fnmatch(experiment, pattern) for pattern in patterns):
                    yield command, experiment

    def use(self, command: str, experiment: str, kind: str, device: str) -> Command:
        """Return the command that uses a trained model."""
        return genloom_command(
            f"{command} {experiment} {device}",
            *(command, f"checkpoint={self.run_of(experiment, kind)}", f"device={device}"),
            *(f"out={self.out(command, experiment, device)}", *USES[command][1]),
        )

    def differences(self, command: str, experiment: str) -> tuple[str, bool]:
        """Return how far the two devices' results are apart, in words, and whether that is too far."""
        ours, theirs = (_contents(self.out(command, experiment, device)) for device in (self.device, "cpu"))
        if ours.keys() != theirs.keys():
            return f"not the same results: {', '.join(sorted(ours.keys() ^ theirs.keys()))}", True
        words, too_far = [], False
        for name, one in ours.items():
            other = theirs[name]
            if one.shape != other.shape or not (np.isfinite(one) == np.isfinite(other)).all():
                return f"{name}: not the same shape, or not finite on one", True
            apart, size = np.abs(one - other), np.nanmax(np.abs(other), initial=0)
            if apart.any():
                words.append(f"{name} {np.nanmax(apart):.2g} of {size:.3g}")
            if command != "evaluate" and not name.endswith(".txt"):  # of texts all is another after one other letter
                typical = np.median(apart.reshape(len(apart), -1).mean(1))
                too_far |= bool(typical > MOST_DIFFERENCE * np.nanstd(other))
        return ", ".join(words) or "none", too_far


def _contents(path: Path) -> dict[str, np.ndarray]:
    """Return the numbers of what a command wrote, by name."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    found: dict[str, np.ndarray] = {}
    for file in files:
        if file.suffix == ".npz":
            with np.load(file) as archive:
                found |= {name: archive[name].astype(float) for name in archive.files}
        elif file.suffix == ".txt":
            found[file.name] = np.array([ord(letter) for letter in file.read_text(encoding="utf-8")], dtype=float)
        elif file.suffix == ".csv":
            with file.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            for name in rows[0]:
                try:
                    found[name] = np.array([float(row[name]) for row in rows])
                except ValueError:  # times, names
                    continue
        elif file.suffix == ".json":
            for name, metric in json.loads(file.read_text(encoding="utf-8"))["evaluation"]["metrics"].items():
                for candidate, result in metric["candidates"].items():
                    if isinstance(value := result.get("value"), int | float):
                        found[f"{name} {candidate}"] = np.array([value], dtype=float)
    return found


def without_data(children: Children, experiments: list[str]) -> dict[str, str]:
    """Return the experiments whose data is not there, each with the reason."""

    def look(experiment: str) -> None:
        composer = Composer("train", config_directory())
        try:
            load_data(composer.compose(composer.parse(chosen(experiment))).data)
        except DataError as error:
            print(f"no data: {error}")

    outcomes = children.run([Command(name, lambda name=name: look(name)) for name in experiments])
    found = {outcome.name: re.search(r"^no data: (.*)", outcome.text, re.MULTILINE) for outcome in outcomes}
    return {name: reason[1] for name, reason in found.items() if reason}


def weights_apart(one: Path, other: Path) -> float:
    """Return the largest difference between the final weights of two runs."""
    ours, theirs = (
        torch.load(run / "checkpoints" / "final.ckpt", weights_only=True, map_location="cpu")["state_dict"]
        for run in (one, other)
    )
    return max((ours[name].double() - theirs[name].double()).abs().max().item() for name in ours if ours[name].numel())


def check(children: Children, recipes: Recipes, experiments: list[str], precisions: list[str]) -> list[str]:
    """Run everything; print what is found on the way, and return what is not ok."""
    faults: list[str] = []

    def run(what: str, commands: list[Command]) -> set[str]:
        began = time.monotonic()
        outcomes = children.run(commands)
        bad = [outcome for outcome in outcomes if outcome.code != 0]
        print(f"{what}: {len(commands)} commands, {len(bad)} not ok, {time.monotonic() - began:.0f} s", flush=True)
        faults.extend(outcome.fault for outcome in bad)
        return {outcome.name for outcome in outcomes if outcome.code == 0}

    missing = without_data(children, experiments)
    for name, reason in missing.items():
        print(f"left out: {name}: {reason}")
    experiments = [name for name in experiments if name not in missing]

    commands = [
        recipes.training(name, precision, f"trainer.precision={precision}", judged=name in JUDGED and not position)
        for position, precision in enumerate(precisions)
        for name in experiments
    ]
    ended = run("training", commands)

    trained = [name for name in experiments if f"train {name} {precisions[0]}" in ended]
    devices = list(dict.fromkeys([recipes.device, "cpu"]))
    uses = list(recipes.uses(trained))
    ended = run("use", [recipes.use(*use, precisions[0], device) for use in uses for device in devices])
    for command, name in uses:
        if command != "explore" and {f"{command} {name} {device}" for device in devices} <= ended:
            words, too_far = recipes.differences(command, name)
            print(f"  {command} {name}: largest differences from the CPU: {words}")
            if too_far:
                faults.append(f"{command} {name}: too far from the CPU: {words}")

    extractors = [recipes.folder / f"extractor-{which}" for which in "AB"]
    commands = [recipes.extractor(folder) for folder in extractors]
    if len(run("extractor twice", commands)) == 2:
        apart = len({(folder / "digits.safetensors").read_bytes() for folder in extractors}) - 1
        print(f"  {'files differ' if apart else 'equal bit for bit'}")
        faults.extend(["extractor: two files of one seed differ"] * apart)

    repeated = [name for name in REPEATED if name in experiments]
    kinds = {"deterministic": ["trainer.deterministic=true"], "free": []}
    repeats = [(name, "deterministic") for name in repeated] + [(name, "free") for name in repeated[::4]]
    longer = replace(recipes, steps=4 * recipes.steps)
    commands = [longer.training(name, f"{kind} {which}", *kinds[kind]) for name, kind in repeats for which in "AB"]
    launched = ["trainer.capture=off", "trainer.deterministic=true"]
    commands += [longer.training(name, "launched", *launched) for name in repeated]
    ended = run("twice from one seed, and once without graphs", commands)
    for name in repeated:
        if {f"train {name} launched", f"train {name} deterministic A"} <= ended:
            apart = weights_apart(recipes.run_of(name, "launched"), recipes.run_of(name, "deterministic A"))
            if apart:
                faults.append(f"{name}: captured iterations give other weights, by {apart:.2g}")
    for name, kind in repeats:
        if {f"train {name} {kind} {which}" for which in "AB"} <= ended:
            apart = weights_apart(*(recipes.run_of(name, f"{kind} {which}") for which in "AB"))
            print(f"  {name} {kind}: {f'weights differ by {apart:.2g}' if apart else 'equal bit for bit'}")
            if apart and kind == "deterministic":
                faults.append(f"{name}: two deterministic runs of one seed differ by {apart:.2g}")
    return faults


def main() -> None:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--only", default="*", help="experiments, as 'digits/*,etth1/gru'")
    parser.add_argument("--precisions", help="as 32-true,bf16-mixed; by default all that the device has")
    parser.add_argument("--steps", type=int, default=12, help="iterations of a training")
    parser.add_argument("--limit", type=float, default=240, help="seconds of all; what finds no time is not ok")
    parser.add_argument("--each", type=float, default=100, help="seconds of one command")
    parser.add_argument("--jobs", type=int, default=max(1, len(os.sched_getaffinity(0)) - 1), help="at once")
    parser.add_argument("--folder", type=Path, help="where runs and logs are kept; by default nowhere")
    options = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(1)
    for module in IMPORTED_ONCE:
        importlib.import_module(module)
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("there is no GPU here; --device cpu runs the same on the CPU")
    precisions = ["32-true", "bf16-mixed", *(["16-mixed"] if options.device == "cuda" else [])]
    if options.precisions:
        precisions = options.precisions.split(",")
    experiments = ["default", *Composer("train", config_directory()).options("experiment")]
    patterns = options.only.split(",")
    experiments = [name for name in experiments if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if not experiments:
        sys.exit(f"--only: no experiment is called {options.only}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        children = Children(folder, options.jobs, options.each, began + options.limit - 5)
        faults = check(children, Recipes(folder, options.device, options.steps), experiments, precisions)
    print(f"{len(faults)} not ok, {time.monotonic() - began:.0f} s")
    for fault in faults:
        print(f"NOT OK  {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
