"""Names and texts of strangers steer no terminal."""

from pathlib import Path

import pytest
import yaml

from genloom.contents.files import shown
from genloom.errors import CheckpointError, DataError
from genloom.printable import printable
from genloom.runs import reading

STEERING = "\x1b]0;title\x07\x1b[2J\x9b6n\r"
WRITTEN = r"\x1b]0;title\x07\x1b[2J\x9b6n\x0d"


def test_control_characters_are_written_out() -> None:
    assert printable(f"é\t日本\n{STEERING}🙂") == f"é\t日本\n{WRITTEN}🙂"


@pytest.mark.parametrize("kind", [CheckpointError, DataError])
def test_errors_quote_names_so(kind: type[Exception]) -> None:
    assert str(kind(f"classes: {STEERING}")) == f"classes: {WRITTEN}"


def test_files_of_a_run_are_read_so(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"\\u001b[2J": ["\\u009b6n", 1.5, null, true]}')
    assert reading.json_of(tmp_path / "a.json") == {r"\x1b[2J": [r"\x9b6n", 1.5, None, True]}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({STEERING: {"a": [STEERING]}}))
    assert reading.yaml_of(tmp_path / "a.yaml") == {WRITTEN: {"a": [WRITTEN]}}


def test_names_of_files_are_said_so() -> None:
    assert shown(Path(f"{STEERING}.png")) == f"{WRITTEN}.png"
