"""The report: which runs are found, put together, told apart and left out; and what the numbers mean."""

import csv
import io
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig

from genloom import cli
from genloom.commands import report
from genloom.errors import ConfigError
from genloom.intervals import of_ratio
from genloom.reports import terminal
from genloom.reports.estimate import Estimate
from genloom.reports.finished import LeftOut, read
from genloom.reports.tables import TIMES_FLOOR, Layout, Table

FD, KD = "fd_digits_cnn_v1", "kd_digits_cnn_v1"
BETTER = {FD: "lower", KD: "lower", "precision_digits_cnn_v1": "higher", "train_distance_digits_cnn_v1": "none"}


def protocol(**changes: Any) -> dict[str, Any]:
    return {
        "data": {"name": "mnist", "fingerprint": "ab" * 32, "content": {}},
        "reference": {"split": "train", "fingerprint": "cd" * 32},
        "heldout": {"split": "test", "fingerprint": "ef" * 32},
        "n_reference": 10_000,
        "n_fake": 10_000,
        "device": "cpu",
        "versions": {"torch": "2.9.0"},
        "extractors": {"digits_cnn_v1": {"name": "digits_cnn_v1", "weights_sha256": "7a86a098" * 8, "caution": None}},
        "metrics": {"FrechetDistance": {}, "Support": {"k": 3}},
    } | changes


def score(value: float | None, ratio: float | None = None, interval: list[float] | None = None) -> dict[str, Any]:
    return {"value": value, "interval": interval, "details": {}, "ratio_to_floor": ratio}


def evaluation(fd: float | None, *, precision: float = 0.5, weights: tuple[str, ...] = ("ema", "raw"), **changes: Any):
    values = {FD: fd, KD: 0.1, "precision_digits_cnn_v1": precision, "train_distance_digits_cnn_v1": 1.2}
    floors = {FD: 0.05, KD: 0.002, "precision_digits_cnn_v1": 0.9, "train_distance_digits_cnn_v1": 1.0}
    metrics = {
        name: {
            "better": BETTER[name],
            "floor": {"value": floors[name], "interval": None, "details": {}},
            "candidates": {
                one: score(
                    None if value is None else value + place,
                    value / 0.05 if name == FD and value is not None else None,
                    [0.0, 1.0] if name == KD else None,
                )
                for place, one in enumerate(weights)
            },
        }
        for name, value in values.items()
    }
    return {"headline": FD, "metrics": metrics, "warnings": [], "protocol": protocol(**changes)}


