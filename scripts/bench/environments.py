"""Environments of their own for what genloom is measured against, below the user's cache folder.

Each sees the packages of the environment that makes it, torch above all, and holds what its program needs beside them.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import platformdirs

import genloom


def environment(package: str, module: str, given: str | None = None) -> Path | str:
    """Return the python of an environment that holds ``package``, made if need be; or why there is none.

    Args:
        package: its name for pip, with what it is to bring along.
        module: what is imported from it, by commas.
        given: the folder of one that is there already.
    """
    folder = Path(given) if given else platformdirs.user_cache_path("genloom") / f"bench-{package.partition('[')[0]}"
    python = folder / "bin" / "python"
    importable = [str(python), "-c", f"import {module}"]
    if not python.exists():
        failed = _failure([sys.executable, "-m", "venv", str(folder)])
        if failed:
            return failed
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        ours = folder / "lib" / version / "site-packages" / "ours.pth"
        ours.write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    if not given and _failure(importable):
        failed = _failure([str(python), "-m", "pip", "install", "--quiet", package])
        if failed:
            return failed
    return _failure(importable) or python


def _failure(command: list[str]) -> str | None:
    """Run it; return the last line of what it said if it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return (done.stderr.strip().splitlines() or ["it failed"])[-1] if done.returncode else None


def rate(python: Path, program: str, *arguments: object) -> float:
    """Return the last word that a program of this folder prints, a number: so many things per second."""
    command = [str(python), str(Path(__file__).parent / program), *map(str, arguments)]
    paths = {**os.environ, "PYTHONPATH": str(Path(genloom.__file__).parents[1])}  # where it is installed as a link, too
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=paths)
    return float(done.stdout.split()[-1])
