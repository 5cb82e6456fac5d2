"""Runs docs/extend.md: writes its files, runs its commands, in order."""

import os
import re
import subprocess
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(folder: Path, binaries: Path) -> tuple[list[str], dict[str, str]]:
    """Follow the page in ``folder`` with ``binaries``' programs; return the commands' outputs and the environment."""
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GENLOOM_CACHE": str(folder / "cache")}
    environment.pop("PYTHONPATH", None)
    outputs = []
    for language, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language in ("python", "yaml"):
            first, rest = body.split("\n", 1)
            file = folder / first.removeprefix("# file: ")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(rest, encoding="utf-8")
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-euc", body], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stdout + done.stderr
            outputs.append(done.stdout)
    return outputs, environment
