"""How columns go together is drawn as it is."""

from functools import partial

import numpy as np
import pytest
import torch

import tables
from genloom import figures
from genloom.contents.image import ImageContent
from genloom.inspections.associations import Associations
from genloom.inspections.sample_grid import SampleGrid
from genloom.metrics.association import associations
from genloom.models.copula import GaussianCopula


def repeats(rows, *, shuffled):
    """Return a model whose samples are the training rows again, with the columns shuffled against each other or not."""
    model = GaussianCopula(rows.describe(), optimizer={"parameters": partial(torch.optim.SGD, lr=1.0)})
    model.rows, model.shuffled = rows.split("train").content, shuffled
    return model


@pytest.fixture
def drawn(monkeypatch):
    """Notes what is drawn, and lets a model repeat rows."""
    noted = {}

    def examples(model, num, *, seed):
        rows = model.rows[:num]
        if model.shuffled:
            rng = torch.Generator().manual_seed(0)
            rows = torch.stack([column[torch.randperm(len(rows), generator=rng)] for column in rows.T], dim=1)
        return model.spec.content.examples(rows)

    for module in ("associations", "sample_grid"):
        monkeypatch.setattr(f"genloom.inspections.{module}.draw_examples", examples)
    original = figures.associations
    monkeypatch.setattr(figures, "associations", lambda *given: noted.update(given=given) or original(*given))
    return noted


@pytest.mark.parametrize("shuffled", [False, True])
def test_matrices_and_the_strongest_pairs(tmp_path, drawn, shuffled):
    rows = tables.mixed(tmp_path)
    picture = Associations(num=200).picture(repeats(rows, shuffled=shuffled), lambda: rows)
    assert picture.pixels.shape[0] == 3 and picture.pixels.float().std() > 10
    names, real, ours, pairs = drawn["given"]
    train = rows.split("train").content[:200]
    np.testing.assert_allclose(real, associations(tables.content(rows).columns, train))
    assert names == tables.content(rows).names and np.array_equal(real, ours) is not shuffled
    assert len(pairs) == 4 and next(iter(pairs)) == ("age", "income")
    (x, y) = pairs["age", "income"]["real"]
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(real[names.index("age"), names.index("income")])
    for one, other in pairs:
        first, second = (pairs[one, other]["real"][side] for side in (0, 1))
        assert len(first) == len(second) <= 200 and not np.isnan([*first, *second]).any()
    if shuffled:
        assert abs(ours[0, 1]) < 0.3 < real[0, 1]


def test_rows_are_compared_in_the_same_panels(tmp_path, drawn, monkeypatch):
    rows = tables.mixed(tmp_path)
    sets = {}
    original = figures.marginals
    monkeypatch.setattr(figures, "marginals", lambda given, **rest: sets.update(given) or original(given, **rest))
    SampleGrid().picture(repeats(rows, shuffled=True), lambda: rows)
    assert list(sets) == ["real", "samples"]
    assert (
        sorted(sets["real"]["age"]) == sorted(sets["samples"]["age"]) and sets["real"].keys() == sets["samples"].keys()
    )


def test_pictures_have_none():
    assert Associations().why_not(ImageContent(1, 4, 4)) == "made for rows of tables, and the data holds pictures"
