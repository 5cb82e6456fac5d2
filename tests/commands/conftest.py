"""What tests of commands share: a user's package beside the user's configurations."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def outside(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The files of the test module's FILES, in the folder that commands run in; forgotten at the end."""
    files: dict[str, str] = request.module.FILES
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    packages = {name.partition("/")[0] for name in files if name.endswith(".py")}
    before = set(sys.modules)
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in packages:
            del sys.modules[name]
