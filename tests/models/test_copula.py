"""The Gaussian copula finds what rows were made of, and draws such rows."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pytorch_lightning import Trainer
from scipy import stats

from genloom.contents.partial import Partial
from genloom.data.tables.rows import Rows
from genloom.errors import ConfigError
from genloom.models.copula import GaussianCopula
from genloom.models.generation import complete_examples, draw_examples
from genloom.spec import Spec

CORRELATION = np.array([[1.0, 0.8, -0.5, 0.3], [0.8, 1.0, -0.2, 0.0], [-0.5, -0.2, 1.0, 0.0], [0.3, 0.0, 0.0, 1.0]])
SHARES = {"a": 0.2, "b": 0.5, "c": 0.3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, GaussianCopula]:
    """Rows of which the columns are made of correlated normal numbers, and the copula of them."""
    normal = np.random.default_rng(0).multivariate_normal(np.zeros(4), CORRELATION, size=6000)
    level = stats.norm.cdf(normal)
    income = np.round(np.exp(2 + normal[:, 0]), 2)
    frame = pl.DataFrame(
        {
            "income": pl.Series(income).set(pl.Series(level[:, 3] > 0.9), None),
            "group": np.array(list(SHARES))[np.searchsorted(np.cumsum(list(SHARES.values()))[:2], level[:, 1])],
            "children": np.floor(5 * level[:, 2] ** 2).astype(int),
        }
    )
    path: Path = tmp_path_factory.mktemp("copula") / "rows.csv"
    frame.write_csv(path)
    data = Rows(name="rows", path=path)
    model = GaussianCopula(data.describe(), optimizer={"parameters": partial(torch.optim.SGD, lr=1.0)})
    quiet: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    Trainer(max_steps=1, logger=False, accelerator="cpu", log_every_n_steps=1, **quiet).fit(model, data)
    return data, model.eval()


def test_columns_that_would_be_given_are_refused_before_training(trained):
    spec = trained[0].describe()
    with pytest.raises(ConfigError, match=r"data\.given: group would be told .* set data\.given=\[\]"):
        GaussianCopula(Spec("rows", spec.content, {"group": spec.content}), optimizer={})


@pytest.mark.parametrize(("name", "text"), [("income", "30,40"), ("group", "a,b")])
def test_several_cells_in_one_text_are_a_list(trained, name, text):
    with pytest.raises(ConfigError, match=rf"given\.{name}.*; to ask for several set given\.{name}=\[{text}\]$"):
        draw_examples(trained[1], 2, seed=0, asked={name: [text]})
    assert len(draw_examples(trained[1], 2, seed=0, asked={name: text.split(",")}).content) == 2
    condition = trained[0].describe().content.columns[["income", "group"].index(name)]
    with pytest.raises(ConfigError, match=rf"; to ask for several set given\.{name}=\[{text}\]$"):
        replace(condition, missing=0.0).condition().asked([text], 2, f"given.{name}")


def test_it_finds_the_correlations_behind_numbers_thresholds_and_missing_cells(trained):
    factor = trained[1].scores.factor.detach()
    found = (factor @ factor.T).numpy()
    assert np.abs(found[:3, :3] - CORRELATION[:3, :3]).max() < 0.06
    assert np.abs(np.diagonal(found) - 1).max() < 1e-5


def test_drawn_rows_are_distributed_as_the_training_rows(trained):
    data, model = trained
    content, real = data.describe().content, data.split("train").content.numpy()
    drawn = draw_examples(model, 4000, seed=1)
    ours = drawn.content.numpy()
    for place, column in enumerate(content.columns):
        column.check(drawn.content[:, place], str)
        one, other = (each[:, place][~np.isnan(each[:, place])] for each in (ours, real))
        distance: Any = stats.ks_2samp(one, other)
        assert distance.statistic < 0.03, column.name
    assert np.isnan(ours[:, 0]).mean() == pytest.approx(np.isnan(real[:, 0]).mean(), abs=0.015)
    ranks: list[Any] = [stats.spearmanr(each[~np.isnan(each[:, 0])]) for each in (ours, real)]
    assert np.abs(ranks[0].statistic - ranks[1].statistic).max() < 0.06


def test_the_same_latent_is_the_same_row_and_what_lies_between_two_is_a_row(trained):
    data, model = trained
    latent = model.draw_latent(50, torch.Generator().manual_seed(0))
    rows = model.decode(latent).content
    assert torch.equal(rows, model.decode(latent).content)
    other = model.draw_latent(50, torch.Generator().manual_seed(1))
    between = data.describe().content.decode(model.decode(model.interpolate(latent, other, 0.5)).content)
    for place, column in enumerate(data.describe().content.columns):
        column.check(between[:, place], str)


def test_a_cell_is_drawn_given_the_others_of_its_row(trained):
    data, model = trained
    content, real = data.describe().content, data.split("train").content
    names = content.names
    income, group = names.index("income"), names.index("group")
    rows = draw_examples(model, 1000, seed=0, asked={"group": ["c"]}).content
    assert (rows[:, group] == content.columns[group].levels.index("c")).all()
    alike = real[real[:, group] == content.columns[group].levels.index("c")]
    shares = [each[:, income].isnan().double().mean().item() for each in (rows, alike)]
    assert shares[0] == pytest.approx(shares[1], abs=0.04)
    medians = [each[~each[:, income].isnan(), income].median().item() for each in (rows, alike)]
    assert medians[0] == pytest.approx(medians[1], rel=0.15)  # of all rows it is half as much
    at = draw_examples(model, 1000, seed=0, asked={"income": ["2.0"]}).content
    near = real[(real[:, income] - 2.0).abs() < 0.3]
    for place, column in enumerate(content.columns):
        column.check(at[:, place], str)
    shares = [torch.bincount(each[:, group].long(), minlength=3) / len(each) for each in (at, near)]
    assert (shares[0] - shares[1]).abs().max() < 0.08


def test_gaps_are_filled_with_cells_that_are_there(trained):
    data, model = trained
    rows = data.split("train").content[:300]
    filled = complete_examples(model, Partial(rows, ~rows.isnan(), gaps=False), seed=0).content
    assert not filled.isnan().any()
    assert torch.equal(filled[~rows.isnan()], rows[~rows.isnan()])
