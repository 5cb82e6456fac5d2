"""Rows that stand in the training rows, cell by cell, are counted."""

from pathlib import Path

import torch

import tables
from genloom.examples import Examples
from genloom.extractors.rows import EncodedRows
from genloom.judging.evidence import Evidence
from genloom.metrics.copies import ExactCopies
from genloom.metrics.memorisation import Memorisation


def test_copies_are_counted_with_their_missing_cells_and_near_ones_are_not(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    train, test = rows.split("train").content, rows.split("test").content
    near = train[:30].clone()
    near[:, 1] += 0.01
    missing = train[train.isnan().any(1)][:20]
    assert len(missing) == 20
    candidate = Examples(torch.cat([near, missing, test[:50]]))
    real = {"train": Examples(train), "heldout": Examples(test)}
    evidence = Evidence(tables.content(rows), real, {"samples": {"c": candidate}})
    extractor = EncodedRows().for_data(rows)
    view = evidence.candidate("c", extractor)
    score = ExactCopies().compare(evidence.real("train", extractor), view, evidence)["copies"]
    assert score.value == 20 / 100 and score.details == {"copies": 20, "of": 100}
    details = Memorisation().compare(view, view, evidence)["authenticity"].details
    assert details["identical_to_a_training_image"] == 20


def test_zeros_of_either_sign_are_equal(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path)
    zeros = torch.zeros(3, 6, dtype=torch.float64)
    evidence = Evidence(tables.content(rows), {"train": Examples(zeros)}, {"samples": {"c": Examples(-zeros)}})
    view = evidence.candidate("c", EncodedRows())
    assert ExactCopies().compare(view, view, evidence)["copies"].value == 1
