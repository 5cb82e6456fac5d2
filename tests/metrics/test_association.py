"""Associations of two columns, beside SciPy's and scikit-learn's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import contingency, pearsonr
from sklearn.linear_model import LinearRegression

import tables
from genloom.examples import Examples
from genloom.extractors.rows import EncodedRows
from genloom.judging.evidence import Evidence
from genloom.metrics.association import Association, associations


def expected(one, first, other, second) -> float:
    there = ~np.isnan(first) & ~np.isnan(second)
    first, second = first[there], second[there]
    if one.is_measured and other.is_measured:
        return float(pearsonr(first, second).statistic)  # pyright: ignore[reportAttributeAccessIssue]
    if not one.is_measured and not other.is_measured:
        table = contingency.crosstab(first, second).count
        return contingency.association(table, method="cramer", correction=False)
    categories, values = (first, second) if other.is_measured else (second, first)
    levels = (categories[:, None] == np.unique(categories)).astype(float)
    return np.sqrt(LinearRegression().fit(levels, values).score(levels, values))  # R² of the categories' means


def test_each_pair_s_association_is_the_reference_implementation_s(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    columns, stored = tables.content(rows).columns, rows.split("train").content
    matrix = associations(columns, stored)
    assert (matrix == matrix.T).all() and (np.diag(matrix) == 1).all()
    cells = stored.numpy()
    for a, one in enumerate(columns):
        for b, other in enumerate(columns):
            if a != b:
                reference = expected(one, cells[:, a], other, cells[:, b])
                assert matrix[a, b] == pytest.approx(reference, abs=1e-9), (one.name, other.name)
    names = [column.name for column in columns]
    strong = {("age", "income"), ("age", "city"), ("age", "smoker"), ("city", "smoker")}
    assert all(matrix[names.index(a), names.index(b)] > 0.2 for a, b in strong)


def test_what_is_constant_or_not_there_goes_with_nothing(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    columns, stored = tables.content(rows).columns, rows.split("train").content.clone()
    stored[:, 0], stored[:, 4], stored[:, 3] = 40.0, 1.0, torch.nan
    matrix = associations(columns, stored)
    for place in (0, 3, 4):
        assert np.delete(matrix[place], place).tolist() == [0.0] * 5


def test_the_mean_difference_and_the_worst_pair(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    content, train = tables.content(rows), rows.split("train").content
    shuffled = train.clone()
    shuffled[:, 1] = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0)), 1]
    evidence = Evidence(content, {"reference": Examples(train)}, {"samples": {"c": Examples(shuffled)}})
    extractor = EncodedRows()
    reference, candidate = evidence.real("reference", extractor), evidence.candidate("c", extractor)
    score = Association().compare(reference, candidate, evidence)["association"]
    real, ours = associations(content.columns, train), associations(content.columns, shuffled)
    assert score.value == pytest.approx(np.abs(real - ours).sum() / 30)
    assert score.details["pairs"] == 15
    worst = score.details["worst"]
    assert worst["columns"] == ["age", "income"]
    assert (worst["real"], worst["candidate"]) == (real[0, 1], ours[0, 1])
    assert Association().compare(reference, reference, evidence)["association"].value == 0
