"""Runs docs/extend.md: writes its files, runs its commands, in order."""

import multiprocessing
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from genloom import cli

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(folder: Path, binaries: Path, *, forked: bool = False) -> tuple[list[str], dict[str, str]]:
    """Follow the page; return what its blocks of commands wrote, and the environment that they ran in.

    Args:
        folder: to be followed in.
        binaries: folder of the programs.
        forked: genloom's commands are children of one process that has imported torch already, which saves most of
            their time; else each is a program of its own.
    """
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
            lines = [shlex.split(line) for line in body.splitlines()]
            if forked and all(line[0] == "genloom" for line in lines):
                outputs.append("".join(_forked(line, folder, environment) for line in lines))
                continue
            done = subprocess.run(
                ["bash", "-euc", body], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stdout + done.stderr
            outputs.append(done.stdout)
    return outputs, environment


def _forked(line: list[str], folder: Path, environment: dict[str, str]) -> str:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["genloom.commands.train", "genloom.commands.evaluate"])
    written = folder / "written.txt"
    child = context.Process(target=_command, args=(line, folder, environment, written))
    child.start()
    child.join(300)
    text = written.read_text(encoding="utf-8")
    written.unlink()
    assert child.exitcode == 0, text
    return text


def _command(line: list[str], folder: Path, environment: dict[str, str], written: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with written.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = line
    cli.main()
