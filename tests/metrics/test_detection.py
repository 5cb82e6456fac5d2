"""Real rows cannot be told from real rows, others can; the area is scikit-learn's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

import tables
from genloom.data.tables.rows import Rows
from genloom.examples import Examples
from genloom.extractors.rows import EncodedRows
from genloom.judging.evidence import Evidence
from genloom.judging.metric import Score
from genloom.metrics.detection import Detection


def scores(rows: Rows, candidate: torch.Tensor) -> dict[str, Score]:
    extractor = EncodedRows().for_data(rows)
    real = {"train": rows.split("train"), "reference": rows.split("train")}
    evidence = Evidence(tables.content(rows), real, {"samples": {"c": Examples(candidate)}})
    return Detection().compare(evidence.real("reference", extractor), evidence.candidate("c", extractor), evidence)


def test_real_rows_are_not_told_apart_and_loose_columns_are_by_trees_alone(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path, num=800)
    train = rows.split("train").content
    for score in scores(rows, rows.split("test").content).values():
        assert score.interval is not None and score.interval[0] < 0.5 < score.interval[1]

    rng = torch.Generator().manual_seed(0)
    apart = torch.stack([column[torch.randperm(len(train), generator=rng)] for column in train.unbind(1)], dim=1)
    found = scores(rows, apart)
    assert found["detection_trees"].value > 0.8 > 0.6 > found["detection_linear"].value

    shifted = train.clone()
    shifted[:, 0] += 30
    assert all(score.value > 0.7 for score in scores(rows, shifted).values())


def test_the_area_is_the_mean_of_scikit_learn_s_folds(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    train, test = rows.split("train").content, rows.split("test").content.clone()
    test[:, 1] *= 1.5
    encoded = tables.content(rows).neutral(train).encode(torch.cat([train, test])).numpy()
    is_candidate = np.arange(len(encoded)) >= len(train)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    expected = cross_val_score(
        LogisticRegression(max_iter=1000), encoded, is_candidate, cv=folds, scoring="roc_auc"
    ).mean()
    found = scores(rows, test)["detection_linear"]
    assert found.value == pytest.approx(expected, abs=1e-9)
    assert found.details == {"real": 280, "candidates": 80, "folds": 5}
