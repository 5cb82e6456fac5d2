"""What a card says of an extractor, of a network whose accuracy is known because the labels are its own answers."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from genloom.data.base import Split
from genloom.data.images.base import ImageData, Images
from genloom.extractors.card import Card
from genloom.extractors.cnn import StridedCNN
from genloom.extractors.damage import rungs, unseen
from genloom.metrics import calibration
from genloom.metrics.calibration import calibrate

CARD = Card(
    name="mine",
    classes=("a", "b"),
    channels=1,
    size=6,
    widths=(4,),
    num_features=3,
    data={"name": "own", "fingerprint": "a"},
    training={},
    accuracy={},
    floor={},
    ladder={},
    warnings=("it is new",),
    genloom="0",
)


def pixels(num: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(num)
    return torch.randint(0, 256, (num, 1, 6, 6), dtype=torch.uint8, generator=rng)


@pytest.fixture(scope="module")
def network() -> StridedCNN:
    """Answers either class about equally often."""
    torch.manual_seed(0)
    built = StridedCNN(1, 6, (4,), 3, 2).eval().requires_grad_(False)
    margin = built(pixels(1000))[1].diff(dim=1).median()
    built.classify[1].bias -= torch.tensor([0.0, margin.item()])
    return built


def known(network: StridedCNN, right: float, num_test: int = 80) -> ImageData:
    """Pictures to which the network gives each answer equally often, and labels of which it gets some right."""
    nums, shares = {"train": 100, "val": 40, "test": num_test}, {"train": 0.9, "val": 0.8, "test": right}

    class Known(ImageData):
        classes = CARD.classes

        def read(self, split: Split) -> Images:
            half, content = nums[split] // 2, pixels(4 * nums[split])
            answers = network(content)[1].argmax(1)
            wrong = torch.arange(half) >= round(shares[split] * half)
            labels = torch.cat([wrong.long(), 1 - wrong.long()])
            return Images(torch.cat([content[answers == answer][:half] for answer in (0, 1)]), {"label": labels})

    return Known(name="known")


@pytest.mark.parametrize(
    ("num", "share", "warned"),
    [
        (80, 0.65, True),  # 0.5 + 3 √(0.25 / 80) = 0.668
        (80, 0.7, False),
        (1200, 0.545, True),  # 0.5 + 0.1 · 0.5; three standard errors are 0.043
        (1200, 0.55, False),
    ],
)
def test_an_accuracy_is_above_chance_by_three_standard_errors_and_a_tenth_of_what_is_left(network, num, share, warned):
    card = calibrate(network, CARD, known(network, share, num), 80)
    assert card.accuracy == pytest.approx({"train": 0.9, "val": 0.8, "test": share, "chance": 0.5})
    assert card.warnings[0] == "it is new"
    assert any(f"{share:.1%}, is barely above the 50.0% of chance" in warning for warning in card.warnings) == warned


def test_chance_is_the_share_of_the_most_frequent_class(network):
    class Rare(ImageData):
        classes = CARD.classes

        def read(self, split: Split) -> Images:
            return Images(pixels(60), {"label": (torch.arange(60) < 54).long()})

    assert calibrate(network, CARD, Rare(name="rare"), 60).accuracy["chance"] == pytest.approx(0.9)


def test_the_floor_is_the_distance_of_real_images_by_scipy_and_the_definition(network):
    data = known(network, 0.9)
    card = calibrate(network, CARD, data, 1000)
    x, y = (network(data.split(split).content)[0].double().numpy() for split in ("train", "test"))
    covariances = [np.cov(each, rowvar=False) for each in (x, y)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    fd = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    within = [((each @ each.T / 3 + 1) ** 3)[~np.eye(len(each), dtype=bool)].mean() for each in (x, y)]
    kd = sum(within) - 2 * ((x @ y.T / 3 + 1) ** 3).mean()
    assert card.floor["fd"] == card.ladder["real"]["fd"] == pytest.approx(fd, rel=1e-3)
    assert card.floor["kd"] == card.ladder["real"]["kd"] == pytest.approx(kd, abs=1e-6)
    assert (card.floor["n_reference"], card.floor["n_heldout"]) == (100, 80)
    assert [card.ladder[rung]["num"] for rung in ("real", "class_dropped", "uniform_noise")] == [80, 40, 80]
    half_widths = [rung[name] for rung in card.ladder.values() for name in ("fd_half_width", "kd_half_width")]
    assert all(half > 0 for half in half_widths)


def test_a_rung_of_fewer_than_twenty_images_is_left_out(network):
    card = calibrate(network, CARD, known(network, 0.8, 40), 1000)
    assert card.ladder["class_dropped"]["num"] == 20
    card = calibrate(network, CARD, known(network, 0.8, 38), 1000)
    assert "class_dropped" not in card.ladder and card.ladder["real"]["num"] == 38


def test_what_it_is_blind_to_is_said(network):
    card = calibrate(network, CARD, known(network, 0.9), 80)
    blind = unseen({rung: found["fd"] for rung, found in card.ladder.items()})
    assert blind
    assert any(f"does not rise with the damage of {', '.join(blind)}: it" in warning for warning in card.warnings)


def test_a_card_is_the_same_whatever_was_drawn_before(network):
    cards = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        cards.append(calibrate(network, CARD, known(network, 0.9), 80))
    assert cards[0] == cards[1]


@pytest.mark.parametrize(("height", "width", "damaged"), [(12, 6, 6), (6, 12, 6), (7, 7, 6), (5, 5, 5)])
def test_larger_pictures_are_damaged_at_the_size_of_the_network(network, monkeypatch, height, width, damaged):
    class Sized(ImageData):
        classes = CARD.classes

        def read(self, split: Split) -> Images:
            rng = torch.Generator().manual_seed(0)
            content = torch.randint(0, 256, (50, 1, height, width), dtype=torch.uint8, generator=rng)
            return Images(content, {"label": torch.arange(50) % 2})

    shapes = []
    monkeypatch.setattr(
        calibration, "rungs", lambda *images: shapes.extend(each.content.shape[1:] for each in images) or rungs(*images)
    )
    calibrate(network, CARD, Sized(name="sized"), 50)
    assert shapes == [(1, damaged, damaged)] * 2
