"""Tables through the commands: a model that completes is asked for cells, and fills gaps."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

Command = Callable[..., tuple[int, str, str]]


def test_a_vae_writes_rows_that_it_reconstructs(run: Command, tmp_path: Path) -> None:
    few = ["logger=none", "callbacks=none", "progress_bar=false", "metrics=none", "trainer.max_steps=1"]
    code, _, err = run("train", "data=wine", "model=table/vae", *few, "run.dir=run")
    assert code == 0, err
    code, out, err = run("reconstruct", "checkpoint=run", "num=5", "out=ours")
    assert code == 0, err
    assert "reconstructions.csv (5 rows of 14 columns)" in out
    assert pl.read_csv(tmp_path / "ours" / "reconstructions.csv").shape == (5, 14)
    code, _, err = run("reconstruct", "checkpoint=run", "num=5", "out=ours", "format=png")
    assert code == 2 and "format: rows of tables are not written as png; set it to csv or parquet" in err


def test_cells_are_asked_for_and_gaps_filled_by_a_checkpoint(run: Command, tmp_path: Path) -> None:
    few = ["logger=none", "callbacks=none", "progress_bar=false", "metrics=none", "trainer.max_steps=2"]
    code, _, err = run("train", "data=iris", "model=table/transformer", *few, "run.dir=run")
    assert code == 0, err
    given = "given.petal_width__cm_=[0.3,1.2]"
    code, _, err = run("sample", "checkpoint=run", "num=4", given, "out=asked", "format=parquet")
    assert code == 0, err
    asked = pl.read_parquet(tmp_path / "asked" / "samples.parquet")
    assert not (tmp_path / "asked" / "samples.csv").exists()
    assert asked["petal width (cm)"].to_list() == [0.3, 1.2, 0.3, 1.2]
    code, _, err = run("sample", "checkpoint=run", "num=4", "given.petal=1", "out=other")
    assert code == 2 and "it can be given sepal_length__cm_" in err
    gaps = asked.with_columns(pl.when(pl.int_range(4) > 1).then(pl.col("petal length (cm)")).alias("petal length (cm)"))
    gaps.write_csv(tmp_path / "gaps.csv")
    code, out, err = run("impute", "checkpoint=run", "data.path=gaps.csv", "imputations=2", "out=full.csv")
    assert code == 0, err
    assert "2 cells filled in 2 of 4 rows" in out and "petal length (cm): 2" in out
    one, two = (pl.read_csv(tmp_path / f"full-{number}.csv") for number in (1, 2))
    for full in (one, two):
        assert full.columns == asked.columns and full.null_count().sum_horizontal().item() == 0
        assert full.drop("petal length (cm)").equals(asked.drop("petal length (cm)"))
        assert full[2:].equals(asked[2:])
    assert not one.equals(two)
    code, _, err = run("impute", "checkpoint=run", "data.path=gaps.csv", "imputations=2", "fill=mean")
    assert code == 2 and "set it to 1, or fill=draw" in err
    code, out, err = run("impute", "checkpoint=run", "data.path=gaps.csv", "fill=mean", "draws=3", "out=mean.csv")
    assert code == 0 and pl.read_csv(tmp_path / "mean.csv").null_count().sum_horizontal().item() == 0, err
