import pytest
import torch

from genloom.contents.image import ImageContent
from genloom.contents.vector import VectorContent
from genloom.data.images.digits import Digits
from genloom.data.images.stacked import Stacked
from genloom.data.ring import Ring, centres
from genloom.errors import DataError
from genloom.metrics.modes import RingExtractor, StackedDigitsExtractor
from genloom.spec import Spec


@pytest.fixture(scope="module")
def stacked(digits: Digits) -> Stacked:
    return Stacked(name="stacked", source=digits, num=600, size=32, domain="stacked_handwritten_digits")


def test_stacked_digits_carry_their_number(stacked: Stacked, digits: Digits) -> None:
    images, single = stacked.split("train"), digits.split("train")
    assert images.content.shape == (600, 3, 32, 32)
    assert len(stacked.classes) == 1000
    pairs = zip(single.content, single.labels, strict=True)
    by_pixels = {image.numpy().tobytes(): int(label) for image, label in pairs}
    for image, label in zip(images.content[:50], images.labels[:50], strict=True):
        a, b, c = (by_pixels[channel.contiguous().numpy().tobytes()] for channel in image)
        assert stacked.classes[label] == f"{a}{b}{c}"
    assert torch.equal(images.content, stacked.read("train").content)


def test_splits_of_stacked_digits_share_no_digit(stacked: Stacked) -> None:
    channels = [
        {channel.contiguous().numpy().tobytes() for image in stacked.split(split).content for channel in image}
        for split in ("train", "test")
    ]
    assert not channels[0] & channels[1]


def test_the_extractor_reads_the_numbers(stacked: Stacked) -> None:
    extractor = StackedDigitsExtractor()
    assert extractor.why_not(stacked.describe().content) is None
    assert extractor.why_not(ImageContent(3, 32, 32)) is not None
    seen = extractor(stacked.split("test").content)
    assert seen.vectors.shape == (120, 192)
    assert (seen.logits.argmax(1) == stacked.split("test").labels).double().mean() > 0.85


def test_colour_sources_are_refused(colours) -> None:
    with pytest.raises(DataError, match=r"data.source: colours is not grey and labelled"):
        Stacked(name="stacked", source=colours).split("train")


def test_ring_points_lie_around_their_modes() -> None:
    data = Ring(name="ring", num=8000, domain="ring")
    points = data.split("train")
    assert data.describe().content == VectorContent(2, "ring")
    distance = (points.content - centres()[points.labels]).square().sum(1).mean()
    assert distance.item() == pytest.approx(2 * 0.02**2, rel=0.05)
    assert data.describe().labels.counts == (1000,) * 8
    seen = RingExtractor()(points.content)
    assert torch.equal(seen.logits.argmax(1), points.labels)


def test_a_spec_of_vectors_survives_the_checkpoint() -> None:
    spec = Ring(name="ring", num=100, domain="ring").describe()
    assert Spec.from_dict(spec.to_dict()) == spec


def test_only_the_ring_has_the_ring_s_modes() -> None:
    extractor = RingExtractor()
    assert extractor.why_not(VectorContent(2, "ring")) is None
    assert extractor.why_not(VectorContent(2)) == "made for data=ring"
