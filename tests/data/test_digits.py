import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from genloom.data.images.base import Images
from genloom.data.images.digits import Digits

SPLITS = {"train": 1097, "val": 200, "test": 500}


def build(size: int | None = 32) -> Digits:
    return Digits(name="digits", size=size, domain="handwritten_digits")


@pytest.mark.parametrize(("split", "num"), SPLITS.items())
def test_sizes(split: str, num: int) -> None:
    images = build().split(split)
    assert images.content.shape == (num, 1, 32, 32)
    assert images.content.dtype == torch.uint8
    assert images.labels is not None
    assert images.labels.shape == (num,)


def test_splits_hold_every_stored_image_once() -> None:
    digits = load_digits()
    data = build(8)
    images = [data.split(split) for split in SPLITS]
    found = [
        (label, image.tobytes())
        for part in images
        for label, image in zip(part.labels.tolist(), part.content.numpy(), strict=True)
    ]
    stored = np.floor(digits.images * 255 / 16 + 0.5).astype(np.uint8)
    assert sorted(found) == sorted(zip(digits.target.tolist(), (image.tobytes() for image in stored), strict=True))


def test_every_class_is_in_every_split() -> None:
    for split, num in SPLITS.items():
        counts = torch.bincount(build().split(split).labels, minlength=10)
        assert counts.min() >= 0.7 * num / 10


def test_the_split_does_not_depend_on_seed_or_size() -> None:
    other = Digits(name="digits", size=8, seed=5)
    assert torch.equal(other.split("val").labels, build().split("val").labels)


def test_description() -> None:
    spec = build().describe()
    assert spec.content.shape == (1, 32, 32)
    assert spec.content.domain == "handwritten_digits"
    assert spec.labels.classes == tuple("0123456789")
    assert build(None).describe().content.shape == (1, 8, 8)
    assert build(48).describe().content.shape == (1, 48, 48)


def test_resizing_keeps_the_mean() -> None:
    small, large = build(8).split("test").content.float(), build(32).split("test").content.float()
    assert (small.mean((1, 2, 3)) - large.mean((1, 2, 3))).abs().max() < 1.0


def test_fingerprint_tells_pixels_labels_and_order_apart() -> None:
    images = build(8).split("val")
    changed_pixel = images.content.clone()
    changed_pixel[3, 0, 4, 4] ^= 1
    changed_label = images.labels.clone()
    changed_label[3] = (changed_label[3] + 1) % 10
    swapped = torch.arange(len(images))
    swapped[:2] = torch.tensor([1, 0])
    others = [
        Images(changed_pixel, images.given),
        Images(images.content, {"label": changed_label}),
        Images(images.content),
        Images(images.content.transpose(2, 3), images.given),
        Images(images.content.reshape(-1, 1, 4, 16), images.given),
        images[swapped],
        images[:-1],
    ]
    fingerprints = {other.fingerprint for other in others} | {images.fingerprint}
    assert len(fingerprints) == len(others) + 1
    assert Images(images.content.clone(), {"label": images.labels.clone()}).fingerprint == images.fingerprint


def test_the_data_fingerprint_is_that_of_what_is_trained_on() -> None:
    assert build().fingerprint == build().fingerprint == build().split("train").fingerprint
    assert build(32).fingerprint != build(28).fingerprint
