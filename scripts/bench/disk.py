"""Pictures larger than memory: what decoding them costs, how fast a GAN trains on them, and in how much memory.

    python scripts/bench/disk.py --num 200000                          # pictures in a folder, then Parquet shards
    python scripts/bench/disk.py --num 20000 --source folder --decoders 0 2 --only decode

Pictures of 64x64 are made below --folder once. Then, each by itself, and in a table at the end:

- decode: pictures per second by each number of --decoders, into a cache that is removed again;
- kill: a decoding that is killed halfway goes on, to the same pixels;
- full: on a disk that is full halfway it ends with one line, and goes on once there is room;
- memory: the largest resident memory of `genloom train` with data.storage=disk on all pictures, less that on a
  hundredth of them, which is the model's; in all, and without the pages of files, which the system can take back;
- judge: the largest resident memory of `genloom evaluate` of 10,000 pictures beside all of them, likewise;
- speed: examples per second of a DCGAN with averaged weights from the file and from memory, in turns;
- resume: a run that is killed and resumed ends in the same weights as one that was not.
"""

import argparse
import io
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

SIDE = 64


def encoded(number: int) -> bytes:
    """Return picture ``number`` as a JPEG: smooth, in colour."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(buffer, "jpeg")
    return buffer.getvalue()


def make_folder(place: Path, num: int) -> None:
    """Write pictures into ten class folders."""
    for number in range(num):
        file = place / str(number % 10) / f"{number // 10:06d}.jpg"
        if number < 10:
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(number))


def make_shards(place: Path, num: int) -> None:
    """Write Parquet shards of 20,000 rows."""
    import polars as pl

    place.mkdir(parents=True)
    starts = range(0, num, 20_000)
    for shard, start in enumerate(starts):
        numbers = range(start, min(num, start + 20_000))
        cells = [{"bytes": encoded(number), "path": None} for number in numbers]
        kind = pl.Struct({"bytes": pl.Binary, "path": pl.String})
        frame = pl.DataFrame({"image": pl.Series(cells, dtype=kind), "label": [number % 10 for number in numbers]})
        frame.write_parquet(place / f"train-{shard:05d}-of-{len(starts):05d}.parquet", row_group_size=1000)


def made(folder: Path, source: str, num: int) -> Path:
    """Return pictures, made at the first call."""
    place = folder / f"{source}-{num}"
    if not place.exists():
        unfinished = place.with_suffix(".partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        (make_folder if source == "folder" else make_shards)(unfinished / "data", num)
        unfinished.rename(place)
    return place / "data"


def data_of(source: str, place: Path, **options: Any) -> Any:
    """Return the data, which nothing was read of yet."""
    if source == "folder":
        from genloom.data.images.folder import ImageFolder

        return ImageFolder(root=place, **options)
    from genloom.data.images.hub import Hub

    return Hub(path=str(place), columns=COLUMNS, **options)


COLUMNS = {"label": "label"}  # Parquet that Polars wrote says nothing of what its columns are


def chosen(source: str, place: Path) -> list[str]:
    """Return the data as the command line has it."""
    if source == "folder":
        return ["data=image_folder", f"data.root={place}"]
    return ["data=hub", f"data.path={place}", *(f"data.columns.{name}={column}" for name, column in COLUMNS.items())]


def decode(source: str, place: Path, cache: Path, decoders: list[int | None]) -> dict[str, float]:
    """Return pictures per second by number of processes."""
    rates = {}
    for number in decoders:
        shutil.rmtree(cache / "trial", ignore_errors=True)
        begin = time.perf_counter()
        data = data_of(source, place, storage="disk", cache_dir=cache / "trial", decoders=number)
        num = len(data.split("train")) + len(data.split("val")) + len(data.split("test"))
        rates[str(number)] = num / (time.perf_counter() - begin)
    shutil.rmtree(cache / "trial")
    return rates


def kill(source: str, place: Path, cache: Path, num: int) -> dict[str, Any]:
    """Kill a decoding halfway; return how many pictures it had written down, and whether the pixels are the same."""
    whole = data_of(source, place, storage="disk", cache_dir=cache).fingerprint
    trial = cache / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    options = {"storage": "disk", "cache_dir": str(trial)}
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import disk; from pathlib import Path\n"
    code += f"if __name__ == '__main__': disk.data_of({source!r}, Path({str(place)!r}), **{options!r}).describe()"
    script = cache / "killed.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.DEVNULL)
    done = 0
    while done < num // 2 and process.poll() is None:
        time.sleep(0.2)
        for file in trial.glob("decoded/*/progress.json"):
            done = json.loads(file.read_text())["done"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    begin = time.perf_counter()
    same = data_of(source, place, **options).fingerprint == whole
    shutil.rmtree(trial)
    return {"killed at": done, "of": num, "same pixels": same, "seconds to finish": time.perf_counter() - begin}


def full(source: str, place: Path, cache: Path, num: int) -> dict[str, Any]:
    """Decode with room for half of the pictures, then with enough; return what was said."""
    trial = cache / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    command = train(source, place, trial / "run", f"data.cache_dir={trial}", "debug=fast_dev_run")
    room = num * 3 * SIDE**2 // 2

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    ended = subprocess.run(command, capture_output=True, text=True, preexec_fn=limited, check=False)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.rmtree(trial)
    told = [line for line in again.stderr.splitlines() if line.startswith("decoding ")]
    return {"exit": ended.returncode, "last line": ended.stderr.splitlines()[-1], "then": told[0].split(" into ")[0]}


def train(source: str, place: Path, run: Path, *more: str) -> list[str]:
    """Return the command that trains the default GAN from disk, without judging."""
    return [
        sys.executable, "-m", "genloom", "train", *chosen(source, place), "data.storage=disk", "metrics=none",
        "trainer=cpu", "logger=none", f"run.dir={run}", *more,
    ]  # fmt: skip


def peaks(command: list[str]) -> dict[str, float]:
    """Run a command; return its largest memory in GiB: all that is resident, and what is in no file."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = {"VmRSS": 0, "RssAnon": 0}
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        except OSError:
            break
        for line in lines:
            name, _, value = line.partition(":")
            if name in found:
                found[name] = max(found[name], int(value.split()[0]))
        time.sleep(0.02)
    error = process.communicate()[1]
    if process.returncode:
        raise SystemExit(error)
    return {"resident": found["VmRSS"] / 2**20, "anonymous": found["RssAnon"] / 2**20}


