"""Where configurations are found, installed or in a checkout."""

from pathlib import Path

import pytest

import genloom
from genloom.config.directory import commands, config_directory


@pytest.mark.parametrize("conf", ["site-packages/genloom/conf", "conf"])
def test_installed_before_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conf: str) -> None:
    package = tmp_path / "site-packages" / "genloom"
    package.mkdir(parents=True)
    (tmp_path / conf).mkdir()
    (tmp_path / conf / "train.yaml").write_text("# genloom train: learn: well.\nseed: 0\n")
    monkeypatch.setattr(genloom, "__file__", str(package / "__init__.py"))
    assert config_directory() == tmp_path / conf
    assert commands() == {"train": "learn: well."}


def test_every_command_has_a_module_and_a_summary() -> None:
    package = Path(genloom.__file__).parent
    assert {"train", "evaluate", "sample"} <= commands().keys()
    for command, summary in commands().items():
        assert (package / "commands" / f"{command}.py").is_file()
        assert summary
