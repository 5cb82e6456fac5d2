"""Pictures on disk: what is written, what is read, and what is no picture of the data."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genloom.contents.image import ImageContent, Images
from genloom.errors import DataError

COLOUR = ImageContent(3, 4, 5)


def stored(num: int, content: ImageContent = COLOUR) -> torch.Tensor:
    rng = torch.Generator().manual_seed(num)
    return torch.randint(0, 256, (num, *content.shape), dtype=torch.uint8, generator=rng)


def test_what_is_saved_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = stored(11)
    (tmp_path / "out").mkdir()
    lines = COLOUR.save(Images(content, {"label": torch.arange(11)}), tmp_path / "out", columns=3)
    assert lines == [
        "grid:     out/grid.png",
        "single:   out/*.png",
        "array:    out/samples.npz (images, 11x4x5x3 as NHWC uint8; given.label)",
    ]
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == [f"{number:02d}.png" for number in range(11)] + ["grid.png", "samples.npz"]
    with Image.open(tmp_path / "out" / "grid.png") as image:
        assert image.size == (2 * (2 + 3 * 7), 2 * (2 + 4 * 6))
    assert torch.equal(COLOUR.read(tmp_path / "out", "samples").content, content)
    assert torch.equal(COLOUR.read(tmp_path / "out" / "samples.npz", "samples").content, content)
    assert torch.equal(COLOUR.read(tmp_path / "out" / "03.png", "samples").content, content[3:4])
    with np.load(tmp_path / "out" / "samples.npz") as arrays:
        assert arrays.files == ["images", "given.label"] and arrays["given.label"].tolist() == list(range(11))
    few = tmp_path / "few"
    few.mkdir()
    COLOUR.save(Images(content[:10]), few)
    assert (few / "9.png").is_file()


@pytest.mark.parametrize("content", [COLOUR, ImageContent(1, 4, 5), ImageContent(3, 4, 4), ImageContent(1, 4, 4)])
def test_arrays_of_any_layout_are_read(tmp_path: Path, content: ImageContent) -> None:
    pictures = stored(6, content)
    layouts = [pictures, pictures.permute(0, 2, 3, 1)] + ([pictures[:, 0]] if content.channels == 1 else [])
    for layout in layouts:
        np.savez(tmp_path / "a.npz", layout.numpy())
        assert torch.equal(content.read(tmp_path / "a.npz", "samples").content, pictures)


def test_what_is_no_picture_of_the_data_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def refused(path: Path, match: str, at_least: int = 1) -> None:
        with pytest.raises(DataError, match=match):
            COLOUR.read(path, "samples", at_least=at_least)

    np.savez(tmp_path / "floats.npz", np.zeros((3, 4, 5, 3)))
    refused(tmp_path / "floats.npz", "samples: .*floats.npz holds float64 with 4 axes; uint8 with 3 or 4 is needed")
    np.savez(tmp_path / "axes.npz", np.zeros((3, 4), dtype=np.uint8))
    refused(tmp_path / "axes.npz", "holds uint8 with 2 axes")
    np.savez(tmp_path / "other.npz", stored(3, ImageContent(3, 6, 7)))
    refused(tmp_path / "other.npz", r"holds 3 images of \(7, 3, 6\)")
    np.savez(tmp_path / "few.npz", stored(3))
    refused(tmp_path / "few.npz", r"holds 3 images of \(3, 4, 5\); at least 4 of \(3, 4, 5\)", at_least=4)
    assert len(COLOUR.read(tmp_path / "few.npz", "samples", at_least=3)) == 3
    (tmp_path / "table.csv").touch()
    refused(tmp_path / "table.csv", "neither a folder of pictures, nor a picture, nor an .npz file")
    folder = tmp_path / "folder"
    folder.mkdir()
    refused(folder, "samples: .*folder holds no pictures$")
    (folder / "notes.md").touch()
    refused(folder, r"holds no pictures: passed over 1 files of other kinds \(1 .md\)")
    Image.new("RGB", (5, 4), "red").save(folder / "a.png")
    with caplog.at_level(logging.WARNING):
        assert COLOUR.read(folder, "samples").content[0, :, 2, 3].tolist() == [255, 0, 0]
    assert "passed over 1 files" in caplog.text
    Image.new("RGB", (4, 5)).save(folder / "b.png")
    refused(folder, "b.png is 4x5, the data 5x4; resize them")
    (folder / "b.png").write_bytes(b"")
    refused(folder, "samples: .*b.png: empty file")


def test_pictures_of_one_shape_and_eight_bits_can_be_judged() -> None:
    COLOUR.check(stored(2), "drawn")
    with pytest.raises(DataError, match="drawn: examples of 3x5x4 cannot be judged against data of 3x4x5"):
        COLOUR.check(stored(2).transpose(2, 3), "drawn")
    with pytest.raises(DataError, match="drawn: examples of 4x5 cannot be judged"):
        COLOUR.check(stored(2)[:, 0], "drawn")
    with pytest.raises(DataError, match=r"drawn: torch\.float32 of"):
        COLOUR.check(stored(2).float(), "drawn")


def test_errors_are_of_values_between_0_and_1() -> None:
    ours, real = stored(3), stored(4)[:3]
    expected = ((ours.double().numpy() / 255 - real.double().numpy() / 255) ** 2).mean()
    assert COLOUR.squared_error(ours, real) == pytest.approx(expected, rel=1e-5)


def test_a_model_of_black_and_white_sees_the_nearer_of_the_two() -> None:
    examples = Images(torch.tensor([0, 127, 128, 255], dtype=torch.uint8).view(1, 1, 1, 4).expand(1, 1, 4, 4))
    seen = ImageContent(1, 4, 4, binary=True).seen(examples).content
    assert seen[0, 0, 0].tolist() == [0, 0, 255, 255]
    assert ImageContent(1, 4, 4).seen(examples) is examples


def test_thumbnails_are_squares_between_black_and_white() -> None:
    wide = ImageContent(1, 4, 8)
    white = torch.full((2, 1, 4, 8), 255, dtype=torch.uint8)
    assert wide.thumbnails(white, 32).shape == (2, 1, 8, 8)
    assert wide.thumbnails(white, 6).shape == (2, 1, 6, 6)
    torch.testing.assert_close(wide.thumbnails(white, 32), torch.ones(2, 1, 8, 8))
    halves = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(4).expand(1, 1, 4, 8)
    found = wide.thumbnails(halves, 32)
    assert found[0, 0, 0, 0] == 0 and found[0, 0, 7, 7] == 1 and found.min() == 0 and found.max() == 1