def memory(source: str, place: Path, few: Path, out: Path, steps: int) -> dict[str, Any]:
    """Return the memory that many pictures take beyond what few take, in GiB."""
    limits = [f"trainer.max_steps={steps}", "callbacks=none"]
    for name in ("few", "many"):
        shutil.rmtree(out / name, ignore_errors=True)
    small = peaks(train(source, few, out / "few", *limits))
    large = peaks(train(source, place, out / "many", *limits))
    return {"few": small, "many": large, **{f"beyond, {name}": large[name] - small[name] for name in small}}


def judge(source: str, place: Path, few: Path, out: Path) -> dict[str, Any]:
    """Return the memory that judging beside many pictures takes beyond that beside few, in GiB."""
    found = {}
    for name, beside in (("few", few), ("many", place)):
        samples = out / f"samples_{name}.npz"
        rng = np.random.default_rng(0)
        coarse = torch.from_numpy(rng.random((10_000, 3, 8, 8), dtype=np.float32))
        pictures = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bilinear").mul(255).byte()
        samples.parent.mkdir(parents=True, exist_ok=True)
        np.savez(samples, pictures.permute(0, 2, 3, 1).numpy())
        options = ["data.storage=disk", "metrics=images", "device=cpu", f"out={out / f'{name}.json'}"]
        command = [sys.executable, "-m", "genloom", "evaluate", f"samples={samples}", *chosen(source, beside), *options]
        found[name] = peaks(command)
    few_, many = found["few"], found["many"]
    return {**found, **{f"beyond, {name}": many[name] - few_[name] for name in few_}}


