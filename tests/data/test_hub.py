"""Images of Parquet files; of what else the package datasets reads, where that is installed; else what is said."""

import builtins
import io
import json
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from genloom.contents.caption import CaptionCondition
from genloom.data.images import datasets_rows
from genloom.data.images.hub import Hub
from genloom.data.images.mapped import StoredImages
from genloom.data.images.parquet import by_split
from genloom.data.images.parquet import splits as parquet_splits
from genloom.data.texts.text import FromBytes
from genloom.errors import ConfigError, DataError
from genloom.spec import Spec

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


IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})
LABEL = {"names": ["x", "y", "z"], "_type": "ClassLabel"}


def png(image: Image.Image) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return {"bytes": buffer.getvalue(), "path": None}


def write(path: Path, cells: list[Any], fine: list[Any] | None, more: dict[str, Any] | None = None) -> None:
    """Write Parquet as the package datasets does: with what its columns mean in the metadata."""
    frame = pl.DataFrame({"img": pl.Series(cells, dtype=IMAGE)})
    features: dict[str, Any] = {"img": {"_type": "Image"}}
    for name, (column, feature) in ({} if fine is None else {"fine": (fine, LABEL)} | (more or {})).items():
        frame, features[name] = frame.with_columns(pl.Series(name, column)), feature
    frame.write_parquet(path, row_group_size=16, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def parquet(path: Path, num: int, seed: int = 0, **more: Any) -> None:
    made = rows(num, seed)
    write(path, [png(image) for image in made["img"]], made["fine"], more)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Parquet: two shards to train on, one to test on."""
    place = tmp_path / "set" / "data"
    place.mkdir(parents=True)
    for name, num, seed in (
        ("train-00000-of-00002", 40, 0),
        ("train-00001-of-00002", 30, 1),
        ("test-00000-of-00001", 20, 2),
    ):
        parquet(place / f"{name}.parquet", num, seed)
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


def test_a_changed_shard_is_noticed(shards: Path) -> None:
    before = read(shards).fingerprint
    parquet(shards / "data" / "train-00001-of-00002.parquet", 31, 5)
    assert read(shards).fingerprint != before


def test_one_file(tmp_path: Path) -> None:
    parquet(tmp_path / "it.parquet", 60)
    data = read(tmp_path / "it.parquet")
    assert data.classes == ("x", "y", "z")
    assert found(data, *SPLITS) == known((60, 0))
    assert len({part for split in SPLITS for part in found(data, split)}) == 60  # no row in two splits


@pytest.mark.parametrize("form", ["saved", "saved splits", "folder"])
def test_what_the_package_reads(form: str, datasets: Any, tmp_path: Path) -> None:
    place = tmp_path / "it"
    features = datasets.Features({"img": datasets.Image(), "fine": datasets.ClassLabel(names=["x", "y", "z"])})

    def table(num: int, seed: int) -> Any:
        return datasets.Dataset.from_dict(rows(num, seed), features=features)

    if form == "saved":
        table(60, 0).save_to_disk(place)
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


def test_parquet_is_read_as_the_package_reads_it(datasets: Any, tmp_path: Path) -> None:
    features = datasets.Features({"img": datasets.Image(), "fine": datasets.ClassLabel(names=["x", "y", "z"])})
    shards = tmp_path / "set"
    shards.mkdir()
    for name, num in {"a_test": 9, "b_train": 20, "c_train": 30}.items():
        datasets.Dataset.from_dict(rows(num, num), features=features).to_parquet(shards / f"{name}.parquet")
    ours, theirs = parquet_splits(shards), datasets_rows.read(str(shards), None, download=False)
    assert ours is not None
    assert list(ours) == list(theirs)
    for name, table in ours.items():
        assert table.columns == theirs[name].columns
        assert table.values("fine") == theirs[name].values("fine")
        every_third = range(0, len(table), 3)
        cells, others = (list(each.images("img", every_third)) for each in (table, theirs[name]))
        assert cells == others


def test_files_are_of_the_split_that_they_are_named_after() -> None:
    def named(*files: str) -> dict[str, list[str]]:
        return {split: [str(each) for each in own] for split, own in by_split([*map(PurePath, files)]).items()}

    shards = ("data/odd-00000-of-00001.parquet", "data/test-00000-of-00001-1f.parquet")
    assert named(*shards, "other.parquet") == {"odd": [shards[0]], "test": [shards[1]]}
    assert named("train/a.parquet", "my-valid/b.parquet") == {
        "train": ["train/a.parquet"],
        "validation": ["my-valid/b.parquet"],
    }
    assert named("a_train.parquet", "a_test.parquet") == {"train": ["a_train.parquet"], "test": ["a_test.parquet"]}
    assert named("trains.parquet", "contest.parquet") == {"train": ["trains.parquet", "contest.parquet"]}


CARD = """---
license: mit
configs:
- config_name: small
  data_files: some/*.parquet
- config_name: whole
  default: true
  data_dir: some
  data_files:
  - split: train
    path: [b.parquet, "deep/**"]
  - split: test
    path: "a*"
dataset_info:
- config_name: whole
  features:
  - {name: img, dtype: image}
  - {name: fine, dtype: {class_label: {names:
      {'0': a, '1': b, '10': k, '2': c, '3': d, '4': e, '5': f, '6': g, '7': h, '8': i, '9': j}}}}
---
# A set
"""


@pytest.fixture
def carded(tmp_path: Path) -> Path:
    """A set whose README says which files are of which split, and that files say nothing of."""
    place = tmp_path / "carded"
    for name, num, seed in (("a", 20, 2), ("b", 40, 0), ("c", 9, 7), ("deep/er/d", 30, 1)):
        file = place / "some" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet(file, num, seed)
        pl.read_parquet(file).write_parquet(file)
    (place / "LICENSE").touch()
    (place / "README.md").write_text(CARD)
    return place


def test_a_readme_says_which_files_are_of_which_split_and_what_columns_hold(carded: Path) -> None:
    data = read(carded)
    assert found(data, "test") == known((20, 2))
    assert found(data, "train", "val") == known((40, 0), (30, 1))
    assert data.classes == tuple("abcdefghijk")
    assert found(read(carded, subset="small", columns={"label": "fine"}), *SPLITS) == known((20, 2), (40, 0), (9, 7))


@pytest.mark.parametrize("subset", [None, "small"])
def test_a_readme_is_read_as_the_package_reads_it(carded: Path, datasets: Any, subset: str | None) -> None:
    ours, theirs = parquet_splits(carded, subset), datasets_rows.read(str(carded), subset, download=False)
    assert ours is not None
    assert {name: table.values("fine") for name, table in ours.items()} == {
        name: table.values("fine") for name, table in theirs.items()
    }
    if subset is None:
        assert all(table.columns == theirs[name].columns for name, table in ours.items())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("default: true", "other: 1", r"data\.subset: .*carded has small, whole; choose one, as data\.subset=small"),
        ("b.parquet", "e.parquet", r"README\.md says that some/e\.parquet is the split train, and there is no such"),
        ("b.parquet", "x**y", r"README\.md says of its files or columns what nobody else does"),
        ("path:", "paths:", r"README\.md says of its files or columns what nobody else does \(KeyError\('path'\)\)"),
        ("license: mit", "license: [", r"what stands between the lines of --- in .*README\.md is no YAML"),
    ],
)
def test_what_a_readme_says_wrongly_is_named(carded: Path, old: str, new: str, message: str) -> None:
    (carded / "README.md").write_text(CARD.replace(old, new))
    with pytest.raises(DataError if "subset" not in message else ConfigError, match=message):
        read(carded)


def test_a_subset_that_no_readme_names_is_refused(carded: Path, shards: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.subset: .*carded has no large; it has small, whole"):
        read(carded, subset="large")
    (shards / "README.md").write_text("---\nlicense: mit\n---\n")
    assert found(read(shards), "test") == known((20, 2))
    with pytest.raises(ConfigError, match=r"data\.subset: .* has no large; its README names none, so leave it out"):
        read(shards, subset="large")


def test_many_files_are_read_a_part_at_a_time(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(shards, storage="memory").fingerprint
    monkeypatch.setattr("genloom.data.images.parquet._READ", 2000)  # some seven rows
    assert read(shards, storage="memory").fingerprint == whole


def test_damaged_and_unlike_files_are_named(shards: Path) -> None:
    shard = shards / "data" / "train-00001-of-00002.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(b"PAR1" + bytes(400) + whole[404:])
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet: its rows from 0 on cannot be read"):
        read(shards)
    shard.write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"(?s)data\.path: .*name another"):
        read(shards)
    write(shard, [png(image) for image in rows(9, 3)["img"]], None)
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet has no fine, which .*train-00000.* has"):
        read(shards)


def test_columns_are_chosen_or_refused_by_name(tmp_path: Path) -> None:
    coarse = [place % 2 for place in range(60)], {"names": ["even", "odd"], "_type": "ClassLabel"}
    text = [f"kind {place % 4}" for place in range(60)], {"dtype": "string", "_type": "Value"}
    parquet(tmp_path / "it.parquet", 60, coarse=coarse, text=text)
    with pytest.raises(ConfigError, match=r"data\.columns\.label: .* has fine and coarse; choose one, as .*label=fine"):
        read(tmp_path / "it.parquet")
    assert read(tmp_path / "it.parquet", columns={"label": "coarse"}).classes == ("even", "odd")
    assert read(tmp_path / "it.parquet", columns={"label": "text"}).classes == tuple(f"kind {n}" for n in range(4))
    with pytest.raises(ConfigError, match=r"columns\.image: .* has no png; it has img, fine, coarse, text"):
        read(tmp_path / "it.parquet", columns={"image": "png", "label": "fine"})
    with pytest.raises(ConfigError, match=r"data\.columns\.depth: it is none of image, label, caption"):
        read(tmp_path / "it.parquet", columns={"depth": "fine"})


def captioned(path: Path, captions: list[Any], **changes: Any) -> Path:
    parquet(path, 60, caption=(pl.Series(captions, **changes), {"dtype": "string", "_type": "Value"}))
    return path


def text_of(data: Hub, split: Any) -> list[str]:
    condition = data.conditions()["caption"]
    assert isinstance(condition, CaptionCondition)
    tokens = condition.encode(data.split(split).given["caption"])
    return [condition.vocabulary.decode(row[row != condition.nothing]) for row in tokens]


def test_captions_are_told_as_tokens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = [f"number {place}{', and very large' * (place % 2)}" for place in range(60)]
    path = captioned(tmp_path / "it.parquet", texts)
    assert set(read(path).conditions()) == {"label"}
    data = read(path, columns={"caption": "caption"}, vocabulary=FromBytes(), caption_length=20, batch_size=10)
    assert set(data.conditions()) == {"label", "caption"}
    assert sorted(text for split in SPLITS for text in text_of(data, split)) == sorted(text[:20] for text in texts)
    assert (
        "row 1, column caption: longer than data.caption_length=20 tokens, and cut, as 29 other captions are"
        in caplog.text
    )
    for split in SPLITS:  # each stays with its picture
        for image, label, text in zip(
            data.split(split).content, data.split(split).labels, text_of(data, split), strict=True
        ):
            row = texts.index(next(each for each in texts if each[:20] == text))
            assert label == row % 3 and (image.numpy().tobytes(), row % 3) in known((60, 0))
    batch = next(iter(data.train_dataloader()))
    condition = data.conditions()["caption"]
    assert batch.given["caption"].shape == (len(batch.content), 20)
    asked = condition.asked(["number 3", "number 5, and"], 3, "given.caption")
    assert asked.shape == (3, 20) and torch.equal(asked[0], asked[2])
    with pytest.raises(ConfigError, match=r"given\.caption: 'a+' is 21 tokens long, above the limit of 20; shorten it"):
        condition.asked(["a" * 21], 1, "given.caption")
    with pytest.raises(ConfigError, match=r"given\.caption: no text is given"):
        condition.asked([""], 1, "given.caption")
    other = Hub(path=str(path), columns={"caption": "caption"})
    other.follow(Spec.from_dict(data.describe().to_dict()))
    assert other.conditions()["caption"] == condition


def test_of_several_captions_the_first_is_taken_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = captioned(tmp_path / "it.parquet", [[f"first {place}", "second"] for place in range(60)])
    texts = text_of(read(path, columns={"caption": "caption"}), "train")
    assert all(text.startswith("first") for text in texts)
    assert "of the captions of this and 59 other pictures the first is taken" in caplog.text


@pytest.mark.parametrize("cell", [None, " ", []])
def test_a_missing_caption_is_named(tmp_path: Path, cell: Any) -> None:
    texts: list[Any] = [[f"it is {place}"] if cell == [] else f"it is {place}" for place in range(60)]
    texts[7] = cell
    path = captioned(tmp_path / "it.parquet", texts)
    with pytest.raises(DataError, match=r"it\.parquet, train, row 7, column caption has no caption but .*; every row"):
        read(path, columns={"caption": "caption"})


def test_a_row_that_cannot_be_used_is_named_or_left_out(tmp_path: Path) -> None:
    cells: list[Any] = [png(rows(1, 0)["img"][0])] * 60
    cells[7], cells[9] = {"bytes": b"no picture", "path": None}, None
    write(tmp_path / "it.parquet", cells, None)
    with pytest.raises(DataError, match=r"(?s)2 of the images .*row 7: not an image.*data\.on_bad=skip"):
        read(tmp_path / "it.parquet")
    data = read(tmp_path / "it.parquet", on_bad="skip")
    assert sorted(str(path) for path, _ in data.skipped) == ["train/row 7", "train/row 9"]
    assert sum(len(data.split(split)) for split in SPLITS) == 58
    assert data.classes is None


def test_a_name_that_is_not_there_is_named(datasets: Any) -> None:
    with pytest.raises(DataError, match=r"nobody/nothing_at_all: there is no such file or folder"):
        read("nobody/nothing_at_all")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
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
    with pytest.raises(ConfigError, match=r"read by the package datasets, which is not.*pip install datasets"):
        read(tmp_path / "elsewhere")


def test_pixels_of_a_row_equal_those_of_a_file(tmp_path: Path) -> None:
    from genloom.contents.decoder import Decoder

    rows(1, 0)["img"][0].save(tmp_path / "it.png")
    decode = Decoder(4, 3)
    ours, theirs = decode((tmp_path / "it.png").read_bytes()), decode(tmp_path / "it.png")
    assert torch.equal(torch.from_numpy(ours), torch.from_numpy(theirs))
