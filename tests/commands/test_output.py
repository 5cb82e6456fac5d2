"""Where commands write: nothing of an earlier call, or of another job of a sweep, is lost or passes for this one's."""

from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from genloom.commands import output
from genloom.errors import ConfigError

USUAL = Path("samples") / "epoch-1.5-seed0"


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are those of a sweep."""
    monkeypatch.setattr(HydraConfig.instance(), "cfg", OmegaConf.create({"hydra": {"mode": RunMode.MULTIRUN}}))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def test_places_without_a_name_are_numbered() -> None:
    for name in ("epoch-1.5-seed0", "epoch-1_2.5-seed0", "epoch-1_3.5-seed0"):
        with output.folder(None, USUAL, keeps=False) as out:
            assert out == USUAL.with_name(name)
            (out / "0.png").touch()
    files = [output.file(None, Path("samples/final.npz")) for _ in range(2)]
    assert [file.name for file in files] == ["final.npz", "final_2.npz"]


def test_a_folder_that_is_named_holds_nothing_else() -> None:
    Path("mine").mkdir()
    (Path("mine") / ".DS_Store").touch()
    with output.folder("mine", USUAL, keeps=False) as out:
        (out / "0.png").touch()
    with pytest.raises(ConfigError, match="out: mine is not empty"), output.folder("mine", USUAL, keeps=False):
        pass
    with output.folder("mine", USUAL) as out:  # a picture each by its name is written anew
        assert out == Path("mine")


def test_what_is_refused_leaves_no_folder() -> None:
    for named in ("new/one", None):
        with pytest.raises(ConfigError, match="no such class"), output.folder(named, USUAL):
            raise ConfigError("no such class")
    assert not Path("new/one").exists() and not USUAL.exists()
    USUAL.mkdir()
    with pytest.raises(ConfigError, match="no such class"), output.folder(str(USUAL), USUAL):
        raise ConfigError("no such class")
    assert USUAL.exists()


def test_jobs_of_a_sweep_have_places_of_their_own(sweep: None) -> None:
    with output.folder("mine", USUAL):
        pass
    with pytest.raises(ConfigError, match="out: mine is there already; each job"), output.folder("mine", USUAL):
        pass
    Path("mine.npz").touch()
    with pytest.raises(ConfigError, match=r"out: mine.npz is there already; each job"):
        output.file("mine.npz", USUAL)


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert output.file("~/drawn/a.npz", USUAL) == tmp_path / "home/drawn/a.npz"
    assert not Path("~").exists()


def test_what_cannot_be_written_is_one_line() -> None:
    Path("mine").mkdir()
    with pytest.raises(ConfigError, match=r"out: mine is a folder; name a file in it, as mine/final\.csv"):
        output.file("mine", Path("samples/final.csv"))
    Path("taken").touch()
    with pytest.raises(ConfigError, match=r"out: taken/inside cannot be written \(File exists\); set out"):
        output.file("taken/inside", USUAL)