def speed(source: str, place: Path, cache: Path, rounds: int, iterations: int) -> dict[str, Any]:
    """Return examples per second from the file and from memory."""
    import throughput

    from genloom.contents.image import Images

    stored = data_of(source, place, storage="disk", cache_dir=cache).split("train")
    in_memory = Images(stored.content.clone(), stored.given)

    def rate(images: Images, seed: int) -> float:
        return throughput.genloom(images, iterations, 64, seed, ema=True, logging=False)

    rates = throughput.in_turns({"disk": partial(rate, stored), "memory": partial(rate, in_memory)}, rounds)
    return {
        **{name: statistics.median(values) for name, values in rates.items()},
        "disk / memory (at least 0.9)": throughput.ratio(rates["disk"], rates["memory"]),
    }


def resume(source: str, place: Path, out: Path, steps: int) -> dict[str, Any]:
    """Kill a run after a checkpoint and resume it; return whether its weights are those of an uninterrupted run."""
    from genloom.runs import checkpoint

    save = [f"trainer.max_steps={steps}", "callbacks.checkpoint.every_n_train_steps=2", "callbacks=suite/base"]
    for name in ("whole", "killed"):
        shutil.rmtree(out / name, ignore_errors=True)
    subprocess.run(train(source, place, out / "whole", *save), check=True, stdout=subprocess.DEVNULL)
    command = train(source, place, out / "killed", *save, "resume=auto")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((out / "killed").glob("checkpoints/*.ckpt")) and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.wait()
    killed_at = sorted(file.name for file in (out / "killed" / "checkpoints").glob("*.ckpt"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole, killed = (
        checkpoint.read(out / name / "checkpoints" / "final.ckpt")["state_dict"] for name in ("whole", "killed")
    )
    same = whole.keys() == killed.keys() and all(torch.equal(whole[name], killed[name]) for name in whole)
    return {"killed when there was": killed_at, "bit for bit": same}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=20_000)
    parser.add_argument("--source", nargs="*", choices=["folder", "hub"], default=["folder", "hub"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/genloom-disk"))
    parser.add_argument("--decoders", type=int, nargs="*", default=[0, os.cpu_count()])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=["decode", "kill", "full", "memory", "judge", "speed", "resume"])
    options = parser.parse_args()
    cache = options.folder / "cache"
    os.environ["GENLOOM_CACHE"] = str(cache)
    found = {source: measured(source, options, cache) for source in options.source}
    rows = {name: None for each in found.values() for name in each}
    print(f"\n| {options.num:,} pictures | {' | '.join(found)} |\n| --- |{' --- |' * len(found)}")
    for name in rows:
        print(f"| {name} | {' | '.join(str(each.get(name, '')) for each in found.values())} |")


def measured(source: str, options: argparse.Namespace, cache: Path) -> dict[str, str]:
    """Measure all that is wanted of one source; return each number, or what was said, by its name."""
    place, few = (made(options.folder, source, num) for num in (options.num, options.num // 100))
    runs = options.folder / "runs"
    known: dict[str, Callable[[], dict[str, Any]]] = {
        "decode": lambda: decode(source, place, cache, options.decoders),
        "kill": lambda: kill(source, place, cache, options.num),
        "full": lambda: full(source, place, cache, options.num),
        "memory": lambda: memory(source, place, few, runs, options.steps),
        "judge": lambda: judge(source, place, few, runs),
        "speed": lambda: speed(source, place, cache, options.rounds, options.iterations),
        "resume": lambda: resume(source, place, runs, options.steps),
    }
    found: dict[str, str] = {}
    for name in options.only:
        result = known[name]()
        print(json.dumps({f"{source}, {name}": result}, indent=2), flush=True)
        for key, value in result.items():
            parts = (
                {f"{key}, {part}": each for part, each in value.items()} if isinstance(value, dict) else {key: value}
            )
            for part, each in parts.items():
                found[f"{name}: {part}"] = f"{each:.4g}" if isinstance(each, float) else str(each)
    return found


if __name__ == "__main__":
    main()
