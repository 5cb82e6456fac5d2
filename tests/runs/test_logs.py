"""A log that can't be written costs one warning, never the run."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from genloom.errors import ConfigError
from genloom.runs.logs import careful, without_tracebacks


def of(kind: type[Logger], folder: Path) -> Logger:
    return careful(kind(folder, name="log", version=""), "logger.mine")  # pyright: ignore[reportCallIssue]


def deleted(folder: Path) -> None:
    while folder.exists():  # TensorBoard's thread may write into it meanwhile
        shutil.rmtree(folder, ignore_errors=True)


def replaced(folder: Path) -> None:
    deleted(folder)
    folder.touch()


@pytest.mark.parametrize(("kind", "harm"), [(CSVLogger, deleted), (CSVLogger, replaced), (TensorBoardLogger, replaced)])
def test_a_lost_folder_is_one_warning(kind, harm, tmp_path, tiny_gan, tiny_data, fit, capsys):
    logger = of(kind, tmp_path)
    logger.log_metrics({"a": 1.0}, step=0)
    logger.save()
    harm(tmp_path / "log")
    with without_tracebacks():
        trainer = fit(tiny_gan(), tiny_data, max_steps=4, logger=logger)
        logger.finalize("success")
    assert trainer.global_step == 4
    said = capsys.readouterr()
    assert said.out.count("warning: logger.mine: can't be written (") == 1
    assert "Traceback" not in said.out + said.err


def test_curves_that_are_lost_are_said(tmp_path, capsys):
    logger = of(TensorBoardLogger, tmp_path)
    logger.log_metrics({"a": 1.0}, step=0)
    logger.save()
    logger.log_metrics({"a": 2.0}, step=1)
    assert capsys.readouterr().out == ""
    deleted(tmp_path / "log")
    (tmp_path / "log").mkdir()  # as by whatever is written there next
    for step in range(2, 5):
        logger.log_metrics({"a": 3.0}, step=step)
        logger.save()
    logger.finalize("success")
    assert capsys.readouterr().out == (
        f"warning: logger.mine: files in {tmp_path}/log were removed, and with them what was logged so far\n"
    )


@pytest.mark.parametrize("kind", [CSVLogger, TensorBoardLogger])
def test_a_file_in_the_folder_s_place_is_one_warning(kind, tmp_path, tiny_gan, tiny_data, fit, capsys):
    (tmp_path / "log").touch()
    trainer = fit(tiny_gan(), tiny_data, max_steps=3, logger=of(kind, tmp_path))
    assert trainer.global_step == 3
    assert capsys.readouterr().out.count("warning: logger.mine") == 1


@pytest.mark.parametrize("kind", [CSVLogger, TensorBoardLogger])
def test_a_logger_keeps_its_class_and_writes(kind, tmp_path, capsys):
    logger: Any = of(kind, tmp_path)
    assert isinstance(logger, kind)
    logger.log_metrics({"a": 1.0}, step=0)
    logger.save()
    logger.finalize("success")
    assert any(file.stat().st_size for file in (tmp_path / "log").iterdir())
    assert capsys.readouterr().out == ""


def test_what_is_no_file_s_fault_is_refused_before_training():
    class Remote(Logger):
        name = version = "remote"

        @property
        def experiment(self) -> Any:
            raise RuntimeError("not logged in\nat all")

        def log_metrics(self, metrics: Any, step: int | None = None) -> None: ...
        def log_hyperparams(self, params: Any) -> None: ...

    logger: Any = careful(Remote(), "logger.remote")
    with pytest.raises(ConfigError, match=r"^logger\.remote: not logged in; logger=none logs nothing$"):
        _ = logger.experiment
