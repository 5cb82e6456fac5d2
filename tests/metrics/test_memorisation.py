"""Copies are flagged, unseen pictures are not, and authenticity is what the paper's equation says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from genloom.data.images.base import Images
from genloom.data.images.digits import Digits
from genloom.extractors.digits import DigitsExtractor
from genloom.extractors.features import Pixels
from genloom.extractors.reference_cache import ReferenceCache
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Score
from genloom.metrics.memorisation import Memorisation, _ratio_of_medians


def scores(data: Digits, candidate: Images, folder: Path) -> dict[str, Score]:
    real = {"train": data.split("train"), "heldout": data.split("test")}
    evidence = Evidence(data.describe().content, real, {"samples": {"c": candidate}}, cache=ReferenceCache(folder))
    seen = evidence.candidate("c", DigitsExtractor())
    return Memorisation().compare(seen, seen, evidence)


def test_copies_are_flagged_and_unseen_images_are_not(digits: Digits, tmp_path: Path) -> None:
    train = digits.split("train")
    copied = scores(digits, train[:300], tmp_path)
    assert copied["train_distance"].value == copied["authenticity"].value == 0
    assert copied["authenticity"].details == {"identical_to_a_training_image": 300, "unauthentic": 300}

    unseen = scores(digits, digits.split("test"), tmp_path)
    assert unseen["train_distance"].value == 1
    assert unseen["authenticity"].value > 0.4

    half = Images(torch.cat([train.content[:200], digits.split("test").content[:200]]))
    mixed = scores(digits, half, tmp_path)["authenticity"]
    assert mixed.value < 0.6 * unseen["authenticity"].value
    assert mixed.details["identical_to_a_training_image"] >= 200


@pytest.mark.parametrize("kept", [0, 60_000])  # training images up to which all are compared with each other
def test_authenticity_agrees_with_its_definition(
    kept: int, digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genloom.metrics.memorisation._KEPT", kept)
    noise = torch.randint(0, 256, (100, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    pictures = (0.8 * digits.split("val").content[:100] + 0.2 * noise).byte()
    train, fake, unseen = (
        DigitsExtractor()(content).vectors.double().numpy()
        for content in (digits.split("train").content, pictures, digits.split("test").content)
    )
    to_train, among = cdist(fake, train), cdist(train, train)
    among[range(len(train)), range(len(train))] = float("inf")
    authentic = to_train.min(1) > among.min(1)[to_train.argmin(1)]
    ratio = np.median(to_train.min(1)) / np.median(cdist(unseen, train).min(1))

    found = scores(digits, Images(pictures), tmp_path)
    assert found["authenticity"].value == pytest.approx(authentic.mean())
    assert found["train_distance"].value == pytest.approx(ratio, rel=1e-5)


def test_where_unseen_images_are_copies_too_there_is_no_distance_to_compare_with(digits: Digits) -> None:
    train = digits.split("train")[:50]
    evidence = Evidence(digits.describe().content, {"train": train, "heldout": train}, {"samples": {"c": train}})
    seen = evidence.candidate("c", DigitsExtractor())
    assert np.isnan(Memorisation().compare(seen, seen, evidence)["train_distance"].value)


def test_neighbours_that_are_kept_are_those_among_the_training_images_at_hand(digits: Digits) -> None:
    train, heldout = digits.split("train"), digits.split("test")[:50]
    copies = train[:40]
    seen = View(copies, Pixels(8))
    found = []
    for bank in (train[:100], train[100:200]):
        evidence = Evidence(digits.describe().content, {"train": bank, "heldout": heldout}, {"samples": {"c": copies}})
        found.append(Memorisation().compare(seen, seen, evidence)["train_distance"])
    assert [each.details["identical_to_a_training_image"] for each in found] == [40, 0]
    assert found[0].value == 0 < found[1].value


def test_pixels_serve_where_no_extractor_does() -> None:
    assert Memorisation.serves_pixels
    large = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert Pixels(max_size=16)(large).vectors.shape == (4, 3 * 16 * 16)
    assert Pixels()(large[:, :, :20, :20]).vectors.equal(large[:, :, :20, :20].flatten(1) / 255)


@pytest.mark.parametrize(("num", "others"), [(88, 88), (301, 40)])
def test_the_interval_of_a_distance_is_the_bootstrap_s_and_covers(num: int, others: int) -> None:
    rng = np.random.default_rng(0)
    above, below = rng.gamma(3, 1, num), rng.gamma(3, 2, others)
    value, interval = _ratio_of_medians(torch.tensor(above).float(), torch.tensor(below).float())
    assert interval is not None and value == pytest.approx(np.median(above) / np.median(below))
    draws = [np.median(rng.choice(a, (4000, len(a))), axis=1) for a in (above, below)]
    assert interval == pytest.approx(np.quantile(draws[0] / draws[1], [0.025, 0.975]), rel=0.04)

    covered = 0
    for _ in range(200):
        tops, bottoms = (torch.tensor(rng.gamma(3, scale, size)) for scale, size in ((1, num), (1, others)))
        _, found = _ratio_of_medians(tops.float(), bottoms.float())
        assert found is not None
        covered += found[0] < 1 < found[1]
    assert 180 <= covered <= 198


def test_the_same_distances_have_no_interval() -> None:
    distances = torch.rand(50, generator=torch.Generator().manual_seed(0))
    assert _ratio_of_medians(distances, distances) == (1.0, None)
