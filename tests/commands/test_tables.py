"""Tables through the commands: a model that completes is asked for cells, and fills gaps."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

Command = Callable[..., tuple[int, str, str]]


def test_cells_are_asked_for_and_gaps_filled_by_a_checkpoint(run: Command, tmp_path: Path) -> None:
    few = ["logger=none", "callbacks=none", "progress_bar=false", "metrics=none", "trainer.max_steps=2"]
    code, _, err = run("train", "data=iris", "model=table/transformer", *few, "run.dir=run")
    assert code == 0, err
    code, _, err = run("sample", "checkpoint=run", "num=4", "given.petal_width__cm_=[0.3,1.2]", "out=asked")
    assert code == 0, err
    asked = pl.read_csv(tmp_path / "asked" / "samples.csv")
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
