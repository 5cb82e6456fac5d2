"""Rows are encoded alike whatever transform a run chose, by the training rows."""

from pathlib import Path

import pytest
import torch
from scipy.stats import norm, rankdata

import tables
from genloom.contents.transforms import Log, ModeSpecific
from genloom.data.images.digits import Digits
from genloom.extractors.rows import EncodedRows


def test_the_run_s_transform_decides_nothing(tmp_path: Path) -> None:
    seen = []
    for transform in (None, Log(), ModeSpecific()):
        rows = tables.mixed(tmp_path, transform=transform)
        extractor = EncodedRows().for_data(rows)
        seen.append((extractor(rows.split("test").content).vectors, extractor.weights_sha256))
    assert all(vectors.equal(seen[0][0]) and digest == seen[0][1] for vectors, digest in seen[1:])
    assert EncodedRows().weights_sha256 != seen[0][1]
    other = EncodedRows().for_data(tables.mixed(tmp_path, split_seed=1))
    assert other.weights_sha256 != seen[0][1]  # of other training rows


def test_numbers_are_normal_scores_and_categories_are_ones_and_zeros(tmp_path: Path) -> None:
    rows = tables.mixed(tmp_path, num=200)
    train = rows.split("train").content
    encoded = EncodedRows().for_data(rows)(train).vectors
    assert encoded.shape == (140, 1 + 1 + 1 + (1 + 2) + (3 + 1) + 2)
    expected = norm.ppf((rankdata(train[:, 1]) - 0.5) / len(train))
    assert encoded[:, 1].numpy() == pytest.approx(expected, abs=1e-5)
    assert set(encoded[:, 4:].flatten().tolist()) == {0.0, 1.0}
    assert encoded[:, 5].bool().equal(train[:, 3].isnan())  # there, missing
    assert encoded[:, 6:10].sum(1).eq(1).all() and encoded[:, 9].bool().equal(train[:, 4].isnan())
    beyond = train[:2].clone()
    beyond[:, 1] = torch.tensor([-1e9, 1e9])
    ends = EncodedRows().for_data(rows)(beyond).vectors[:, 1]
    assert ends.tolist() == pytest.approx([expected.min(), expected.max()], abs=1e-5)


def test_it_needs_rows_and_leaves_pictures_alone(digits: Digits) -> None:
    extractor = EncodedRows()
    assert extractor.for_data(digits) is extractor
    assert "made for rows of tables" in str(extractor.why_not(digits.describe().content))
    with pytest.raises(RuntimeError, match="for_data"):
        extractor(torch.zeros(2, 3, dtype=torch.float64))
