"""The script that checks every recipe on a GPU, made small, on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench" / "gpu.py"


@pytest.mark.slow
def test_it_says_what_is_not_ok_and_what_has_no_data(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--device=cpu", "--precisions=32-true,8-none", "--only=digits/pca,etth1/ridge"],
        cwd=tmp_path, env={**os.environ, "GENLOOM_DATA": str(tmp_path)}, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert f"left out: etth1/ridge: {tmp_path}/ETT/ETTh1.csv: there is no such file" in done.stdout
    assert "encode digits/pca: largest differences from the CPU: none" in done.stdout
    faults = [line for line in done.stdout.splitlines() if line.startswith("NOT OK")]
    assert len(faults) == 1 and "train digits/pca 8-none: exit 2" in faults[0], done.stdout
    assert list(tmp_path.iterdir()) == []
