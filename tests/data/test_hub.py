"""Images of what the package datasets reads; without it, what is said."""

import builtins
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genloom.data.images.hub import Hub
from genloom.data.images.mapped import StoredImages
from genloom.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = pytest.importorskip("datasets", reason="the extra hub is not installed")
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", tmp_path / "arrow")
    return found


def rows(num: int, seed: int) -> dict[str, list[Any]]:
    pixels = np.random.default_rng(seed).integers(0, 256, (num, 8, 8, 3), dtype=np.uint8)
    return {"img": [Image.fromarray(each) for each in pixels], "fine": [place % 3 for place in range(num)]}


@pytest.fixture
def table(datasets: Any) -> Callable[..., Any]:
    """Makes rows of pictures and labels."""

    def make(num: int, seed: int = 0, **more: Any) -> Any:
        plain = {name: column for name, (column, _) in more.items()}
        features = {"img": datasets.Image(), "fine": datasets.ClassLabel(names=["x", "y", "z"])}
        features |= {name: feature for name, (_, feature) in more.items()}
        return datasets.Dataset.from_dict({**rows(num, seed), **plain}, features=datasets.Features(features))

    return make


@pytest.fixture
def shards(table: Callable[..., Any], tmp_path: Path) -> Path:
    """Parquet: two shards to train on, one to test on."""
    place = tmp_path / "set" / "data"
    place.mkdir(parents=True)
    for name, num, seed in (
        ("train-00000-of-00002", 40, 0),
        ("train-00001-of-00002", 30, 1),
        ("test-00000-of-00001", 20, 2),
    ):
        table(num, seed).to_parquet(place / f"{name}.parquet")
    return place.parent


def read(path: Path | str, **options: Any) -> Hub:
    data = Hub(path=str(path), **{"storage": "disk", "val_fraction": 0.2, "test_fraction": 0.2, **options})
    data.describe()
    return data


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def known(*parts: tuple[int, int]) -> set[tuple[bytes, int]]:
    """The pixels and the label of each row that was made."""
    made = [rows(num, seed) for num, seed in parts]
    return {
        (np.asarray(image).transpose(2, 0, 1).tobytes(), label)
        for each in made
        for image, label in zip(each["img"], each["fine"], strict=True)
    }


def found(data: Hub, *splits: Any) -> set[tuple[bytes, int]]:
    return {
        (image.numpy().tobytes(), int(label))
        for split in splits
        for image, label in zip(data.split(split).content, data.split(split).given["label"], strict=True)
    }


@pytest.mark.parametrize("storage", ["memory", "disk"])
def test_parquet_shards(shards: Path, storage: str) -> None:
    data = read(shards, storage=storage)
    assert isinstance(data.split("train"), StoredImages) == (storage == "disk")
    assert data.classes == ("x", "y", "z")
    assert found(data, "train", "val") == known((40, 0), (30, 1))
    assert found(data, "test") == known((20, 2))
    assert len(data.whole_training_set()) == 70


