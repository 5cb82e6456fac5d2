"""Series through the commands: trained, then forecast from a new table."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("output", ["point", "gaussian"])
def test_draws_are_written_by_a_model_that_has_them(run: Command, tmp_path: Path, output: str) -> None:
    table = pl.DataFrame({"time": np.arange(200), "load": np.sin(np.arange(200))})
    table.write_csv(tmp_path / "table.csv")
    recipe = ["model=series/nlinear", "data=series", "data.path=table.csv", "data.batch_size=8"]
    recipe += ["data.horizon=6", "trainer.max_steps=1"]
    few = ["logger=none", "callbacks=none", "progress_bar=false", "metrics=none", f"output@model.output={output}"]
    code, _, err = run("train", *recipe, *few, "run.dir=run")
    assert code == 0, err
    code, out, err = run("forecast", "checkpoint=run", "data.path=table.csv", "sampler.num_paths=3", "out=ahead.csv")
    if output == "point":
        assert code == 2 and "sampler.num_paths: 3" in err and "output@model.output=gaussian" in err
        code, out, err = run(
            "forecast", "checkpoint=run", "data.path=table.csv", "sampler.num_paths=0", "out=ahead.csv"
        )
        assert code == 0 and "no intervals" in out, err
        assert pl.read_csv(tmp_path / "ahead.csv").columns == ["time", "load"]
        code, out, err = run("forecast", "checkpoint=run", "data.path=table.csv", "out=ahead.png")
        assert code == 0 and "ahead.png.csv" in out, err  # and not the picture in its place
        assert pl.read_csv(tmp_path / "ahead.png.csv").columns == ["time", "load"]
    else:
        assert code == 0, err
        assert np.load(tmp_path / "ahead.npz")["paths"].shape == (3, 1, 6, 1)
        assert pl.read_csv(tmp_path / "ahead.csv")["time"].to_list() == list(range(200, 206))


def test_whole_futures_are_drawn_by_a_model_that_learns_them(run: Command, tmp_path: Path) -> None:
    pl.DataFrame({"time": np.arange(200), "load": np.sin(np.arange(200))}).write_csv(tmp_path / "table.csv")
    recipe = ["model=series/diffusion", "data=series", "data.path=table.csv", "data.horizon=6"]
    recipe += ["data.batch_size=8", "model.network.width=8", "trainer.max_steps=1", "sampler.num_paths=20"]
    few = ["logger=none", "callbacks=none", "progress_bar=false"]
    code, out, err = run("train", *recipe, *few, "run.dir=run")
    assert code == 0 and "coverage_80" in out and "genloom forecast checkpoint=" in out, err
    sampler = json.loads((tmp_path / "run" / "metrics.json").read_text())["evaluation"]["protocol"]["sampler"]
    assert (sampler["values"]["num_paths"], sampler["values"]["by"]["values"]["calls"]) == (20, 10)
    ahead = ("checkpoint=run", "data.path=table.csv", "sampler.num_paths=9", "sampler.by.steps=2")
    for out in ("a.csv", "b.csv"):
        code, _, err = run("forecast", *ahead, f"out={out}")
        assert code == 0, err
    first, again = (np.load(tmp_path / name)["paths"] for name in ("a.npz", "b.npz"))
    assert first.shape == (9, 1, 6, 1) and np.array_equal(first, again)
    table = pl.read_csv(tmp_path / "a.csv")
    assert table["time"].to_list() == list(range(200, 206))
    np.testing.assert_allclose(table["load"].to_numpy(), first.mean(0)[0, :, 0], rtol=1e-4, atol=1e-5)
    code, _, err = run("train", *recipe, *few, "sampler=paths", "prediction@model.prediction=velocity")
    assert code == 2 and "prediction@model.prediction=clean" in err and "Traceback" not in err
