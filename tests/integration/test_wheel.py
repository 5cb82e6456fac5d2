"""The wheel works in a fresh environment, away from the checkout."""

import subprocess
import sys
from pathlib import Path

import pytest

import extend_page

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).parent / "uv")

pytestmark = pytest.mark.integration


def call(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_in_a_fresh_environment(tmp_path):
    call(UV, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "dist"), str(ROOT), cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.stat().st_size < 2_000_000
    call(UV, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "fresh"), cwd=tmp_path)
    python = tmp_path / "fresh" / "bin" / "python"
    call(
        UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), str(wheel),
        "--constraint", str(ROOT / "requirements.lock"), cwd=tmp_path,
    )  # fmt: skip
    home = tmp_path / "home"
    home.mkdir()
    where = call(str(python), "-c", "import genloom; print(genloom.__file__)", cwd=home)
    assert str(tmp_path / "fresh") in where
    call(str(python.parent / "genloom"), "train", "debug=fast_dev_run", "run.dir=run", cwd=home)
    assert (home / "run" / "metrics.json").is_file()
    outputs, _ = extend_page.follow(home, python.parent)
    assert "genloom.models.abilities.Samples" in outputs[2]
