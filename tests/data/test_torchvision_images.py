import os
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision.datasets

from genloom.data.images.base import resize
from genloom.data.images.torchvision_sets import CIFAR10, MNIST, FashionMNIST, TorchvisionImages
from genloom.errors import DataError

ROOT = os.environ.get("GENLOOM_DATA")
needs_mnist = pytest.mark.skipif(
    not ROOT or not Path(ROOT, "MNIST", "raw").is_dir(), reason="GENLOOM_DATA names no folder with MNIST/raw"
)
DATA_SETS = {"mnist": MNIST, "fashion_mnist": FashionMNIST, "cifar10": CIFAR10}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces torchvision's downloads by a failure, and counts them."""
    attempts: list[str] = []

    def refuse(data_set: object) -> None:
        attempts.append(type(data_set).__name__)
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", refuse)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", refuse)
    return attempts


@pytest.mark.parametrize(("name", "kind"), DATA_SETS.items())
def test_missing_data_says_where_it_looked(
    name: str, kind: type[TorchvisionImages], tmp_path: Path, offline: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        kind(name=name, root=tmp_path / "nothing").prepare_data()
    message = str(caught.value)
    for part in (name, str(tmp_path / "nothing"), "no route to host", "data.root", "GENLOOM_DATA", "data=digits"):
        assert part in message
    assert offline == [kind.__name__]


@pytest.mark.parametrize(("name", "kind"), DATA_SETS.items())
def test_downloading_can_be_switched_off(
    name: str, kind: type[TorchvisionImages], tmp_path: Path, offline: list[str]
) -> None:
    with pytest.raises(DataError, match=r"data=digits needs no download"):
        kind(name=name, root=tmp_path / "nothing", download=False).describe()
    assert offline == []
    assert not (tmp_path / "nothing").exists()


def test_unwritable_root_is_an_error(tmp_path: Path, offline: list[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"mnist is not in .*file"):
        MNIST(name="mnist", root=tmp_path / "file" / "below").prepare_data()
    assert offline == []


@needs_mnist
def test_mnist_is_split_into_train_val_and_test(offline: list[str]) -> None:
    data = MNIST(name="mnist", root=ROOT)
    stored = torchvision.datasets.MNIST(ROOT, train=True)
    train, val, test = (data.split(split) for split in ("train", "val", "test"))
    assert torch.equal(torch.cat([train.content, val.content]).squeeze(1), stored.data)
    assert torch.equal(torch.cat([train.labels, val.labels]), stored.targets)
    assert (len(train), len(val), len(test)) == (55_000, 5_000, 10_000)
    assert torch.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.cat([train.content, val.content]).float().mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    spec = data.describe()
    assert spec.content.shape == (1, 28, 28)
    assert spec.labels.classes == tuple("0123456789")
    assert offline == []


@needs_mnist
def test_mnist_is_resized_and_held_out_as_asked(offline: list[str]) -> None:
    data = MNIST(name="mnist", root=ROOT, size=8, num_val=100)
    assert data.describe().content.shape == (1, 8, 8)
    assert len(data.split("train")) == 59_900
    assert len(data.split("val")) == 100
    one, other = (MNIST(name="mnist", root=ROOT, num_val=num).fingerprint for num in (100, 200))
    assert one != other


def test_resize_keeps_constants_and_identity() -> None:
    images = torch.arange(256, dtype=torch.uint8)[:, None, None, None].expand(256, 1, 7, 7).contiguous()
    assert torch.equal(resize(images, 12), images[:, :, :1, :1].expand(256, 1, 12, 12))
    assert resize(images, 7) is images
    assert resize(images, None) is images


def test_resize_is_antialiased_and_treats_images_alone() -> None:
    board = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).mul(255).to(torch.uint8)
    assert (resize(board[None, None], 8).int() - 127).abs().max() <= 2
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1003, 3, 6, 6), generator=rng, dtype=torch.uint8)
    assert torch.equal(resize(images, 9)[1000:], resize(images[1000:], 9))
