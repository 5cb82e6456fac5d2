"""Distances of single columns, beside SciPy's and a count by hand."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from scipy.stats import ks_2samp

import tables
from genloom.examples import Examples
from genloom.extractors.rows import EncodedRows
from genloom.judging.evidence import Evidence
from genloom.metrics.marginals import Marginals, distance


def test_each_column_s_distance_is_the_reference_implementation_s(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    content = tables.content(rows)
    train, test = rows.split("train").content, rows.split("test").content.clone()
    test[:, 0] += 7  # ages
    test[:10, 3] = torch.nan  # more missing
    test[:40, 4] = 1.0
    found = {}
    for place, column in enumerate(content.columns):
        a, b = train[:, place], test[:, place]
        found[column.name] = distance(column, a, b)
        if column.is_measured:
            expected = ks_2samp(a.nan_to_num(torch.inf), b.nan_to_num(torch.inf))[0]
        else:
            shares = [Counter(cells.nan_to_num(-1.0).tolist()) for cells in (a, b)]
            levels = {*shares[0], *shares[1]}
            expected = sum(abs(shares[0][each] / len(a) - shares[1][each] / len(b)) for each in levels) / 2
        assert found[column.name] == pytest.approx(expected, abs=1e-12), column.name
    assert found["age"] > 0.05 and found["city"] > 0.1

    evidence = Evidence(content, {"reference": Examples(train)}, {"samples": {"c": Examples(test)}})
    extractor = EncodedRows()
    views = evidence.real("reference", extractor), evidence.candidate("c", extractor)
    score = Marginals().compare(*views, evidence)["marginals"]
    assert score.details["by_column"] == found
    assert score.value == pytest.approx(sum(found.values()) / 6)
    assert Marginals().compare(views[0], views[0], evidence)["marginals"].value == 0


def test_what_never_meets_is_one_apart_and_missing_cells_count(tmp_path: Path) -> None:
    columns = tables.content(tables.mixed(tmp_path)).columns
    here, there = torch.zeros(5, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    half = torch.tensor([0.0, torch.nan], dtype=torch.float64)
    for column in columns:
        assert distance(column, here, there) == 1
        assert distance(column, here, half) == 0.5
        assert distance(column, half, half) == 0
