import torch
from PIL import Image

from genloom.contents import shown as render


def test_grid_places_every_image():
    images = torch.arange(1, 6, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 3, 4)
    sheet = render.grid(images, columns=2, padding=1)
    assert sheet.shape == (1, 3 * 4 + 1, 2 * 5 + 1)
    for position in range(5):
        top, left = 1 + (position // 2) * 4, 1 + (position % 2) * 5
        assert (sheet[0, top : top + 3, left : left + 4] == position + 1).all()
    assert (sheet[0, 9:12, 6:10] == 128).all()  # the empty place


def test_beside_keeps_both_pictures():
    left, right = torch.zeros(3, 4, 5, dtype=torch.uint8), torch.full((3, 6, 2), 7, dtype=torch.uint8)
    sheet = render.beside(left, right, gap=3)
    assert sheet.shape == (3, 6, 10)
    assert (sheet[:, :4, :5] == 0).all()
    assert (sheet[:, :, 8:] == 7).all()
    assert (sheet[:, :, 5:8] == 255).all()


def test_png_holds_the_pixels(tmp_path):
    for channels, mode in ((1, "L"), (3, "RGB")):
        picture = torch.randint(0, 256, (channels, 5, 6), dtype=torch.uint8)
        path = tmp_path / "deep" / f"{mode}.png"
        render.save_png(picture, path, scale=2)
        with Image.open(path) as image:
            assert (image.mode, image.size) == (mode, (12, 10))
            assert image.getpixel((2, 4)) == (
                picture[0, 2, 1].item() if channels == 1 else tuple(picture[:, 2, 1].tolist())
            )
