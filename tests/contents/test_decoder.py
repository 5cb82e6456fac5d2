"""A file turned into pixels; folders of them are tested with the data."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genloom.contents.decoder import Decoder, UnusableFileError, is_picture

PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 6)


def saved(folder: Path, image: Image.Image, name: str = "a.png", **options) -> Path:
    image.save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("channels", [None, 1])
def test_pixels_are_those_of_the_file(tmp_path: Path, channels: int | None) -> None:
    found = Decoder(None, channels)(saved(tmp_path, Image.fromarray(PIXELS)))
    assert found.dtype == np.uint8 and found.tolist() == PIXELS.tolist()
    colour = Decoder(None, 3)(tmp_path / "a.png")
    assert colour.tolist() == np.stack([PIXELS] * 3, axis=2).tolist()


def test_what_is_transparent_is_white_where_channels_are_asked_for_and_as_it_is_stored_otherwise(
    tmp_path: Path,
) -> None:
    path = saved(tmp_path, Image.fromarray(PIXELS), transparency=5)
    assert Decoder(None, None)(path).tolist() == PIXELS.tolist()
    expected = PIXELS.copy()
    expected[0, 5] = 255
    assert Decoder(None, 1)(path).tolist() == expected.tolist()
    half = saved(tmp_path, Image.new("RGBA", (2, 2), (200, 100, 0, 51)), "half.png")  # a fifth of it
    assert Decoder(None, 3)(half)[0, 0].tolist() == pytest.approx([244, 224, 204], abs=1)
    with pytest.raises(UnusableFileError, match=r"mode RGBA; L and RGB are read as they are; set data\.channels=3"):
        Decoder(None, None)(half)


def test_the_shorter_side_is_scaled_and_the_centre_cut_out(tmp_path: Path) -> None:
    wide = np.zeros((8, 24), dtype=np.uint8)
    wide[:, 8:16] = 200
    found = Decoder(4, None)(saved(tmp_path, Image.fromarray(wide)))
    assert found.shape == (4, 4) and found.min() > 150  # of a black stripe at each side nothing is left
    assert Decoder(4, 3)(tmp_path / "a.png").shape == (4, 4, 3)


def test_a_camera_s_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    path = saved(tmp_path, Image.fromarray(PIXELS), exif=exif)
    assert Decoder(None, None)(path).tolist() == np.rot90(PIXELS, -1).tolist()


def test_why_a_file_cannot_be_used_is_said(tmp_path: Path) -> None:
    def refused(path: Path, match: str) -> None:
        with pytest.raises(UnusableFileError, match=match):
            Decoder(None, 3)(path)

    deep = np.arange(24, dtype=np.uint16).reshape(4, 6) * 1000
    refused(saved(tmp_path, Image.fromarray(deep)), "more than 8 bits per channel; convert it to 8 bits")
    refused(tmp_path, "not a regular file")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", r"empty file \(0 bytes\)")
    (tmp_path / "text.png").write_text("no picture")
    refused(tmp_path / "text.png", "not an image of a known format")
    (tmp_path / "photo.HEIC").write_text("no picture that is read")
    refused(tmp_path / "photo.HEIC", r"\.HEIC is not read here; convert it to png or jpg")
    refused(tmp_path / "missing.png", "No such file")
    whole = saved(tmp_path, Image.fromarray(PIXELS), "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "half.png", "not an image|truncated")


def test_a_picture_is_known_by_its_ending() -> None:
    assert all(is_picture(Path(name)) for name in ("a.png", "b.JPG", "c.Heic", "d.svg"))
    assert not any(is_picture(Path(name)) for name in ("a.txt", "png", "b.png.part"))