def make(
    folder: Path,
    judged: dict[str, Any] | None = None,
    *,
    seed: int = 0,
    lr: float = 1e-3,
    name: str = "mnist",
    efficiency: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    **status: Any,
) -> Path:
    """Write a run; one without a judgement has no metrics.json."""
    folder.mkdir(parents=True)
    optimizer = {"generator": {"_target_": "torch.optim.Adam", "lr": lr}, "discriminator": {"lr": lr}}
    content = {
        "data": {"name": "mnist", "seed": seed},
        "optimizer": optimizer,
        "seed": seed,
        "run": {"name": name, "root": "runs", "dir": str(folder)},
        "callbacks": {"dirpath": f"{folder}/checkpoints"},
        "resume": "never",
        "trainer": {"profile": f"{folder}/profile"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content | (config or {})))
    (folder / "overrides.yaml").write_text(
        yaml.safe_dump([f"optimizer.generator.lr={lr}", f"seed={seed}", "run.dir=x"])
    )
    (folder / "status.json").write_text(json.dumps({"status": "finished", "configuration": "0"} | status))
    if judged is not None:
        speed = {"examples_per_second": 800.0 + seed, "training_seconds": 60.0, "trainable_parameters": 1_234_567}
        metrics = {"efficiency": speed | (efficiency or {}), "evaluation": judged or None}
        (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def tables(folder: Path, **layout: Any) -> tuple[list[Table], list[LeftOut]]:
    runs, without_results = read([folder])
    found, left_out = Layout(**layout).tables(runs)
    return found, [*without_results, *left_out]


def show(folder: Path, **config: Any) -> None:
    keys = {"runs": [str(folder)], "weights": None, "columns": None, "sort": None, "out": None}
    report.run(DictConfig(keys | config))


# Estimates


def test_the_interval_of_three_numbers() -> None:
    estimate = Estimate((1.0, 2.0, 4.0))
    assert estimate.mean == pytest.approx(7 / 3)
    assert estimate.half_width == pytest.approx(3.794583, abs=1e-6)  # 4.302653 * 1.527525 / sqrt(3)


def test_an_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = random.Random(0)
    samples = [Estimate(tuple(rng.gauss(0, 1) for _ in range(3))) for _ in range(4000)]
    covered = statistics.fmean(abs(sample.mean or 0) <= (sample.half_width or 0) for sample in samples)
    assert covered == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors


def test_one_value_has_no_interval_and_an_undefined_one_no_mean() -> None:
    assert Estimate((3.0,)).half_width is None
    assert Estimate((3.0, None)).mean is None
    assert Estimate((3.0, None, 4.0)).half_width is None


def test_one_seed_has_the_interval_of_its_images(tmp_path: Path) -> None:
    with_floor(make(tmp_path / "a", evaluation(1.0)), [0.8, 1.2], [0.02, 0.08])
    ((table,), _) = tables(tmp_path)
    (row,) = table.rows
    assert row.estimates[FD].interval == (0.8, 1.2)
    assert row.ratios[FD].mean == pytest.approx(20)
    assert row.ratios[FD].interval == of_ratio(1.0, (0.8, 1.2), 0.05, (0.02, 0.08))
    assert row.ratios[FD].half_width == pytest.approx(20 * math.hypot(0.2, 0.6))


def test_several_seeds_have_the_floor_s_error_in_the_ratio_only(tmp_path: Path) -> None:
    for seed, value in enumerate((1.0, 2.0, 4.0)):
        with_floor(make(tmp_path / str(seed), evaluation(value), seed=seed), [value - 0.1, value + 0.1], [0.02, 0.08])
    ((table,), _) = tables(tmp_path)
    (row,) = table.rows
    seeds = Estimate((1.0, 2.0, 4.0)).interval
    assert row.estimates[FD].interval == seeds  # not of the images of one seed
    assert row.ratios[FD].interval == of_ratio(7 / 3, seeds, 0.05, (0.02, 0.08))


def with_floor(folder: Path, interval: list[float], floor: list[float]) -> None:
    """Give the Fréchet distances of a run and its floor these intervals."""
    metrics = json.loads((folder / "metrics.json").read_text())
    fd = metrics["evaluation"]["metrics"][FD]
    fd["floor"]["interval"] = floor
    for each in fd["candidates"].values():
        each["interval"] = interval
    (folder / "metrics.json").write_text(json.dumps(metrics))


# Finding runs


def test_runs_are_found_at_any_depth_once(tmp_path: Path) -> None:
    make(tmp_path / "multirun/now/0", evaluation(1.0))
    make(tmp_path / "multirun/now/1", evaluation(1.0), seed=1)
    inner = make(tmp_path / "runs/mnist/a", evaluation(1.0), seed=2)
    make(inner / "checkpoints/no-run", evaluation(1.0))
    runs, left_out = read([tmp_path, tmp_path / "multirun", inner])
    assert [run.seed for run in runs] == [0, 1, 2]
    assert left_out == []


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    make(tmp_path / "runs/a", evaluation(1.0))
    with pytest.raises(ConfigError, match="empty holds no run"):
        read([tmp_path / "runs", tmp_path / "empty"])
    with pytest.raises(ConfigError, match="run does not exist; did you mean runs"):
        read([tmp_path / "run"])
    with pytest.raises(ConfigError, match="file is a file"):
        read([tmp_path / "file"])


def test_runs_without_results_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "good", evaluation(1.0))
    make(tmp_path / "failed", status="failed", why="TrainingError: generator\nis nan")
    make(tmp_path / "running", status="running")
    (make(tmp_path / "killed", status="running") / ".lock").touch()
    (make(tmp_path / "damaged", evaluation(1.0)) / "metrics.json").write_text('{"efficiency"')
    (make(tmp_path / "strange", evaluation(1.0)) / "metrics.json").write_text(
        '{"evaluation": {"protocol": {"data": 1}}}'
    )
    (make(tmp_path / "no-config", evaluation(1.0)) / "config.yaml").unlink()
    found, left_out = tables(tmp_path)
    assert [len(table.runs) for table in found] == [1]
    reasons = {item.directory.name: (item.status, item.reason) for item in left_out}
    assert reasons.keys() == {"failed", "running", "killed", "damaged", "strange", "no-config"}
    assert reasons["failed"] == ("failed", "TrainingError: generator\nis nan")
    assert reasons["running"] == ("running", "has no metrics.json yet")
    assert "no process" in reasons["killed"][1]
    assert all(reasons[name][0] == "unreadable" for name in ("damaged", "strange", "no-config"))
    assert "config.yaml" in reasons["no-config"][1]
    show(tmp_path, out=str(tmp_path / "out"))
    for text in (capsys.readouterr().out, (tmp_path / "out/report.md").read_text()):
        assert "TrainingError: generator is nan" in text


