"""The script that checks every recipe on a GPU, made small, on the CPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "scripts" / "bench"


@pytest.mark.slow
def test_it_says_what_is_not_ok_and_what_has_no_data(tmp_path):
    done = subprocess.run(
        [
            sys.executable, str(BENCH / "gpu.py"), "--device=cpu", "--precisions=32-true,8-none",
            "--only=digits/pca,etth1/ridge",
        ],
        cwd=tmp_path, env={**os.environ, "GENLOOM_DATA": str(tmp_path)}, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert f"left out: etth1/ridge: {tmp_path}/ETT/ETTh1.csv: there is no such file" in done.stdout
    assert "encode digits/pca: largest differences from the CPU: none" in done.stdout
    faults = [line for line in done.stdout.splitlines() if line.startswith("NOT OK")]
    assert len(faults) == 1 and "train digits/pca 8-none: exit 2" in faults[0], done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_speeds_are_written_where_they_belong(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- gpu_speed.py: begin -->\nold\n<!-- gpu_speed.py: end -->\nafter\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, str(BENCH / "gpu_speed.py"), "--device=cpu", "--only=dense VAE", "--iterations=1",
            "--rounds=1", f"--write={page}",
        ],
        cwd=tmp_path, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, table, after = re.split(r"<!-- gpu_speed.py: (?:begin|end) -->\n", page.read_text(encoding="utf-8"))
    assert before == "before\n" and after == "after\n" and "old" not in table
    assert [line.split(" | ")[0] for line in table.splitlines() if "," in line][-2:] == ["| bare", "| genloom"], table
