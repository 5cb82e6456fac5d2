"""Commands as Hydra applications: exit codes, sweeps, further ranks, and what must stay untouched."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from genloom import cli
from genloom.errors import CapabilityError, ConfigError, DataError, TrainingError

ROOT = Path(__file__).parents[1]
Run = Callable[[DictConfig], Any]
Start = Callable[..., int]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """Runs a command line in an empty folder with a function as the ``train`` command; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for variable in ("GENLOOM_JOB", "LOCAL_RANK"):
        monkeypatch.delenv(variable, raising=False)

    def run(job: Run, *arguments: str, command: str | None = None) -> int:
        monkeypatch.setitem(sys.modules, "genloom.commands.train", SimpleNamespace(run=job))  # pyright: ignore
        line = ["genloom", *arguments]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as caught:
            cli.main(command)
        assert sys.argv is line
        assert line == ["genloom", *arguments]
        assert isinstance(caught.value.code, int)
        return caught.value.code

    return run


def raises(error: BaseException) -> Run:
    def job(config: DictConfig) -> None:
        raise error

    return job


def test_a_job_gets_the_composed_configuration_and_leaves_no_files(start: Start, tmp_path: Path) -> None:
    seen: list[DictConfig] = []
    assert start(seen.append, "train", "seed=3", "data=mnist") == 0
    assert seen[0].seed == 3
    assert seen[0].data.name == seen[0].run.name == "mnist"
    assert "hydra" not in seen[0]
    assert list(tmp_path.iterdir()) == []


def test_a_script_names_its_command(start: Start) -> None:
    seen: list[DictConfig] = []
    assert start(seen.append, "seed=3", command="train") == 0
    assert seen[0].seed == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("data: no"), 2), (DataError("a.png: no"), 2), (CapabilityError("x"), 2), (TrainingError("nan"), 1)],
)
def test_users_errors_have_no_traceback(
    start: Start, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    assert start(raises(error), "train") == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_other_errors_keep_their_traceback(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(raises(RuntimeError("a bug")), "train") == 1
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "RuntimeError: a bug" in text


def test_interrupt(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(raises(KeyboardInterrupt()), "train") == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 3, 143])
def test_a_job_s_exit_is_the_command_s(start: Start, code: int) -> None:
    assert start(raises(SystemExit(code)), "train") == code


@pytest.mark.parametrize("arguments", [["-m", "seed=1,2"], ["seed=1,2", "-m"], ["hydra.mode=MULTIRUN", "seed=1,2"]])
def test_a_sweep_runs_every_job(start: Start, tmp_path: Path, arguments: list[str]) -> None:
    seeds: list[int] = []
    assert start(lambda config: seeds.append(config.seed), "train", *arguments) == 0
    assert seeds == [1, 2]
    (sweep,) = (tmp_path / "runs/multirun").iterdir()
    assert {path.name for path in sweep.iterdir()} == {"0", "1", "multirun.yaml"}


def test_a_sweep_goes_on_after_failures_and_lists_them(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    failures: dict[int, BaseException] = {
        1: DataError("a.png: truncated"),
        2: RuntimeError("a bug"),
        3: SystemExit(4),
        4: SystemExit("gone"),
    }
    seeds: list[int] = []

    def job(config: DictConfig) -> None:
        seeds.append(config.seed)
        if config.seed in failures:
            raise failures[config.seed]

    assert start(job, "train", "-m", "seed=range(0,6)") == 1
    assert seeds == [0, 1, 2, 3, 4, 5]
    assert capsys.readouterr().err.split("error: 4 of 6 jobs failed:\n")[1].splitlines() == [
        "  job 1 (seed=1): a.png: truncated",
        "  job 2 (seed=2): RuntimeError: a bug",
        "  job 3 (seed=3): exit 4",
        "  job 4 (seed=4): exit gone",
    ]


def test_a_sweep_of_equal_failures_has_their_code(start: Start) -> None:
    assert start(raises(DataError("a.png: truncated")), "train", "-m", "seed=1,2") == 2


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_a_signal_ends_a_sweep(start: Start, error: BaseException, code: int) -> None:
    seeds: list[int] = []

    def job(config: DictConfig) -> None:
        seeds.append(config.seed)
        raise error

    assert start(job, "train", "-m", "seed=1,2") == code
    assert seeds == [1]


def test_a_sweep_s_jobs_start_from_the_same_environment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    seen: list[tuple[str | None, str | None]] = []

    def job(config: DictConfig) -> None:
        seen.append((os.environ.get("LOCAL_RANK"), os.environ.get("KEPT")))
        os.environ["LOCAL_RANK"] = "0"
        del os.environ["KEPT"]

    assert start(job, "train", "-m", "seed=1,2") == 0
    assert seen == [(None, "1"), (None, "1")]


@pytest.mark.parametrize("arguments", [["train", "seed=3"], ["train", "-m", "seed=1,2", "hydra.output_subdir=null"]])
def test_a_further_rank_starts_from_the_saved_job(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml({"seed": 7}))
    monkeypatch.setenv("GENLOOM_JOB", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("LOCAL_RANK", "1")
    seen: list[DictConfig] = []
    assert start(seen.append, *arguments) == 0
    assert seen == [{"seed": 7}]


@pytest.mark.parametrize("rank", ["0", None])
def test_the_first_rank_composes(start: Start, monkeypatch: pytest.MonkeyPatch, rank: str | None) -> None:
    monkeypatch.setenv("GENLOOM_JOB", "nowhere")
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    seen: list[DictConfig] = []
    assert start(seen.append, "train", "seed=3") == 0
    assert seen[0].seed == 3


def test_a_further_rank_s_errors_are_reported_alike(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text("seed: 7")
    monkeypatch.setenv("GENLOOM_JOB", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert start(raises(DataError("a.png: truncated")), "train") == 2
    assert capsys.readouterr().err == "error: a.png: truncated\n"


@pytest.mark.parametrize("command", [["-m", "genloom", "train"], ["scripts/train.py"]])
def test_as_a_process(tmp_path: Path, command: list[str]) -> None:
    """What starting Python, Hydra and all costs, for a mistake."""
    line = [sys.executable, *command, "optimizer.generator.lrr=1"]
    line = [str(ROOT / part) if part.startswith("scripts") else part for part in line]
    before = os.times()
    process = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    after = os.times()
    assert process.returncode == 2
    assert process.stderr.startswith("error: optimizer.generator.lrr: ")
    cpu_seconds = after.children_user + after.children_system - before.children_user - before.children_system
    assert cpu_seconds < 2.0


def test_the_user_s_own_modules_are_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Data:\n    def __init__(self, *, width): ...\n")
    line = [sys.executable, str(ROOT / "scripts/train.py"), "data={_target_: mine.Data}"]
    process = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert process.stderr.startswith("error: data.name: mine.Data accepts no argument name; it accepts width")


@pytest.mark.parametrize("line", [["--help"], ["train", "--help"]])
def test_help_that_nobody_reads_ends_in_silence(line):
    program = [sys.executable, "-u", "-m", "genloom", *line]
    reader, writer = os.pipe()
    os.close(reader)  # before it begins, so that it can't be done sooner
    ended = subprocess.run(program, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert ended.stderr == "" and ended.returncode == 141