def test_only_failed_runs_are_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "failed", status="failed", why="interrupted")
    show(tmp_path, columns=["nonsense"])
    assert "interrupted" in capsys.readouterr().out


def test_a_judged_run_that_failed_later_is_shown_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "a", evaluation(1.0), status="failed", why="OSError: full")
    show(tmp_path)
    assert "OSError: full" in " ".join(capsys.readouterr().out.split())


# Groups


def test_seeds_are_grouped(tmp_path: Path) -> None:
    for seed, value in enumerate((1.0, 2.0, 4.0)):
        make(tmp_path / str(seed), evaluation(value), seed=seed)
    ((table,), left_out) = tables(tmp_path)
    (row,) = table.rows
    assert left_out == []
    assert row.label == "mnist"
    assert row.weights == "ema"
    assert row.estimates[FD].half_width == pytest.approx(3.794583, abs=1e-6)
    assert row.ratios[FD].mean == pytest.approx(7 / 3 / 0.05)
    assert row.command == "genloom train -m optimizer.generator.lr=0.001 seed=0,1,2"


def test_a_seed_of_its_own_is_a_difference(tmp_path: Path) -> None:
    for seed in (1, 2):
        make(tmp_path / str(seed), evaluation(1.0), seed=seed, config={"data": {"name": "mnist", "seed": 7 + seed}})
    ((table,), _) = tables(tmp_path)
    assert {row.label for row in table.rows} == {"mnist data.seed=8", "mnist data.seed=9"}


