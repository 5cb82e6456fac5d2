"""Change one thing in the code at a time, and see whether the tests notice: mutation testing.

    python scripts/tools/mutate.py [--num 200] [--seed 0] [--jobs 2] [--only PREFIX[:LINE]]
    python scripts/tools/mutate.py --replace FILE OLD NEW

Works on copies of the checkout, one per job. A process that has the libraries imported is forked for each mutant, which
then runs the tests that TESTS names for the module, to the first failure. A mutant that survives is printed with its
place; the exit status is 1 if one did. ``--list`` prints what would be changed; ``--replace`` makes one change by hand.
"""

import argparse
import ast
import itertools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutations import Finder, Mutant

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "src/genloom/"
#: Which tests shall notice, by the longest beginning of a module's path; a module without tests is not changed.
TESTS: dict[str, str] = {
    "distributions/normal": "bottlenecks objectives/test_vae.py",
    "running_mean": "test_running_mean.py objectives",
    "schedules": "test_schedules.py",
    "batch": "test_batch.py",
    "intervals": "test_intervals.py",
    "contents": "contents test_spec.py",
    "contents/decoder": "contents test_spec.py data/test_text.py samplers",
    "contents/image": "contents test_spec.py data/test_image_folder.py inspections",
    "contents/series": "contents test_spec.py data/test_series.py inspections models/test_sequence.py",
    "contents/text": "contents test_spec.py data/test_text.py inspections models/test_sequence.py",
    "contents/vocabulary": "contents test_spec.py data/test_text.py",
    "objectives/gan": "objectives/test_adversarial.py objectives/test_auxiliary.py objectives/test_game.py "
    "objectives/test_regularisers.py",
    "objectives/vae": "objectives/test_vae.py objectives/test_every_objective.py models/test_vae.py",
    "objectives/sequence": "objectives/test_sequence.py objectives/test_every_objective.py",
    "distributions/likelihoods": "distributions models/test_vae.py",
    "bottlenecks": "bottlenecks objectives/test_vae.py models/test_vae.py",
    "distributions/outputs/real": "distributions/test_real.py networks/test_sequence.py metrics/test_series.py "
    "models/test_sequence.py",
    "distributions/posteriors": "bottlenecks models/test_vae.py",
    "distributions/priors": "bottlenecks models/test_vae.py",
    "distributions/outputs/base": "distributions/test_real.py metrics/test_series.py",
    "distributions/outputs/categorical": "distributions/test_categorical.py samplers networks/test_continuation.py "
    "metrics/test_text.py models/test_sequence.py",
    "diffusion/likelihood": "diffusion/test_likelihood.py",
    "objectives/variational_bound": "diffusion/test_likelihood.py",
    "samplers": "samplers",
    "networks/sequence/continuation": "networks/test_continuation.py",
    "distributions/mixture": "distributions/test_mixture.py",
    "distributions/latents": "distributions/test_latents.py objectives/test_auxiliary.py",
    "networks/gan/ada": "networks/test_augmentation.py",
    "networks/gan/augmentation": "networks/test_augmentation.py",
    "networks/baselines/closed_form": "networks/test_closed_form.py models/test_pca.py",
    "networks/autoencoder/autoregressive": "bottlenecks",
    "networks/sequence/forecasting": "networks/test_sequence.py",
    "networks/sequence/language": "networks/test_sequence.py",
    "networks/sequence/periodic": "networks/test_sequence.py models/test_sequence.py",
    "networks/sequence/recurrent": "networks/test_sequence.py",
    "networks/sequence/transformer": "networks/test_sequence.py",
    "networks/baselines/ngram": "networks/test_ngram.py",
    "networks/gan/stylegan2": "networks/test_stylegan2.py networks/test_every_network.py",
    "networks/gan/attention": "networks/test_parts.py",
    "networks/conditioning": "networks/test_parts.py networks/test_embedders.py",
    "networks/embedders": "networks/test_embedders.py",
    "networks/heads": "networks/test_parts.py networks/test_embedders.py networks/test_every_network.py",
    "networks/gan/spectral": "networks/test_parts.py",
    "models/training/family": "models/test_gan.py::test_average_has_the_stated_half_life "
    "models/test_gan.py::test_average_includes_statistics_and_is_never_trained "
    "models/test_gan.py::test_the_half_life_ramps_up_to_a_twentieth_of_what_was_seen",
    "metrics/classes": "metrics/test_classes.py",
    "metrics/codes": "metrics/test_codes.py",
    "metrics/conditional": "metrics/test_conditional.py",
    "metrics/disentanglement": "metrics/test_disentanglement.py",
    "metrics/diversity": "metrics/test_diversity.py",
    "metrics/frechet": "metrics/test_frechet.py",
    "extractors/inception": "extractors/test_inception.py",
    "metrics/kernel": "metrics/test_kernel.py",
    "metrics/likelihood": "metrics/test_likelihood.py",
    "metrics/memorisation": "metrics/test_memorisation.py",
    "metrics/modes": "metrics/test_modes.py",
    "metrics/distances": "metrics/test_distances.py",
    "metrics/reconstruction": "metrics/test_reconstruction.py",
    "metrics/calibration": "metrics/test_calibration.py",
    "metrics/series": "metrics/test_series.py",
    "metrics/precision_recall": "metrics/test_precision_recall.py",
    "metrics/text": "metrics/test_text.py",
}
#: Of models/training/family.py only the average of the weights is a formula.
PARTS = {"models/training/family": "average_weights"}

OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


def tests_of(path: str) -> tuple[str, list[str]] | None:
    """Return the entry of TESTS that is a module's, and the arguments for pytest."""
    name = path.removeprefix(PACKAGE).removesuffix(".py")
    keys = [key for key in TESTS if name == key or name.startswith((key + "/", key + "_"))]
    if not keys:
        return None
    key = max(keys, key=len)
    return key, arguments_of(key)


def arguments_of(key: str) -> list[str]:
    """Return what pytest is told to run: the tests of an entry, and those of all defaults."""
    return [f"tests/{each}" for each in (*TESTS[key].split(), "test_defaults.py")]


def mutants_of(path: Path) -> list[Mutant]:
    """Return all mutants of a file."""
    name, source = path.relative_to(ROOT).as_posix(), path.read_bytes()
    if (found := tests_of(name)) is None:
        return []
    finder = Finder(name, source, PARTS.get(found[0]))
    finder.visit(ast.parse(source))
    return finder.found


# Running


def copy_checkout(to: Path) -> None:
    """Copy what tests read."""
    for name in ("src", "conf", "tests", "scripts", "docs"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, to / name)


def run_tests(folder: Path, arguments: list[str], cpu_seconds: float, *, write_bytecode: bool) -> None:
    """Be the child: run tests in a copy, and end with pytest's exit status."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds) + 5))
    log = os.open(folder / "tests.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.chdir(folder)
    sys.path.insert(0, str(folder / "src"))
    os.environ |= {"PYTHONPATH": str(folder / "src"), "TMPDIR": str(folder / "tmp")}
    tempfile.tempdir = None
    sys.dont_write_bytecode = not write_bytecode
    import pytest

    status = 3
    try:
        status = pytest.main([*OPTIONS, "--basetemp", str(folder / "tmp/tests"), *arguments])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(status))


@dataclass
class Job:
    """Tests that run in a copy.

    Args:
        folder: the copy.
        task: what is tested: a mutant, or the key of tests that run on unchanged code.
        started: when.
        limit: seconds of wall time.
    """

    folder: Path
    task: Mutant | str
    started: float
    limit: float


def run_all(
    tasks: Sequence[Mutant | str], folders: list[Path], cpu: dict[str, float], unchanged: Path
) -> Iterator[tuple[Mutant | str, int, float]]:
    """Run the tests of each task; yield it, its exit status and the CPU seconds it took.

    Args:
        tasks: mutants, or keys of tests on unchanged code.
        folders: a copy for each job.
        cpu: seconds that the tests of a key take; a mutant may take three times as long, and 20 more.
        unchanged: a copy that stays as it is.
    """
    waiting, free, running = list(tasks), list(folders), {}
    while waiting or running:
        while waiting and free:
            task, folder = waiting.pop(0), free.pop()
            shutil.rmtree(folder / "tmp", ignore_errors=True)
            (folder / "tmp").mkdir()
            if isinstance(task, Mutant):
                key, arguments = tests_of(task.path) or ("", [])
                path, seconds = folder / task.path, 3 * cpu[key] + 20
                path.write_bytes(task.of(path.read_bytes()))
                later = time.time() + random.randrange(10**6)  # never the time that some bytecode has
                os.utime(path, (later, later))
            else:
                arguments, seconds = arguments_of(task), 1200.0
            pid = os.fork()
            if pid == 0:
                run_tests(folder, arguments, seconds, write_bytecode=not isinstance(task, Mutant))
            running[pid] = Job(folder, task, time.time(), 10 * seconds)
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            for child, job in running.items():
                if time.time() - job.started > job.limit:
                    os.killpg(child, signal.SIGKILL)
            time.sleep(0.05)
            continue
        job = running.pop(pid)
        free.append(job.folder)
        if status and not isinstance(job.task, Mutant):
            print((job.folder / "tests.log").read_text()[-3000:], file=sys.stderr)
        if isinstance(job.task, Mutant):
            shutil.copy2(unchanged / job.task.path, job.folder / job.task.path)
        yield job.task, status, usage.ru_utime + usage.ru_stime


def import_libraries() -> None:
    """Import what takes long, and nothing of genloom; Polars must not be forked."""
    import beartype  # noqa: F401
    import hydra  # noqa: F401
    import jaxtyping  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pytest  # noqa: F401
    import pytorch_lightning  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    import torch
    import torchmetrics.functional.image  # noqa: F401
    import torchvision  # noqa: F401
    import zuko  # noqa: F401

    torch.set_num_threads(1)


def main() -> int:
    """Choose, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--num", type=int, default=200, help="mutants that are chosen; 0 for all")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[""], metavar="PREFIX[:LINE]", help="of paths below src/genloom")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--replace", nargs=3, action="append", metavar=("FILE", "OLD", "NEW"))
    chosen = parser.parse_args()
    sources = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
    mutants: list[Mutant] = []
    if chosen.replace:
        for file, old, new in chosen.replace:
            name, source = PACKAGE + file.removeprefix(PACKAGE), sources[PACKAGE + file.removeprefix(PACKAGE)]
            start = source.index(old.encode())
            line = source.count(b"\n", 0, start) + 1
            mutants.append(Mutant(name, line, start, start + len(old.encode()), new))
    else:
        for path in sources:
            mutants += mutants_of(ROOT / path)
        wanted = [each.partition(":") for each in chosen.only]
        mutants = [
            mutant
            for mutant in mutants
            if any(mutant.path.startswith(PACKAGE + a) and (not b or mutant.line == int(b)) for a, _, b in wanted)
        ]
        random.Random(chosen.seed).shuffle(mutants)
        usable = (mutant for mutant in mutants if mutant.means_something(sources[mutant.path]))
        mutants = list(itertools.islice(usable, chosen.num or None))
    if chosen.list:
        print(*(mutant.show(sources[mutant.path]) for mutant in mutants), f"{len(mutants)} mutants", sep="\n")
        return 0
    import_libraries()
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutants") as base:
        folders = [Path(base) / f"copy{place}" for place in range(chosen.jobs + 1)]
        for folder in folders:
            copy_checkout(folder)
        unchanged = folders.pop()
        keys = sorted({found[0] for mutant in mutants if (found := tests_of(mutant.path))})
        cpu: dict[str, float] = {}
        for key, status, seconds in run_all(keys, folders, {}, unchanged):
            assert isinstance(key, str)
            cpu[key] = seconds
            if status:
                print(f"the tests of {key} fail without any change: {TESTS[key]} (status {status})", file=sys.stderr)
                return 2
        print(f"{len(mutants)} mutants; tests of unchanged code take {sum(cpu.values()):.0f} CPU seconds", flush=True)
        for place, (mutant, status, _) in enumerate(run_all(mutants, folders, cpu, unchanged), 1):
            assert isinstance(mutant, Mutant)
            if status == 0:
                survivors += 1
                print(mutant.show(sources[mutant.path]), flush=True)
            if place % 20 == 0:
                print(f"[{place} of {len(mutants)} done, {survivors} survived]", file=sys.stderr, flush=True)
    print(f"{survivors} of {len(mutants)} mutants survived ({survivors / max(1, len(mutants)):.1%})")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
