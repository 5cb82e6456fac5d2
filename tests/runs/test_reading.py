"""Files of a run's folder are anybody's: whatever stands there, reading it ends, in values or in a ValueError."""

import os
from pathlib import Path

import pytest

from genloom.runs import reading


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a [1]\nb: *a",
        "a: " + "[" * 100_000,
        "!!python/object/apply:os.system [touch executed]",
        "? {a: b}\n: 3",
        "\ta: [",
    ],
)
def test_yaml_that_is_no_plain_value_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match="config"):
        reading.yaml_of(file)


def test_interpolations_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: ${oc.env:HOME}")
    assert reading.yaml_of(tmp_path / "config.yaml") == {"seed": "${oc.env:HOME}"}


def test_pipes_deep_and_huge_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**40)
    for name in ("deep", "pipe", "huge"):
        with pytest.raises(ValueError, match=name):
            reading.json_of(tmp_path / f"{name}.json")
