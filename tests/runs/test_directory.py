import json
import math
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from genloom.errors import ConfigError
from genloom.runs import directory


def test_fifty_simultaneous_runs_get_fifty_directories(tmp_path):
    with ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda _: directory.allocate(tmp_path, "digits"), range(50)))
    assert len(set(made)) == 50
    assert all(path.is_dir() and path.parent == tmp_path / "digits" for path in made)


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "/tmp/x", "x\0"])
def test_a_run_s_name_leads_nowhere_else(tmp_path, name):
    with pytest.raises(ConfigError, match=r"run\.name: .* is no name of a folder in run\.root; .*set run\.root"):
        directory.allocate(tmp_path / "runs", name)
    assert not list(tmp_path.iterdir())
    assert directory.allocate(tmp_path, "..x").parent == tmp_path / "..x"


def test_a_named_directory_must_be_new_or_empty(tmp_path):
    assert directory.claim(tmp_path / "new") == tmp_path / "new"
    assert directory.claim(tmp_path / "new") == tmp_path / "new"
    (tmp_path / "new" / "file").touch()
    with pytest.raises(ConfigError, match=r"run\.dir: .*new is not empty; it holds no run"):
        directory.claim(tmp_path / "new")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"run\.root: .*file.* cannot be written"):
        directory.allocate(tmp_path / "file", "digits")
    with pytest.raises(ConfigError, match=r"run\.dir: .*file.* cannot be written"):
        directory.claim(tmp_path / "file" / "run")


def test_a_run_is_held_by_one_process_at_a_time(tmp_path):
    with directory.held(tmp_path):
        assert directory.is_held(tmp_path)
        with pytest.raises(ConfigError, match="in use by another process"), directory.held(tmp_path):
            pass
    assert not directory.is_held(tmp_path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    directory.write_json(path, {"status": "running"})

    def fail(*arguments: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match=r"status\.json: cannot be written \(disk full\)"):
        directory.write_json(path, {"status": "finished"})
    assert json.loads(path.read_text()) == {"status": "running"}
    assert os.listdir(tmp_path) == ["status.json"]


def test_json_has_null_for_what_is_not_finite_and_says_so(tmp_path):
    path = tmp_path / "metrics.json"
    directory.write_json(path, {"fd": float("nan"), "of": [{"kd": -math.inf}, 1.0, math.nan, math.inf]})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "fd": None,
        "of": [{"kd": None}, 1.0, None, None],
        "not_finite": ["fd: nan", "of[0].kd: -inf", "of: 2 more"],
    }
    directory.write_json(path, {"fd": 1.0})
    assert json.loads(path.read_text()) == {"fd": 1.0}


def test_a_file_in_the_way_of_the_lock_is_one_line(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ConfigError, match=r"run\.dir: .* cannot be written .*; set run\.dir"), directory.held(tmp_path):
        pass
