"""Golden values 3 of the metrics' design, and the shares of classes."""

from collections.abc import Callable

import pytest
import torch
from torchmetrics.image.inception import InceptionScore

from genloom.errors import ConfigError
from genloom.judging.evidence import Evidence, View
from genloom.metrics.classes import ClassBalance, ClassifierScore, classifier_score

ViewOf = Callable[..., View]
CERTAIN = 1000 * torch.eye(10)


def test_balanced_one_hot_scores_the_number_of_classes_and_constant_scores_one() -> None:
    assert classifier_score(CERTAIN.repeat(7, 1)) == pytest.approx(10)
    assert classifier_score(CERTAIN[:1].repeat(50, 1)) == pytest.approx(1)
    assert classifier_score(torch.zeros(50, 10)) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:.*will save all extracted features", "ignore:.*degrees of freedom")
def test_agrees_with_torchmetrics(view: ViewOf, nothing: Evidence) -> None:
    logits = 3 * torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    score = InceptionScore(feature=torch.nn.Identity(), splits=1)
    score.update(logits)
    assert classifier_score(logits) == pytest.approx(score.compute()[0].item(), rel=1e-5)

    seen = view(torch.zeros(100, 2), logits)
    parts = [classifier_score(part) for part in logits.split(10)]
    found = ClassifierScore(splits=10).compare(seen, seen, nothing)["classifier_score"]
    assert found.value == pytest.approx(sum(parts) / 10)


@pytest.mark.parametrize("splits", [1, 2, ClassifierScore.min_images])
def test_a_set_is_split_into_one_to_as_many_parts_as_it_has_images(
    view: ViewOf, nothing: Evidence, splits: int
) -> None:
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    seen = view(torch.zeros(40, 1), logits)
    parts = [classifier_score(logits[40 * i // splits : 40 * (i + 1) // splits]) for i in range(splits)]
    found = ClassifierScore(splits=splits).compare(seen, seen, nothing)["classifier_score"]
    assert found.value == pytest.approx(sum(parts) / splits, rel=1e-6)
    for wrong in (0, ClassifierScore.min_images + 1):
        with pytest.raises(ConfigError, match=rf"splits: {wrong} is not within 1 and 20"):
            ClassifierScore(splits=wrong)


def test_shares_are_relative_to_the_reference(view: ViewOf, nothing: Evidence) -> None:
    real = torch.tensor([0] * 40 + [1] * 40 + [2] * 20)  # classes 3 to 9 do not occur
    fake = torch.tensor([0] * 5 + [1] * 20 + [2] * 25)
    of = (view(torch.zeros(len(labels), 2), CERTAIN[labels]) for labels in (real, fake))
    scores = ClassBalance().compare(*of, nothing)
    assert scores["class_share_min"].value == pytest.approx(0.1 / 0.4)
    assert scores["class_share_max"].value == pytest.approx(0.5 / 0.2)
    assert scores["class_share_min"].details["class"] == "0"
    assert scores["class_share_max"].details["counts"] == {str(c): n for c, n in enumerate([5, 20, 25] + [0] * 7)}


def test_a_missing_class_is_a_share_of_zero(view: ViewOf, nothing: Evidence) -> None:
    real = view(torch.zeros(100, 2), CERTAIN.repeat(10, 1))
    fake = view(torch.zeros(90, 2), CERTAIN[:9].repeat(10, 1))
    scores = ClassBalance().compare(real, fake, nothing)
    assert (scores["class_share_min"].value, scores["class_share_min"].details["class"]) == (0, "9")
