"""What the scripts of the results share: runs through multirun that go on where they stopped, and the page."""

import signal
import subprocess
import sys
from pathlib import Path

from genloom.config.composition import Composer
from genloom.config.directory import config_directory

PAGE = Path(__file__).parents[2] / "docs" / "results" / "tables.md"


def genloom(*arguments: str) -> None:
    """Run a command; Ctrl-C and SIGTERM reach it, and it ends as it does by itself.

    Raises:
        SystemExit: it failed, as it said itself, or was ended.
    """
    process = subprocess.Popen([sys.executable, "-m", "genloom", *arguments])
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        code = process.wait()
    except KeyboardInterrupt:  # the terminal sent it to both; subprocess.run would kill the command at once
        code = process.wait()
    if code:
        raise SystemExit(code if code > 0 else 128 - code)


def recipes(group: str, family: str) -> dict[str, str]:
    """Return the recipes of a folder of conf/experiment with models of a family, sorted: each one's ``run.name``."""
    composer = Composer("train", config_directory())
    found = {}
    for name in sorted(file.stem for file in (config_directory() / "experiment" / group).glob("*.yaml")):
        config = composer.compose(composer.parse([f"experiment={group}/{name}"]))
        if config.hydra.runtime.choices.model.startswith(f"{family}/"):
            found[name] = config.run.name
    return found


def train(group: str, names: list[str], seeds: tuple[int, ...], root: Path, keys: list[str]) -> None:
    """Train what is not finished yet, into ``root`` under the run's own name and seed."""
    genloom(
        "train",
        "-m",
        f"experiment={','.join(f'{group}/{name}' for name in names)}",
        f"seed={','.join(map(str, seeds))}",
        "resume=auto",
        f"hydra.sweep.dir={root}",
        "hydra.sweep.subdir=${run.name}-seed${seed}",
        *keys,
    )


def report(root: Path, *arguments: str) -> str:
    """Return the Markdown tables of all runs below ``root``, with headings that go below the page's own."""
    genloom("report", str(root), f"out={root}", *arguments)
    _, _, table = (root / "report.md").read_text(encoding="utf-8").strip().partition("\n\n")  # without its title
    return table.replace("## ", "### ")


def write(name: str, table: str) -> None:
    """Put ``table`` between the page's marks of ``name``."""
    begin, end = f"<!-- make {name}: begin -->", f"<!-- make {name}: end -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{PAGE}: {begin} and {end} are not there; put them where the table belongs")
    PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
    print(f"wrote {PAGE}")