def test_a_fixed_seed_of_the_data_is_no_difference(tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = make(tmp_path / str(seed), evaluation(1.0), seed=seed, config={"data": {"name": "mnist", "seed": 0}})
        (folder / "overrides.yaml").write_text(yaml.safe_dump(["data.seed=0", f"seed={seed}"]))
    ((table,), _) = tables(tmp_path)
    assert [len(row.runs) for row in table.rows] == [2]


def test_of_a_repeated_seed_the_newest_counts(tmp_path: Path) -> None:
    for place, value in enumerate((1.0, 2.0)):
        folder = make(tmp_path / str(place), evaluation(value))
        os.utime(folder / "metrics.json", (1e9 + place, 1e9 + place))
    ((table,), left_out) = tables(tmp_path)
    assert table.rows[0].estimates[FD].values == (2.0,)
    assert [(item.directory.name, item.status) for item in left_out] == [("0", "repeated")]


def test_names_tell_groups_apart(tmp_path: Path) -> None:
    make(tmp_path / "a", evaluation(1.0), lr=1e-4)
    make(tmp_path / "b", evaluation(2.0), lr=1e-3)
    make(tmp_path / "c", evaluation(3.0), name="other", lr=2.0)
    ((table,), _) = tables(tmp_path)
    assert [row.label for row in table.rows] == [
        "mnist optimizer.generator.lr=1e-4",
        "mnist optimizer.generator.lr=1e-3",
        "other",
    ]


def test_names_are_no_longer_than_needed(tmp_path: Path) -> None:
    options = [(model, width) for model in ("mine.Dense", "mine.Deep") for width in (8, 16)]
    for place, (model, width) in enumerate(options):
        part = {"_target_": model, "width": width, **({"depth": 3} if model.endswith("Deep") else {})}
        make(tmp_path / str(place), evaluation(1.0 + place), config={"model": part})
    ((table,), _) = tables(tmp_path)
    assert [row.label for row in table.rows] == [
        "mnist model=Dense model.width=8",
        "mnist model=Dense model.width=16",
        "mnist model=Deep model.width=8",
        "mnist model=Deep model.width=16",
    ]


def test_weight_sets(tmp_path: Path) -> None:
    make(tmp_path / "a", evaluation(1.0))
    make(tmp_path / "b", evaluation(2.0, weights=("raw",)), lr=1.0)
    assert [row.weights for row in tables(tmp_path)[0][0].rows] == ["ema", "raw"]
    assert [row.weights for row in tables(tmp_path, weights="all")[0][0].rows] == ["ema", "raw", "raw"]
    found, left_out = tables(tmp_path, weights="ema")
    assert [row.weights for row in found[0].rows] == ["ema"]
    assert [(item.directory.name, item.reason) for item in left_out] == [("b", "has no ema weights, only raw")]


# Tables


@pytest.mark.parametrize(
    "changes",
    [
        {"n_fake": 500},
        {"n_reference": 500},
        {"data": {"name": "mnist", "fingerprint": "12", "content": {}}},
        {"heldout": None},
        {"reference": {"split": "validation", "fingerprint": "12"}},
        {"extractors": {"digits_cnn_v1": {"name": "digits_cnn_v1", "weights_sha256": "00"}}},
        {"metrics": {"FrechetDistance": {}, "Support": {"k": 5}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_unlike_protocols_are_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    make(tmp_path / "a", evaluation(1.0))
    make(tmp_path / "b", evaluation(1.0, **changes), seed=1)
    found, _ = tables(tmp_path)
    assert [len(table.rows) for table in found] == [1, 1]
    assert len({table.protocol_id for table in found}) == 2
    show(tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert f"differs in {next(iter(changes))}" in text
    assert "digits_cnn_v1 (7a86a098)" in text


def drawn(name: str, plain: bool, **values: Any) -> dict[str, Any]:
    return {"name": name, "values": values, "plain": plain}


def test_samples_stand_with_those_that_were_drawn_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samplers = {
        "before": None,
        "plain": drawn("Plain", True),
        "tokens": drawn("Tokens", True, temperature=1.0),
        "typical": drawn("Truncated", False, psi=0.7),
        "alike": drawn("Truncated", False, psi=0.7),
        "more_typical": drawn("Truncated", False, psi=0.3),
    }
    for seed, (name, sampler) in enumerate(samplers.items()):
        stated = {} if sampler is None else {"sampler": sampler}
        config = {"sampler": {"_target_": name}}
        make(tmp_path / name, evaluation(1.0, **stated), seed=seed, config=config if sampler else {})
    found, left_out = tables(tmp_path)
    assert not left_out
    together = [sorted(run.directory.name for run in table.runs) for table in found]
    assert sorted(together) == [["alike", "typical"], ["before", "plain", "tokens"], ["more_typical"]]
    assert [len(table.rows) for table in found] == [1, 1, 1]  # how samples are drawn changes no training
    unmarked, _ = tables(tmp_path / "before")
    assert found[0].protocol_id == unmarked[0].protocol_id  # as it was before samplers were recorded
    show(tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert "Samples are drawn by Truncated psi=0.7." in text and "Samples are drawn by Truncated psi=0.3." in text
    assert text.count("Samples are drawn by") == 2 and "differs in sampler.name" in text


def test_versions_and_devices_are_noted_but_do_not_separate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "a", evaluation(1.0))
    make(tmp_path / "b", evaluation(1.0, device="cuda", versions={"torch": "2.10.0"}), seed=1)
    for folder, device in (("a", "cpu"), ("b", "cuda:0")):
        (tmp_path / folder / "environment.json").write_text(json.dumps({"device": device}))
    show(tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert "different versions of torch: 2.9.0 (1), 2.10.0 (1)" in text
    assert "judged on different devices: cpu (1), cuda (1)" in text
    assert "cuda:0 (1)" in text


def test_likelihoods_of_unlike_things_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = protocol()["data"]
    for seed, (name, measure, binary) in enumerate(
        (("a", "probability", False), ("b", "probability", True), ("c", "density", False), ("d", "density", False))
    ):
        judged = evaluation(1.0, data=facts | {"content": {"binary": binary}})
        bound = score(90.0) | {"details": {"measure": measure}}
        judged["metrics"]["nll_bound"] = {"better": "lower", "floor": None, "candidates": {"ema": bound}}
        make(tmp_path / name, judged, name=name, seed=seed)
    show(tmp_path)
    text = " ".join(capsys.readouterr().out.split())
    assert "Note: nll_bound, and the ELBO with it, is of unlike things, which do not compare: " in text
    assert "probability (a); probability of black and white pixels (b); density (c, d)" in text


def test_runs_that_were_not_judged_have_a_table_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "a", evaluation(1.0))
    make(tmp_path / "b", {}, seed=1)
    found, _ = tables(tmp_path)
    assert [table.protocol_id == "unjudged" for table in found] == [False, True]
    assert found[1].columns == ["examples_per_second", "training_seconds", "trainable_parameters"]
    show(tmp_path)
    assert "not judged" in capsys.readouterr().out


def test_the_usual_columns(tmp_path: Path) -> None:
    judged = evaluation(1.0)
    judged["metrics"] |= {
        name: {"better": "higher", "floor": None, "candidates": {"ema": score(0.9)}}
        for name in ("fd_by_class_digits_cnn_v1", "diversity_digits_cnn_v1")
    }
    make(tmp_path / "a", judged, efficiency={"peak_memory_mb": 512.5})
    ((table,), _) = tables(tmp_path)
    assert table.columns == [
        FD, TIMES_FLOOR, KD, "precision_digits_cnn_v1", "train_distance_digits_cnn_v1", "fd_by_class_digits_cnn_v1",
        "examples_per_second", "training_seconds", "peak_memory_mb", "trainable_parameters",
    ]  # fmt: skip


def test_columns_are_chosen_by_short_or_full_name(tmp_path: Path) -> None:
    make(tmp_path / "a", evaluation(1.0))
    ((table,), _) = tables(tmp_path, columns=["precision", KD, "times_floor", "training_seconds"])
    assert table.columns == ["precision_digits_cnn_v1", KD, TIMES_FLOOR, "training_seconds"]
    with pytest.raises(ConfigError, match="columns: no run states precison; did you mean precision"):
        tables(tmp_path, columns=["precison"])
    with pytest.raises(ConfigError, match="sort: no run states xyz; there is fd_digits_cnn_v1"):
        tables(tmp_path, sort="xyz")


def test_short_names_mean_the_headline_s_extractor(tmp_path: Path) -> None:
    judged = evaluation(1.0)
    judged["metrics"] = {
        **{name: judged["metrics"][KD] for name in ("fd_mine", "precision_mine")},
        **judged["metrics"],
        "fid": judged["metrics"][FD],
    }
    judged["protocol"]["extractors"] |= {
        name: {"name": name, "weights_sha256": "0" * 64} for name in ("mine", "inception")
    }
    make(tmp_path / "a", judged)
    ((table,), _) = tables(tmp_path, columns=["fd", "precision", "fid"])
    assert table.columns == [FD, "precision_digits_cnn_v1", "fid"]


def test_rows_are_sorted_by_what_is_better(tmp_path: Path) -> None:
    for place, (fd, precision) in enumerate(((2.0, 0.2), (None, 0.5), (1.0, 0.1), (3.0, 0.9))):
        make(tmp_path / str(place), evaluation(fd, precision=precision), name=str(place), lr=place + 1.0)
    names = [row.label for row in tables(tmp_path)[0][0].rows]
    assert names == ["2", "0", "3", "1"]
    assert [row.label for row in tables(tmp_path, sort="precision")[0][0].rows] == ["3", "1", "0", "2"]


def test_rows_whose_intervals_overlap_that_of_the_best_share_its_rank(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intervals = {"a": (1.0, 0.9, 1.1), "b": (1.05, 1.0, 1.1), "c": (2.0, 1.0, 3.0), "d": (1.5, 1.4, 1.6),
                 "e": (3.0, 2.9, 3.1), "f": (1.55, 1.5, 1.6)}  # fmt: skip
    for place, (name, (value, *ends)) in enumerate(intervals.items()):
        with_floor(make(tmp_path / name, evaluation(value), name=name, lr=place + 1.0), ends, [0.04, 0.06])
    make(tmp_path / "none", evaluation(None), name="none", lr=9.0)
    ranks = {row.label: row.rank for row in tables(tmp_path)[0][0].rows}
    assert list(ranks.items()) == [("a", 1), ("b", 1), ("c", 1), ("d", 4), ("f", 4), ("e", 6), ("none", None)]
    # the floor's error is common to all rows, so by their ratios fewer can be told apart
    by_ratio = {row.label: row.rank for row in tables(tmp_path, sort="times_floor")[0][0].rows}
    assert (by_ratio["a"], by_ratio["d"], by_ratio["e"]) == (1, 1, 6)
    show(tmp_path, out=str(tmp_path / "out"))
    text = capsys.readouterr().out
    assert "share its rank" in text and "±0.10" in text
    assert "| 4 | f [5] |" in (tmp_path / "out/report.md").read_text()
    rows = csv.DictReader(io.StringIO((tmp_path / "out/report.csv").read_text()))
    assert {(row["name"], row["rank"]) for row in rows} >= {("c", "1"), ("f", "4"), ("none", "")}


def test_a_rank_by_what_is_higher_or_nearest_to_real_images(tmp_path: Path) -> None:
    for place, (low, high) in enumerate(((0.80, 0.90), (0.88, 0.96), (0.5, 0.6), (1.05, 1.15))):
        folder = make(tmp_path / str(place), evaluation(1.0), name=str(place), lr=place + 1.0)
        metrics = json.loads((folder / "metrics.json").read_text())
        for name in ("precision_digits_cnn_v1", "train_distance_digits_cnn_v1"):
            metrics["evaluation"]["metrics"][name]["candidates"]["ema"] |= {
                "value": (low + high) / 2, "interval": [low, high]
            }  # fmt: skip
        (folder / "metrics.json").write_text(json.dumps(metrics))

    def ranks(column: str) -> dict[str, int | None]:
        return {row.label: row.rank for row in tables(tmp_path, sort=column)[0][0].rows}

    assert ranks("precision") == {"3": 1, "1": 2, "0": 2, "2": 4}
    assert ranks("train_distance") == {"1": 1, "3": 1, "0": 1, "2": 4}  # 0.08, 0.10, 0.15 and 0.45 away from 1


def test_the_terminal_s_table_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = evaluation(1.0)
    for name in ("recall", "density", "coverage"):
        judged["metrics"][f"{name}_digits_cnn_v1"] = judged["metrics"]["precision_digits_cnn_v1"]
    for place in range(4):
        make(tmp_path / str(place), judged, seed=place % 2, lr=1e-4 if place < 2 else 1e-3,
             efficiency={"peak_memory_mb": 12_345.6})  # fmt: skip
    make(tmp_path / "undefined", evaluation(None), name="[bold]x", lr=1.0)
    show(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    text = "\n".join(lines)
    assert "…" not in text
    assert "undefined" in text
    assert "[bold]x" in text
    assert "real (floor)" in text


@pytest.mark.parametrize("width", [40, 80])
def test_no_column_is_lost_in_a_narrow_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    make(tmp_path / "a", evaluation(1.0), name="a" * 30, efficiency={"peak_memory_mb": 12_345.6})
    monkeypatch.setattr(terminal, "WIDTH", width)
    monkeypatch.setenv("COLUMNS", str(width))
    show(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    assert all(part in text for part in ("20.0", "0.100", "0.500", "1.20", "800", "12,346", "1.23M"))
    assert "…" not in text


# Files


def test_the_csv_file_reads_back(tmp_path: Path) -> None:
    for seed, value in enumerate((0.1, 0.2, 0.4)):
        memory = {"peak_memory_mb": 100.0} if seed else {}
        make(tmp_path / "runs" / str(seed), evaluation(value), seed=seed, efficiency=memory, name='a,"b"')
    make(tmp_path / "runs/none", evaluation(None), lr=1.0, name="none")
    show(tmp_path / "runs", out=str(tmp_path / "deep/out"))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "deep/out/report.csv").read_text())))
    found = {(row["name"], row["quantity"]): row for row in rows}
    fd = found['a,"b"', FD]
    assert float(fd["mean"]) == statistics.fmean((0.1, 0.2, 0.4))
    assert float(fd["half_width"]) == Estimate((0.1, 0.2, 0.4)).half_width
    assert (fd["n"], fd["weights"], fd["better"], float(fd["floor"]), fd["seeds"]) == (
        "3",
        "ema",
        "lower",
        0.05,
        "0 1 2",
    )
    assert fd["command"].endswith("seed=0,1,2")
    assert len(fd["runs"].split("; ")) == 3
    assert found['a,"b"', "peak_memory_mb"]["n"] == "2"
    assert found["none", FD]["mean"] == "nan"
    assert found["none", FD]["half_width"] == ""
    assert {path.name for path in (tmp_path / "deep/out").iterdir()} == {"report.csv", "report.md"}


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\t=1", "plain"])
def test_no_text_of_the_csv_file_is_a_formula(tmp_path: Path, name: str) -> None:
    make(tmp_path / "runs/a", evaluation(-0.5), name=name)
    show(tmp_path / "runs", out=str(tmp_path))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text())))
    assert {row["name"] for row in rows} == {name if name == "plain" else f"'{name}"}
    assert {row["mean"] for row in rows if row["quantity"] == FD} == {"-0.5"}


def test_the_markdown_file(tmp_path: Path) -> None:
    for seed in (0, 1):
        make(tmp_path / "runs" / str(seed), evaluation(1.0 + seed), seed=seed, name="a|b")
    make(tmp_path / "runs/failed", status="failed", why="no <b> here")
    show(tmp_path / "runs", out=str(tmp_path))
    text = (tmp_path / "report.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {rows[0].count("|")}
    assert "1.50 ± 6.35" in text
    assert "10,000 generated against 10,000 of the train split of mnist" in text
    assert "1. `genloom train -m optimizer.generator.lr=0.001 seed=0,1` made" in text
    assert "no \\<b\\> here" in text


def test_a_note_of_a_stranger_is_no_tag_in_markdown(tmp_path: Path) -> None:
    make(tmp_path / "runs/0", evaluation(1.0) | {"warnings": ["<script>alert(1)</script>"]}, name="<b>")
    show(tmp_path / "runs", out=str(tmp_path))
    text = (tmp_path / "report.md").read_text()
    assert "\\<script>" in text and not re.search(r"(?<!\\)<(?:script|b)", text.replace("`", ""))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    make(tmp_path / "runs/a", evaluation(1.0))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"out: .* cannot be written"):
        show(tmp_path / "runs", out=str(tmp_path / "file" / "below"))


# The command line


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs a command line in an empty folder; returns the exit code and the configurations that jobs got."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> tuple[int, list[DictConfig]]:
        seen: list[DictConfig] = []
        monkeypatch.setitem(sys.modules, "genloom.commands.report", SimpleNamespace(run=seen.append))  # pyright: ignore
        monkeypatch.setattr(sys, "argv", ["genloom", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert isinstance(caught.value.code, int)
        return caught.value.code, seen

    return run


def test_arguments_without_an_equals_sign_are_folders(start) -> None:
    code, (config,) = start("report", "runs/a", "out=docs", "runs/b")
    assert code == 0
    assert config == {"runs": ["runs/a", "runs/b"], "out": "docs", "weights": None, "columns": None, "sort": None}
    assert start("report")[1][0].runs == ["runs"]
    assert start("report", "runs=[a]")[1][0].runs == ["a"]


def test_odd_paths_arrive_as_they_are(start) -> None:
    paths = [
     "a b", "a,b", "it's", 'a"b', "a\\b", "a\\", "a\\'b", "${x}", "a\\${x}", "[x]", "{x: y}", "(", "ü €", "a:b", "null",
     "1", "a\nb", "$x", "#", "%s", "./lr=1", "/lr=1,2", "~/lr=1", "a~b", "*",
    ]  # fmt: skip
    code, (config,) = start("report", *paths)
    assert code == 0
    assert list(config.runs) == paths


def test_both_ways_at_once_are_refused(start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start("report", "a", "runs=[b]") == (2, [])
    assert capsys.readouterr().err.startswith("error: runs: a and runs=")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["train", "digits"], ["error: digits: an argument is written KEY=VALUE"]),
        (["report", "a", "weights=emma"], ["error: weights: ", "did you mean ema?"]),
        (["report", "a", "colums=[fd]"], ["error: colums: ", "did you mean columns?"]),
    ],
)
def test_mistakes(start, capsys: pytest.CaptureFixture[str], arguments: list[str], parts: list[str]) -> None:
    assert start(*arguments) == (2, [])
    text = capsys.readouterr().err
    assert all(part in text for part in parts)


def test_as_a_process(tmp_path: Path) -> None:
    """Neither torch nor lightning nor scipy is imported, whether it works or not."""
    make(tmp_path / "runs/a", evaluation(1.0))
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('HEAVY', [m for m in ('torch', 'pytorch_lightning', 'scipy', 'sklearn', 'numpy')"
        " if m in sys.modules]))\n"
        "from genloom.cli import main\n"
        "main('report')"
    )
    for folder, code in (("runs", 0), ("ru", 2)):
        line = [sys.executable, "-c", program, folder]
        process = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
        assert process.returncode == code, process.stderr
        assert "HEAVY []" in process.stdout
    assert process.stderr == "error: runs: the folder ru does not exist; did you mean runs?\n"


def test_the_part_that_somebody_chose_tells_runs_apart_before_what_came_with_it(tmp_path: Path) -> None:
    for network, size in (("NGram", 64), ("LSTM", 8)):
        config = {
            "model": {"network": {"_target_": f"networks.{network}"}},
            "data": {"name": "text", "batch_size": size},
        }
        folder = make(tmp_path / network, evaluation(1.0), name="text", config=config)
        (folder / "overrides.yaml").write_text(yaml.safe_dump([f"model=text/{network.lower()}"]))
    [table], _ = tables(tmp_path)
    assert sorted(row.label for row in table.rows) == ["text model.network=LSTM", "text model.network=NGram"]
