import torch
from PIL import Image

from genloom import figures
from genloom.contents.series import SeriesContent
from genloom.contents.shown import Picture, Text, grid, scatter


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
        path = tmp_path / "deep" / "down" / f"{mode}.png"
        Picture(picture).save_png(path, scale=2)
        with Image.open(path) as image:
            assert (image.mode, image.size) == (mode, (12, 10))
            assert image.getpixel((2, 4)) == (
                picture[0, 2, 1].item() if channels == 1 else tuple(picture[:, 2, 1].tolist())
            )


def test_a_small_picture_is_saved_twice_as_large(tmp_path):
    for width, saved in ((799, 1598), (800, 800)):
        file = Picture(torch.zeros(1, 2, width, dtype=torch.uint8)).save(tmp_path / f"{width}.wide")
        assert file.name == f"{width}.wide.png"
        with Image.open(file) as image:
            assert image.size == (saved, 2 * saved // width)


def test_grids_are_nearly_square_with_two_pixels_of_grey_between():
    for num, rows, columns in ((1, 1, 1), (4, 2, 2), (5, 2, 3), (7, 3, 3)):
        sheet = grid(torch.zeros(num, 1, 4, 6, dtype=torch.uint8)).pixels
        assert sheet.shape == (1, 2 + 6 * rows, 2 + 8 * columns)
        assert (sheet[0, :2] == 128).all() and (sheet[0, :, :2] == 128).all()
        assert (sheet[0, 2:6, 2:8] == 0).all()


def test_beside_leaves_twelve_white_pixels():
    one = Picture(torch.zeros(1, 2, 3, dtype=torch.uint8))
    assert one.beside(one).pixels.shape == (1, 2, 18)


def test_points_are_dots_of_nine_pixels_darker_where_there_are_more():
    """Eight pixels from −1.5 to 1.5, the second axis upwards; three points lie beyond one border each."""
    points = torch.tensor(
        [[0.2, 0.2, 9.0], [0.2, 0.2, -9.0], [-1.4, -1.4, 0.0], [1.6, 0, 0], [0, -1.6, 0], [-1.6, 0, 0]]
    )
    sheet = scatter(points, size=8).pixels
    expected = torch.full((1, 8, 8), 200, dtype=torch.uint8)  # the frame
    expected[0, 1:-1, 1:-1] = 255
    expected[0, 2:5, 3:6] = 255 // 4  # two points
    expected[0, 6:, :2] = 255 // 2  # the corner, cut off
    assert torch.equal(sheet, expected)
    many = scatter(torch.zeros(100, 2), size=8).pixels
    assert many.min() == 0 and many.max() == 255
    line = scatter(torch.tensor([[0.2], [0.2]]), size=8).pixels  # a single coordinate: the second is 0
    assert torch.equal(line, scatter(torch.tensor([[0.2, 0.0], [0.2, 0.0]]), size=8).pixels)
    assert scatter(points).pixels.shape == (1, 160, 160)
    assert (scatter(torch.tensor([[1.49, -1.49]])).pixels[0, -1, -1] == 127).all()


class Writer:
    """Remembers what a logger is given."""

    def __getattr__(self, name):
        return lambda *arguments, **named: setattr(self, "given", (name, arguments, named))


def test_loggers_are_given_the_picture_and_the_text():
    writer, picture = Writer(), Picture(torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8))
    picture.to_tensorboard(writer, "looks", 7)
    name, (called, pixels, step), _ = writer.given
    assert (name, called, step) == ("add_image", "looks", 7) and (pixels == picture.pixels.numpy()).all()
    picture.to_wandb(writer, "looks", 7)
    name, (called, [image]), named = writer.given
    assert (name, called, named) == ("log_image", "looks", {"step": 7}) and image.size == (5, 4)
    Text("a\n b").to_tensorboard(writer, "texts", 7)
    assert writer.given == ("add_text", ("texts", "    a\n     b", 7), {})
    Text("a\n b").to_wandb(writer, "texts", 7)
    assert writer.given == ("log_text", ("texts", ["text"], [["a\n b"]]), {"step": 7})


def test_text_is_saved_and_compared_below_each_other(tmp_path):
    both = Text("drawn\n").beside(Text("real\n"))
    file = both.save(tmp_path / "deep" / "down" / "two")
    assert file.name == "two.txt"
    assert file.read_text(encoding="utf-8") == "drawn\n\n=== real ===\nreal\n"


def test_series_are_shown_as_curves_of_the_first_target(monkeypatch):
    content, stored = SeriesContent(4, ("load", "wind")), torch.randn(3, 4, 2)
    picture = content.show(stored)
    assert picture.pixels.shape == (3, 320, 700) and len(picture.pixels.flatten(1).unique(dim=1).T) > 3
    drawn, given = figures.drawn, []
    monkeypatch.setattr(figures, "drawn", lambda figure: drawn(given.append(figure) or figure))
    content.show(stored)
    (axes,) = given[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step of the horizon", "load, scaled")
    assert [line.get_xdata().tolist() for line in axes.lines] == [[1, 2, 3, 4]] * 3
    assert torch.equal(torch.tensor([line.get_ydata().tolist() for line in axes.lines]), stored[:, :, 0])