def test_both_storages_are_alike_and_later_runs_find_the_pixels(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, memory = read(shards), read(shards, storage="memory")
    assert disk.fingerprint == memory.fingerprint
    monkeypatch.setattr("genloom.data.images.hub.decode", lambda *_: pytest.fail("decoded again"))
    assert read(shards).fingerprint == disk.fingerprint


def test_a_changed_shard_is_noticed(shards: Path, table: Callable[..., Any]) -> None:
    before = read(shards).fingerprint
    table(31, 5).to_parquet(shards / "data" / "train-00001-of-00002.parquet")
    assert read(shards).fingerprint != before


@pytest.mark.parametrize("form", ["one file", "saved", "saved splits", "folder"])
def test_other_forms(form: str, table: Callable[..., Any], datasets: Any, tmp_path: Path) -> None:
    place = tmp_path / "it"
    if form == "one file":
        place = tmp_path / "it.parquet"
        table(60).to_parquet(place)
    elif form == "saved":
        table(60).save_to_disk(place)
    elif form == "saved splits":
        datasets.DatasetDict({"train": table(40, 0), "test": table(20, 1)}).save_to_disk(place)
    else:
        made = rows(60, 0)
        for number, (image, label) in enumerate(zip(made["img"], made["fine"], strict=True)):
            (place / "xyz"[label]).mkdir(parents=True, exist_ok=True)
            image.save(place / "xyz"[label] / f"{number}.png")
    data = read(place)
    assert data.classes == ("x", "y", "z")
    assert found(data, *SPLITS) == known(*([(40, 0), (20, 1)] if form == "saved splits" else [(60, 0)]))
    assert len({part for split in SPLITS for part in found(data, split)}) == 60  # no row in two splits


def test_columns_are_chosen_or_refused_by_name(table: Callable[..., Any], datasets: Any, tmp_path: Path) -> None:
    coarse = [place % 2 for place in range(60)], datasets.ClassLabel(names=["even", "odd"])
    text = [f"kind {place % 4}" for place in range(60)], datasets.Value("string")
    table(60, coarse=coarse, text=text).to_parquet(tmp_path / "it.parquet")
    with pytest.raises(ConfigError, match=r"data\.columns\.label: .* has fine and coarse; choose one, as .*label=fine"):
        read(tmp_path / "it.parquet")
    assert read(tmp_path / "it.parquet", columns={"label": "coarse"}).classes == ("even", "odd")
    assert read(tmp_path / "it.parquet", columns={"label": "text"}).classes == tuple(f"kind {n}" for n in range(4))
    with pytest.raises(ConfigError, match=r"columns\.image: .* has no png; it has img, fine, coarse, text"):
        read(tmp_path / "it.parquet", columns={"image": "png", "label": "fine"})
    with pytest.raises(ConfigError, match=r"data\.columns\.depth: it is none of image, label"):
        read(tmp_path / "it.parquet", columns={"depth": "fine"})


def test_a_row_that_cannot_be_used_is_named_or_left_out(datasets: Any, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    rows(1, 0)["img"][0].save(buffer, "png")
    cells = [{"bytes": buffer.getvalue(), "path": None}] * 60
    cells[7], cells[9] = {"bytes": b"no picture", "path": None}, None
    features = datasets.Features({"img": datasets.Image()})
    datasets.Dataset.from_dict({"img": cells}, features=features).to_parquet(tmp_path / "it.parquet")
    with pytest.raises(DataError, match=r"(?s)2 of the images .*row 7: not an image.*data\.on_bad=skip"):
        read(tmp_path / "it.parquet")
    data = read(tmp_path / "it.parquet", on_bad="skip")
    assert sorted(str(path) for path, _ in data.skipped) == ["train/row 7", "train/row 9"]
    assert sum(len(data.split(split)) for split in SPLITS) == 58
    assert data.classes is None


def test_what_is_not_there_is_named(datasets: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nobody/nothing_at_all: there is no such file or folder"):
        read("nobody/nothing_at_all")
    with pytest.raises(DataError, match=r"data\.path: .*empty"):
        (tmp_path / "empty").mkdir()
        read(tmp_path / "empty")
    with pytest.raises(DataError, match=r"no set is named; set data\.path"):
        Hub()


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    imported = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ConfigError, match=r"data=hub reads by the package datasets.*pip install datasets"):
        read(tmp_path)


def test_pixels_of_a_row_equal_those_of_a_file(tmp_path: Path) -> None:
    from genloom.contents.decoder import Decoder

    rows(1, 0)["img"][0].save(tmp_path / "it.png")
    decode = Decoder(4, 3)
    ours, theirs = decode((tmp_path / "it.png").read_bytes()), decode(tmp_path / "it.png")
    assert torch.equal(torch.from_numpy(ours), torch.from_numpy(theirs))
