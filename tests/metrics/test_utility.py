"""Train on synthetic, test on real: scikit-learn's scores, the floor of the training rows, targets of every kind."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score, roc_auc_score

import tables
from genloom.contents.table import TableContent
from genloom.data.tables.embedded import EmbeddedRows
from genloom.data.tables.rows import Rows
from genloom.examples import Examples
from genloom.extractors.rows import EncodedRows
from genloom.judging.candidate import Candidate
from genloom.judging.evidence import Evidence
from genloom.judging.judge import Judge
from genloom.judging.metric import Score
from genloom.metrics.learners import Linear, Trees
from genloom.metrics.utility import TrainOnSynthetic, explained, mean_area


def scores(rows: Rows, candidate: torch.Tensor) -> dict[str, Score]:
    extractor = EncodedRows().for_data(rows)
    real = {"train": rows.split("train"), "heldout": rows.split("test"), "reference": rows.split("train")}
    evidence = Evidence(tables.content(rows), real, {"substitutes": {"c": Examples(candidate)}})
    assert TrainOnSynthetic().why_not(extractor, evidence) is None
    return TrainOnSynthetic().compare(
        evidence.real("heldout", extractor), evidence.candidate("c", extractor, "substitutes"), evidence
    )


@pytest.mark.parametrize("target", ["age", "smoker", "city", "visit", "bmi"])
def test_targets_of_every_kind_are_predicted_as_scikit_learn_does(tmp_path: Path, target: str) -> None:
    rows = tables.mixed(tmp_path, target=target)
    content, train, test = tables.content(rows), rows.split("train").content, rows.split("test").content
    found = scores(rows, train)
    place = content.names.index(target)
    column = content.columns[place]
    others = [each for each in range(6) if each != place]
    told = TableContent(tuple(content.columns[each] for each in others)).neutral(train[:, others])
    a, b = (part[~part[:, place].isnan()] for part in (train, test))
    for learner in (Linear(told), Trees(told)):
        xs = learner.features(a[:, others]), learner.features(b[:, others])
        if column.is_measured:
            expected = r2_score(b[:, place], learner.regressor().fit(xs[0], a[:, place]).predict(xs[1]))
        else:
            shares = learner.classifier().fit(xs[0], a[:, place]).predict_proba(xs[1])
            binary = shares.shape[1] == 2
            expected = roc_auc_score(b[:, place], shares[:, 1] if binary else shares, multi_class="ovr")
        score = found[f"tstr_{learner.name}"]
        assert score.value == pytest.approx(expected, abs=1e-9)
        assert score.interval is not None and score.interval[0] < score.value < score.interval[1]
        assert score.details["trained_on"] == len(a) and score.details["tested_on"] == len(b)


def test_rows_without_what_ties_the_columns_teach_nothing(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path, target="age")
    train = rows.split("train").content
    rng = torch.Generator().manual_seed(0)
    apart = torch.stack([column[torch.randperm(len(train), generator=rng)] for column in train.unbind(1)], dim=1)
    real, none = scores(rows, train), scores(rows, apart)
    for name, score in none.items():
        assert real[name].value > 0.4 and score.value < 0.1


@pytest.mark.parametrize(("classes", "expected"), [([0], 0.5), ([0, 2], None)])
def test_classes_that_samples_lack_are_told_by_chance(classes: list[int], expected: float | None) -> None:
    rows = EmbeddedRows(name="iris", table="iris", target="target")
    train, test = rows.split("train").content, rows.split("test").content
    found = scores(rows, train[torch.isin(train[:, -1], torch.tensor(classes).double())])
    assert set(test[:, -1].tolist()) == {0, 1, 2}
    for score in found.values():
        if expected is None:
            assert 0.6 < score.value < 1  # the middle class gets no opinion
        else:
            assert score.value == expected


def test_a_score_of_rows_that_count_several_times_is_scikit_learn_s() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, (4, 60)).astype(float)
    wanted, found = rng.normal(size=60), rng.normal(size=60)
    for each, own in zip(explained(wanted, found)(weights), weights, strict=True):
        assert each == pytest.approx(r2_score(wanted, found, sample_weight=own))
    classes, shares = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
    for each, own in zip(mean_area(classes, shares)(weights), weights, strict=True):
        assert each == pytest.approx(roc_auc_score(classes, shares, sample_weight=own, multi_class="ovr"))


def test_why_it_does_not_apply(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    real = {role: rows.split("train") for role in ("train", "heldout", "reference")}
    for columns, target, reason in (
        (tables.content(rows).columns, None, "data.target=COLUMN"),
        (tables.content(rows).columns[:1], "age", "no column but the target"),
    ):
        evidence = Evidence(TableContent(columns, target=target), real, {})
        assert reason in str(TrainOnSynthetic().why_not(EncodedRows(), evidence))


def test_substitutes_are_as_many_as_the_reference_which_gives_the_floor(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path, target="smoker")
    train = rows.split("train").content
    asked: list[int] = []

    def draw(num: int) -> Examples:
        asked.append(num)
        return Examples(train[:num])

    judge = Judge({"rows": EncodedRows()}, {"utility": TrainOnSynthetic()}, cache_dir=tmp_path / "cache")
    verdict = judge.judge(rows, {"s": Candidate.of_samples(draw)})
    assert asked == [280]  # samples that no comparison asks for are not drawn
    assert verdict.protocol.n_substitutes == verdict.to_dict()["protocol"]["n_substitutes"] == 280
    assert [row.metric for row in verdict.rows] == ["tstr_linear_rows", "tstr_trees_rows"]
    assert verdict.headline == "tstr_linear_rows"
    expected = scores(rows, train)
    for row in verdict.rows:
        assert row.floor is not None
        assert row.floor.value == pytest.approx(expected[row.metric.removesuffix("_rows")].value, abs=0.02)
        assert row.scores["s"].value == pytest.approx(row.floor.value, abs=0.02)  # the same rows, in another order
        assert row.floor.details["trained_on"] == 280 and row.floor.details["tested_on"] == 80

    few = judge.judge(rows, {"s": Candidate.of_samples(lambda num: Examples(train[:100]))})
    assert few.rows[0].scores["s"].details["trained_on"] == 100
    assert any("100 samples were there to take the reference's place" in each for each in few.warnings)

    asked.clear()
    quick = judge.judge(rows, {"s": Candidate.of_samples(draw)}, heldout_split=None)
    assert not quick.rows and asked == []
