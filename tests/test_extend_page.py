"""docs/extend.md does what it says: its files are written, its commands are run, in order, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_on_extending_genloom(tmp_path):
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": binaries, "GENLOOM_CACHE": str(tmp_path / "cache")}
    commands = 0
    for language, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language in ("python", "yaml"):
            first, rest = body.split("\n", 1)
            path = tmp_path / first.removeprefix("# file: ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rest, encoding="utf-8")
        else:
            done = subprocess.run(
                ["bash", "-euc", body], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stdout + done.stderr
            commands += 1
    assert commands == 3
    assert (tmp_path / "first" / "metrics.json").is_file()
    assert len(list((tmp_path / "drawn").glob("[0-9]*.png"))) == 16
    assert "<Capability.SAMPLE" in done.stdout

    untrusted = subprocess.run(
        ["genloom", "sample", "checkpoint=first"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert untrusted.returncode == 2
    assert "trust=[mine]" in untrusted.stderr
    assert "Traceback" not in untrusted.stderr
