import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genloom.data.images.base import ImageData
from genloom.data.images.folder import ImageFolder
from genloom.data.images.split_folders import split_named
from genloom.errors import ConfigError, DataError

SPLITS = ("train", "val", "test")


def picture(seed: int, *, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    """A random picture; ``size`` is (width, height)."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    return Image.frombytes(mode, size, pixels.tobytes())


def fill(root: Path, num: int = 40, folders: Iterable[str] = ("",), **options: Any) -> Path:
    """Write ``num`` pictures into each of ``folders``."""
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(num):
            picture(zlib.crc32(os.fsencode(f"{folder}/{i}")), **options).save(root / folder / f"{i:03d}.png")
    return root


@pytest.fixture(params=["memory", "disk"], autouse=True)
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Whatever holds of folders holds of both storages."""
    DEFAULTS.update(storage=request.param, cache_dir=tmp_path_factory.mktemp("cache"))
    yield request.param
    DEFAULTS.clear()


DEFAULTS: dict[str, Any] = {}


def read(root: Path, **options: Any) -> ImageFolder:
    data = ImageFolder(root=root, **{"val_fraction": 0.2, "test_fraction": 0.2, **DEFAULTS, **options})
    data.describe()
    return data


def everything(data: ImageData) -> torch.Tensor:
    return torch.cat([data.split(split).content for split in SPLITS])


def names_of(data: ImageFolder, root: Path) -> dict[str, list[str]]:
    """Which file each image came from, told by its pixels."""
    known = {np.asarray(Image.open(p)).tobytes(): p.relative_to(root).as_posix() for p in sorted(root.rglob("*.png"))}
    return {
        split: [known[image.permute(1, 2, 0).contiguous().numpy().tobytes()] for image in data.split(split).content]
        for split in SPLITS
    }


def png_16_bit(color_type: int, channels: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + b"\x12\x34" * 8 * channels for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 16, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def truncated(path: Path) -> None:
    picture(1).save(path)
    path.write_bytes(path.read_bytes()[:120])


def truncated_jpeg(path: Path) -> None:
    picture(1, size=(64, 64)).save(path.with_suffix(".jpg"))
    whole = path.with_suffix(".jpg").read_bytes()
    path.with_suffix(".jpg").unlink()
    path.write_bytes(whole[: len(whole) // 2])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated png": (truncated, "truncated"),
    "truncated jpeg": (truncated_jpeg, "truncated"),
    "text": (lambda path: path.write_text("not a picture"), "not an image of a known format"),
    "zero bytes": (lambda path: path.touch(), r"empty file \(0 bytes\)"),
    "dangling link": (lambda path: path.symlink_to(path.parent / "gone"), "No such file"),
    "palette": (lambda path: picture(1).convert("P").save(path), "mode P; L and RGB are read.*data.channels=3"),
    "rgba": (lambda path: picture(1, mode="RGBA").save(path), "mode RGBA; L and RGB are read.*data.channels=3"),
    "16-bit grey": (lambda path: path.write_bytes(png_16_bit(0, 1)), "more than 8 bits.*convert it to 8 bits"),
    "16-bit colour": (lambda path: path.write_bytes(png_16_bit(2, 3)), "more than 8 bits"),
    "16-bit grey and alpha": (lambda path: path.write_bytes(png_16_bit(4, 2)), "more than 8 bits"),
    "folder link": (lambda path: path.symlink_to("/dev/null"), "not a regular file"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_named_or_skipped(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make, reason = BAD[kind]
    fill(tmp_path)
    make(tmp_path / "bad one.png")
    with pytest.raises(DataError, match=rf"(?s)1 of .*bad one.png: .*{reason}.*data.on_bad=skip"):
        read(tmp_path)
    with caplog.at_level(logging.WARNING):
        data = read(tmp_path, on_bad="skip")
    assert [path for path, _ in data.skipped] == [tmp_path / "bad one.png"]
    assert len(everything(data)) == 40
    (message,) = [record.getMessage() for record in caplog.records]
    assert "left out 1" in message
    assert "bad one.png" in message
    assert "skipped.txt" in message
    assert "\n" not in message


def test_16_bit_stays_bad_when_converting(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "deep.png").write_bytes(png_16_bit(0, 1))
    with pytest.raises(DataError, match=r"deep.png: mode I;16"):
        read(tmp_path, channels=3)


def test_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    picture(1, size=(10, 9)).save(tmp_path / "bomb.png")  # Pillow warns
    picture(1, size=(100, 9)).save(tmp_path / "big bomb.png")  # Pillow refuses
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 70)
    data = read(tmp_path, on_bad="skip")
    assert {path.name: reason for path, reason in data.skipped} == dict.fromkeys(
        ["bomb.png", "big bomb.png"], "more than 70 pixels; make it smaller"
    )


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    opened = Image.open

    def refuse(path: Path, **options: Any) -> Image.Image:
        if path.name == "007.png":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match=r"007.png: Permission denied"):
        read(tmp_path)


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, folders=["open", "locked"])
    listed = os.scandir

    def refuse(path: str) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"locked: Permission denied"):
        read(tmp_path)
    assert read(tmp_path, on_bad="skip").skipped == [(tmp_path / "locked", "Permission denied")]


def test_many_bad_files_are_counted(tmp_path: Path) -> None:
    fill(tmp_path)
    for i in range(8):
        (tmp_path / f"bad{i}.png").touch()
    with pytest.raises(DataError, match=r"(?s)^8 of .*and 5 more") as caught:
        read(tmp_path)
    assert str(caught.value).count("empty file") == 3


def test_all_bad(tmp_path: Path) -> None:
    for i in range(8):
        (tmp_path / f"{i}.png").touch()
    with pytest.raises(DataError, match=r"0 usable images \(8 left out, e.g. \d.png: empty file"):
        read(tmp_path, on_bad="skip")


def test_no_root() -> None:
    with pytest.raises(DataError, match=r"set data\.root"):
        ImageFolder()


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist; set data\.root"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"holds no files; set data\.root"):
        read(tmp_path)
    (tmp_path / "notes.csv").touch()
    (tmp_path / ".hidden.png").touch()
    with pytest.raises(DataError, match=r"holds no image \(passed over 1 files of other kinds \(1 .csv\)\)"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"notes.csv is not a folder; set data\.root"):
        read(tmp_path / "notes.csv")


def test_too_few_images(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "one.png")
    with pytest.raises(DataError, match=r"holds 1 usable images; at least 6 are needed.*add images"):
        read(tmp_path)
    fill(tmp_path)
    with pytest.raises(DataError, match=r"fall into the val split; at least 2 .*raise data\.val_fraction"):
        read(tmp_path, val_fraction=1e-6)
    with pytest.raises(DataError, match=r"fall into the train split; at least 2 .*lower the other fractions"):
        read(tmp_path, val_fraction=0.5, test_fraction=0.499)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, r"data\.channels: 2 is none of null, 1, 3"),
        ({"val_fraction": 0.0}, r"data\.val_fraction.*0\.0, 0\.1 must be above 0"),
        ({"val_fraction": 0.6, "test_fraction": 0.4}, r"0\.6, 0\.4 must be above 0 and their sum below 1"),
        ({"size": 3}, r"data\.size: 3 is below the limit of 4"),
        ({"batch_size": 0}, r"data\.batch_size: 0 is below the limit of 1"),
    ],
)
def test_impossible_arguments(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        ImageFolder(root=tmp_path, **options)


SPLIT_FOLDERS = [
    ("train", "val", "test"), ("Training", "Testing"), ("train2017", "val2017"), ("seg_train", "seg_test"),
    ("training_set", "test_set"), ("train", "dev", "test"), ("TRAIN", "TEST"), ("train_images", "holdout"),
    ("train", "valid"), ("train", "validation", "eval"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "inside"),
    [
        *((names, "{}/cat {}/dog") for names in SPLIT_FOLDERS),
        *((("train", "test"), inside) for inside in ("{}", "images/{}", "{}/images", "cat/{} dog/{}")),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_folders_named_after_splits_are_never_classes(tmp_path: Path, names: tuple[str, ...], inside: str) -> None:
    folders = [f.format(name) for name in names for f in inside.split()]
    fill(tmp_path, 20, folders)
    with pytest.raises(DataError, match=rf"{names[0]}.*splits_by_folder=true.*splits_by_folder=false"):
        read(tmp_path)
    data = read(tmp_path, splits_by_folder=True, val_fraction=0.4)
    assert data.classes == (("cat", "dog") if "cat" in inside else None)
    found = {split: {split_named(part) for path in paths for part in Path(path).parts[:-1]} - {None}
             for split, paths in names_of(data, tmp_path).items()}  # fmt: skip
    assert found["train"] == {"train"}
    assert found["test"] == ({"test"} if any(split_named(name) == "test" for name in names) else {"val"})
    assert found["val"] == ({"val"} if {split_named(name) for name in names} == set(SPLITS) else {"train"})
    assert len(everything(data)) == 20 * len(folders)


def test_folders_that_only_sound_like_splits_are_classes(tmp_path: Path) -> None:
    fill(tmp_path, 20, ["train", "bus", "car"])
    assert read(tmp_path).classes == ("bus", "car", "train")
    fill(tmp_path / "b", 20, ["valley", "testate", "training wheels"])
    assert read(tmp_path / "b").classes == ("testate", "training wheels", "valley")


@pytest.mark.parametrize("form", ["fold{}", "Fold_{}", "cv fold {}", "fold{}/cat"])
def test_folds_are_no_classes_unless_somebody_says_so(tmp_path: Path, form: str) -> None:
    fill(tmp_path, 20, [form.format(number) for number in range(3)])
    with pytest.raises(DataError, match=r"(?i)fold.*cross-validation.*splits_by_folder=true.*splits_by_folder=false"):
        read(tmp_path)
    data = read(tmp_path, splits_by_folder=False)
    assert data.classes is not None and len(data.classes) == 3


def test_folders_of_which_some_sound_like_folds_are_classes(tmp_path: Path) -> None:
    fill(tmp_path, 20, ["fold1", "fold2", "crease"])
    assert read(tmp_path).classes == ("crease", "fold1", "fold2")
    fill(tmp_path / "b", 20, ["folded", "folder"])
    assert read(tmp_path / "b").classes == ("folded", "folder")


def test_two_sides_of_a_split_are_classes(tmp_path: Path) -> None:
    fill(tmp_path, 20, ["trainA", "trainB", "testA", "testB"])
    data = read(tmp_path, splits_by_folder=True)
    assert data.classes == ("A", "B")
    assert torch.bincount(data.split("test").labels).tolist() == [20, 20]
    mixed = read(tmp_path, splits_by_folder=False)
    assert mixed.classes == ("testA", "testB", "trainA", "trainB")


def test_what_is_wrong_with_splits_by_folder(tmp_path: Path) -> None:
    fill(tmp_path / "a", 20, ["train", "test"])
    picture(1).save(tmp_path / "a" / "cover.png")
    with pytest.raises(DataError, match=r"divided into test and train"):
        read(tmp_path / "a")
    with pytest.raises(DataError, match=r"cover.png is in none of test and train"):
        read(tmp_path / "a", splits_by_folder=True)
    with pytest.raises(DataError, match=r"no folders of pictures that are all named after splits"):
        read(fill(tmp_path / "b", 20, ["cat", "dog"]), splits_by_folder=True)
    with pytest.raises(DataError, match=r"test and val, and none to train on"):
        read(fill(tmp_path / "c", 20, ["test", "val"]), splits_by_folder=True)


def test_lost_classes_are_explained(tmp_path: Path) -> None:
    fill(tmp_path / "stray", 20, ["cat", "dog"])
    assert read(tmp_path / "stray").why_unlabelled is None
    picture(1).save(tmp_path / "stray" / "cover.png")
    data = read(tmp_path / "stray")
    assert data.classes is None
    assert data.why_unlabelled == "cover.png lies beside the folders cat, dog; move it into one, or away"
    fill(tmp_path / "wrapped", 20, ["deep/er/cat", "deep/er/dog"])
    assert read(tmp_path / "wrapped").why_unlabelled == (
        f"all lie in one folder, deep/er; set data.root={tmp_path}/wrapped/deep/er for the folders in it"
    )
    assert read(fill(tmp_path / "flat")).why_unlabelled is None


def test_names_that_are_no_utf8_are_shown_escaped(tmp_path: Path) -> None:
    for name in (b"dog", b"caf\xe9"):
        fill(tmp_path, 20, [os.fsdecode(name)])
    data = read(tmp_path)
    assert data.classes == ("caf\\xe9", "dog")
    Path(tmp_path, os.fsdecode(b"ni\xf1o.png")).touch()
    with pytest.raises(DataError, match=r"ni\\xf1o.png: empty file"):
        read(tmp_path)
    assert len(read(tmp_path, on_bad="skip").skipped) == 1


def test_other_pictures_are_read_or_named_and_other_files_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path)
    for number, ending in enumerate((".jfif", ".PPM", ".tga", ".jp2", ".JPE")):
        kind = {".jfif": "JPEG", ".JPE": "JPEG", ".PPM": "PPM", ".tga": "TGA", ".jp2": "JPEG2000"}[ending]
        picture(900 + number).save(tmp_path / f"x{ending}", format=kind)
    for name in ("Thumbs.db", "desktop.ini", "a.json", "b.JSON", "labels"):
        (tmp_path / name).write_text("x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "a.png").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert len(everything(read(tmp_path))) == 45
    assert "passed over 3 files of other kinds (2 .json, 1 without an ending)" in caplog.text
    (tmp_path / "photo.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"photo.HEIC: .HEIC is not read here; convert it to png or jpg"):
        read(tmp_path)


def test_differing_sizes_are_named(tmp_path: Path) -> None:
    fill(tmp_path)
    picture(1, size=(30, 20)).save(tmp_path / "wide.png")
    with pytest.raises(DataError, match=r"(?=.*wide.png is 30x20)(?=.*0\d\d.png is 8x8).*set data.size=64"):
        read(tmp_path)
    assert read(tmp_path, size=16).describe().content.shape == (3, 16, 16)


def test_too_large_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, size=(4, 4), mode="L")
    monkeypatch.setattr(os, "sysconf", lambda _: 10)
    with pytest.raises(DataError, match=r"need 640 bytes, and this machine has 100 bytes.*data\.storage=disk"):
        read(tmp_path, storage="memory")


def test_classes(tmp_path: Path) -> None:
    fill(tmp_path, 20, ["zèbre", "猫", "dog/old/grey", "dog/young"])
    data = read(tmp_path)
    assert data.classes == ("dog", "zèbre", "猫")
    spec = data.describe()
    assert spec.labels is not None
    assert spec.labels.classes == data.classes
    origins = names_of(data, tmp_path)
    for split in SPLITS:
        labels = data.split(split).labels
        assert labels is not None
        assert [data.classes[label] for label in labels] == [name.split("/")[0] for name in origins[split]]


@pytest.mark.parametrize("folders", [[""], ["one/folder"], ["", "cat", "dog"]])
def test_unlabelled(folders: list[str], tmp_path: Path) -> None:
    data = read(fill(tmp_path, 40, folders))
    assert data.classes is None
    assert not data.describe().given
    assert data.split("train").labels is None


def test_a_class_of_skipped_files_is_no_class(tmp_path: Path) -> None:
    fill(tmp_path, 20, ["cat", "dog"])
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird" / "0.png").touch()
    assert read(tmp_path, on_bad="skip").classes == ("cat", "dog")


def test_splits_partition_the_files_in_sorted_order_and_stay(tmp_path: Path) -> None:
    fill(tmp_path, 100)
    before = names_of(read(tmp_path), tmp_path)
    assert sorted(chain(*before.values())) == [f"{i:03d}.png" for i in range(100)]
    assert all(found == sorted(found) for found in before.values())
    assert 10 < len(before["val"]) < 30  # 20 expected
    assert 10 < len(before["test"]) < 30
    fill(tmp_path, 20, ["added"])
    (tmp_path / "050.png").unlink()
    after = names_of(read(tmp_path), tmp_path)
    for split in SPLITS:
        assert [name for name in after[split] if "/" not in name] == [n for n in before[split] if n != "050.png"]


def test_splits_do_not_depend_on_the_place(tmp_path: Path) -> None:
    first, second = read(fill(tmp_path / "a")), read(fill(tmp_path / "b" / "c"))
    assert all(torch.equal(first.split(s).content, second.split(s).content) for s in SPLITS)
    assert first.fingerprint == second.fingerprint


def test_other_and_hidden_files_are_ignored(tmp_path: Path) -> None:
    fill(tmp_path)
    for name in ("README", ".DS_Store", "labels.csv", "._000.png"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".thumbnails").mkdir()
    picture(5, size=(3, 3)).save(tmp_path / ".thumbnails" / "small.png")
    data = read(tmp_path)
    assert len(everything(data)) == 40
    assert data.skipped == []


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "root")
    (tmp_path / "elsewhere" / "itself").symlink_to(tmp_path / "elsewhere")
    assert len(everything(read(tmp_path / "root"))) == 40


def test_grey_colour_and_mixed(tmp_path: Path) -> None:
    grey = read(fill(tmp_path, mode="L"))
    assert grey.describe().content.channels == 1
    picture(7).save(tmp_path / "colour.png")
    picture(8, mode="L").convert("1").save(tmp_path / "black and white.png")
    mixed = read(tmp_path)
    assert mixed.describe().content.channels == 3
    is_grey = (everything(mixed) == everything(mixed)[:, :1]).all(1).flatten(1).all(1)
    assert is_grey.sum() == 41
    assert read(tmp_path, channels=1).describe().content.channels == 1


@pytest.mark.parametrize("suffix", ["png", "PNG", "bmp", "tif", "webp"])
def test_pixels_are_kept_exactly(suffix: str, tmp_path: Path) -> None:
    wanted = {}
    for i in range(40):
        image = picture(i, size=(6, 5))
        image.save(tmp_path / f"{i}.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
        wanted[np.asarray(image).transpose(2, 0, 1).tobytes()] = i
    data = read(tmp_path)
    assert {image.numpy().tobytes() for image in everything(data)} == set(wanted)


def test_transparency_is_composited_over_white(tmp_path: Path) -> None:
    fill(tmp_path, mode="RGB")
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    clear.save(tmp_path / "clear.png")
    half.save(tmp_path / "half.png")
    Image.new("LA", (8, 8), (0, 0)).save(tmp_path / "clear grey.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "palette.png")
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "cmyk.tif")
    images = everything(read(tmp_path, channels=3))
    flat = [tuple(image[:, 0, 0].tolist()) for image in images if (image == image[:, :1, :1]).all()]
    assert sorted(flat) == [(40, 50, 60), (127, 127, 127), *[(255, 255, 255)] * 3]


def test_exif_orientation(tmp_path: Path) -> None:
    fill(tmp_path, size=(6, 4))
    lying = picture(99, size=(4, 6))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    lying.save(tmp_path / "turned.png", exif=exif)
    wanted = torch.from_numpy(np.rot90(np.asarray(lying), -1).copy()).permute(2, 0, 1)
    assert any(torch.equal(image, wanted) for image in everything(read(tmp_path)))


@pytest.mark.parametrize("stored", [(90, 30), (30, 90), (6, 2)])
def test_size_scales_the_shorter_side_and_cuts_the_centre(stored: tuple[int, int], tmp_path: Path) -> None:
    fill(tmp_path, size=stored)
    width, height = (10 * side // min(stored) for side in stored)
    left, top = (width - 10) // 2, (height - 10) // 2
    wanted = {
        Image.open(path)
        .resize((width, height), Image.Resampling.LANCZOS)
        .crop((left, top, left + 10, top + 10))
        .tobytes()
        for path in tmp_path.iterdir()
    }
    images = everything(read(tmp_path, size=10)).permute(0, 2, 3, 1).contiguous()
    assert {image.numpy().tobytes() for image in images} == wanted


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_size_is_antialiased(suffix: str, tmp_path: Path) -> None:
    board = np.indices((256, 256)).sum(0) % 2 * 255
    for i in range(40):
        Image.fromarray(board.astype(np.uint8)).save(tmp_path / f"{i}.{suffix}", quality=100)
    images = everything(read(tmp_path, size=16)).int()
    assert ((images - 127).abs() <= 3).all()


def test_a_pixel_a_name_and_the_size_change_the_fingerprint(tmp_path: Path) -> None:
    fill(tmp_path)
    prints = [read(tmp_path).fingerprint, read(tmp_path, size=16).fingerprint, read(tmp_path, channels=1).fingerprint]
    (trained,) = names_of(read(tmp_path), tmp_path)["train"][:1]
    image = Image.open(tmp_path / trained)
    image.putpixel((0, 0), (1, 2, 3))
    image.save(tmp_path / trained)
    prints.append(read(tmp_path).fingerprint)
    assert len(set(prints)) == 4
    assert read(tmp_path).fingerprint == prints[3]


def test_copies_that_are_trained_on_and_tested_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path / "root")
    read(tmp_path / "root")
    assert not caplog.records
    for file in list((tmp_path / "root").iterdir()):
        file.with_stem(f"{file.stem} (1)").write_bytes(file.read_bytes())
    data = read(tmp_path / "root")
    known = {image.numpy().tobytes() for image in data.split("train").content}
    both = sum(image.numpy().tobytes() in known for image in data.split("test").content)
    assert (
        both
        and f"{both} of the {len(data.split('test'))} pictures of the test split are in the training" in caplog.text
    )


def test_masks_among_pictures_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(fill(tmp_path / "all" / "masks", folders=("cat", "dog")))  # below a folder of the user's own name
    read(fill(tmp_path / "plain", folders=("mask_on", "segovia")))
    assert not caplog.records
    for folders in (("images", "masks"), ("JPEGImages", "SegmentationClass"), ("x", "ground_truth")):
        read(fill(tmp_path / folders[1], folders=folders))
        assert f"40 of 80 pictures are called as masks are (as {folders[1]}/" in caplog.text
