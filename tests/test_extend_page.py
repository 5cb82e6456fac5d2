"""docs/extend.md does what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import extend_page


@pytest.mark.slow
def test_the_page_on_extending_genloom(tmp_path):
    outputs, environment = extend_page.follow(tmp_path, Path(sys.executable).parent, forked=True)
    assert len(outputs) == 8
    assert (tmp_path / "first" / "metrics.json").is_file()
    assert len(list((tmp_path / "drawn").glob("[0-9]*.png"))) == 16
    assert len(list((tmp_path / "brighter").glob("[0-9]*.png"))) == 16
    assert "genloom.models.abilities.Samples" in outputs[2]
    assert len(list((tmp_path / "denoised").glob("[0-9]*.png"))) == 16
    for folder in ("winds_drawn", "steered_drawn"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == {"samples.png", "samples.npz"}

    assert list((tmp_path / "seen" / "samples").glob("mean-*.png"))
    found = json.loads((tmp_path / "seen" / "metrics.json").read_text("utf-8"))["evaluation"]["metrics"]
    brightness = next(row for name, row in found.items() if name.startswith("brightness"))
    assert brightness["floor"]["value"] < 0.1 and brightness["candidates"]["ema"]["value"] >= 0

    untrusted = subprocess.run(
        ["genloom", "sample", "checkpoint=first"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert untrusted.returncode == 2
    assert "trust=[mine]" in untrusted.stderr
    assert "Traceback" not in untrusted.stderr
