import torch
from PIL import Image

from genloom.contents.series import SeriesContent
from genloom.contents.shown import Picture, Text, grid


def test_grid_places_every_image():
    images = torch.arange(1, 6, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 3, 4)
    sheet = grid(images, columns=2, padding=1).pixels
    assert sheet.shape == (1, 3 * 4 + 1, 2 * 5 + 1)
    for position in range(5):
        top, left = 1 + (position // 2) * 4, 1 + (position % 2) * 5
        assert (sheet[0, top : top + 3, left : left + 4] == position + 1).all()
    assert (sheet[0, 9:12, 6:10] == 128).all()  # the empty place


def test_beside_keeps_both_pictures():
    left, right = torch.zeros(3, 4, 5, dtype=torch.uint8), torch.full((3, 6, 2), 7, dtype=torch.uint8)
    sheet = Picture(left).beside(Picture(right), gap=3).pixels
    assert sheet.shape == (3, 6, 10)
    assert (sheet[:, :4, :5] == 0).all()
    assert (sheet[:, :, 8:] == 7).all()
    assert (sheet[:, :, 5:8] == 255).all()


def test_png_holds_the_pixels(tmp_path):
    for channels, mode in ((1, "L"), (3, "RGB")):
        picture = torch.randint(0, 256, (channels, 5, 6), dtype=torch.uint8)
        path = tmp_path / "deep" / f"{mode}.png"
        Picture(picture).save_png(path, scale=2)
        with Image.open(path) as image:
            assert (image.mode, image.size) == (mode, (12, 10))
            assert image.getpixel((2, 4)) == (
                picture[0, 2, 1].item() if channels == 1 else tuple(picture[:, 2, 1].tolist())
            )


def test_text_is_saved_and_compared_below_each_other(tmp_path):
    both = Text("drawn\n").beside(Text("real\n"))
    file = both.save(tmp_path / "deep" / "two")
    assert file.name == "two.txt"
    assert file.read_text(encoding="utf-8") == "drawn\n\n=== real ===\nreal\n"


def test_series_are_shown_as_curves():
    picture = SeriesContent(4, ("load",)).show(torch.randn(3, 4, 1))
    assert picture.pixels.shape[0] == 3 and len(picture.pixels.flatten(1).unique(dim=1).T) > 3
