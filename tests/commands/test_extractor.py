"""``genloom extractor``: from labelled images to a calibrated extractor, and judging by it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genloom.commands import extractor
from genloom.data.base import Split
from genloom.data.images.base import ImageData, Images
from genloom.errors import ConfigError
from genloom.extractors.card import Card
from genloom.extractors.trained import TrainedExtractor
from genloom.extractors.training import Recipe, augmented, train
from genloom.metrics.calibration import calibrate

SMALL = ["data=digits", "data.size=8", "name=mine", "widths=[8,16]", "num_features=8", "epochs=4", "lr=1e-2"]
RECIPE = Recipe(epochs=1, batch_size=32, lr=1e-3, weight_decay=0.0, shift=0.0, flip=False, seed=0)
Command = Callable[..., tuple[int, str, str]]


def paint(root: Path, classes: Sequence[str], num: int, size: tuple[int, int] = (12, 12)) -> None:
    """Writes bright and dark colour pictures, a folder each."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for position in range(num):
            pixels = rng.integers(0, 60, (*size, 3)) + 150 * (number % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{position:04d}.png")


def test_train_calibrate_judge(run: Command, tmp_path: Path) -> None:
    code, out, err = run("extractor", *SMALL, "flip=false")
    assert code == 0, err
    assert "pca_32_gaussian" in out and "of digits; the rung real is the floor" in " ".join(out.split())
    assert "training" in err and "loss=" in err and "images/s" in err
    path = tmp_path / "extractors" / "mine" / "mine.safetensors"
    assert {file.name for file in path.parent.iterdir()} == {path.name, "card.json", "card.md"}

    mine = TrainedExtractor(path)
    card = json.loads((path.parent / "card.json").read_text())
    assert card["sha256"] == mine.weights_sha256
    assert card["accuracy"] == mine.card.accuracy and card["accuracy"]["test"] > 0.6
    assert mine.card.data["images"] == {"train": 1097, "val": 200, "test": 500}
    assert (mine.card.size, mine.card.channels, mine.card.classes) == (8, 1, tuple("0123456789"))
    assert mine.card.floor["n_reference"] == 1097 and mine.card.floor["n_heldout"] == 500
    assert mine.card.floor["fd"] == mine.card.ladder["real"]["fd"] < mine.card.ladder["uniform_noise"]["fd"]
    shown = (path.parent / "card.md").read_text()
    assert mine.weights_sha256 in shown and "| uniform_noise |" in shown

    code, out, err = run("extractor", *SMALL, "flip=false")
    assert code == 2 and "mine.safetensors exists" in err
    assert run("extractor", *SMALL, "flip=false", "out=again", "progress_bar=false")[::2] == (0, "")
    assert TrainedExtractor("again/mine.safetensors").weights_sha256 == mine.weights_sha256  # the seed decides

    from sklearn.datasets import load_digits  # any pictures will do

    np.savez("pictures.npz", images=(load_digits().images[:500] * 15.9).astype(np.uint8)[..., None])
    small = ("data=digits", "data.size=8", f"metrics.extractor={path}")
    code, out, err = run("evaluate", "samples=pictures.npz", *small, "out=judged")
    assert code == 0, err
    evaluation = json.loads(Path("judged/metrics.json").read_text())["evaluation"]
    assert "fd_mine" in evaluation["metrics"] and "class_share_min_mine" in evaluation["metrics"]
    assert all(name.endswith("_mine") for name in evaluation["metrics"])
    for name in ("fd", "kd"):  # calibrated by the judge's protocol
        assert evaluation["metrics"][f"{name}_mine"]["floor"]["value"] == pytest.approx(mine.card.floor[name], rel=1e-6)
    assert evaluation["protocol"]["extractors"]["mine"]["trained_on"]["name"] == "digits"

    quick = ("debug=fast_dev_run", "model=gan/dense", "progress_bar=false", "data.batch_size=200", "run.dir=trained")
    code, out, err = run("train", *small, *quick, "metrics.num_samples=40")
    assert code == 0, err
    assert "fd_mine" in out and "digits_cnn_v1" not in out


def test_a_file_that_cannot_be_used_is_reported_before_training(run: Command) -> None:
    Path("foreign.safetensors").write_text("nothing of the kind")
    for file, message in (("absent", "cannot be read"), ("foreign", "no safetensors file")):
        small = ("data=digits", "data.size=8", "model=gan/dense", f"metrics.extractor={file}.safetensors")
        code, _, err = run("train", *small, f"run.dir=run-{file}")
        assert code == 2 and f"{file}.safetensors" in err and message in err
        assert not list(Path(f"run-{file}").rglob("*.ckpt")) and "training" not in err
        code, _, err = run("evaluate", "samples=nowhere", *small[:2], small[3])
        assert code == 2 and message in err


def test_colour_folders_of_odd_shape(run: Command, tmp_path: Path) -> None:
    paint(tmp_path / "pictures", ["cat", "dog"], 60, (10, 14))
    data = ("data=image_folder", "data.root=pictures", "data.test_fraction=0.4")
    code, _, err = run("extractor", *data, "widths=[4]", "epochs=2", "name=pets", "out=pets", "shift=0.2")
    assert code == 0, err
    mine = TrainedExtractor("pets/pets.safetensors")
    assert (mine.card.size, mine.card.channels, mine.card.classes) == (12, 3, ("cat", "dog"))
    assert mine.preprocessing["channels"] == "colour only"
    assert "class_dropped" in mine.card.ladder or mine.card.floor["n_heldout"] < 45


def test_data_that_cannot_teach(run: Command, tmp_path: Path) -> None:
    paint(tmp_path / "flat", ["cat"], 60)
    paint(tmp_path / "few", ["cat", "dog"], 20)
    folder = "data=image_folder"
    for arguments, message in (
        ([], "data: a value is needed"),
        ([folder, "data.root=flat"], "data: image_folder is unlabelled"),
        ([folder, "data.root=few"], "below the 20 that the calibration needs"),
        (["data=ring"], "data: an extractor is made for pictures, and ring holds points"),
    ):
        code, _, err = run("extractor", *arguments)
        assert code == 2 and message in err, err
        assert not Path("extractors").exists()


def test_settings_out_of_range(run: Command) -> None:
    for setting, message in (
        ("name='my pets'", "name: 'my pets'"),
        ("lr=0", "lr: 0"),
        ("shift=0.5", "shift: 0.5"),
        ("widths=[]", "widths: []"),
        ("size=2", "size: 2 is below the limit of 4"),
        ("epochs=0", "epochs: 0 is below the limit of 1"),
        ("batch_size=1", "batch_size: 1 is below the limit of 2"),
        ("num_samples=5", "num_samples: 5 is below the limit of 20"),
    ):
        code, _, err = run("extractor", "data=digits", "data.size=8", setting)
        assert code == 2 and message in err, err


def test_a_loss_that_is_not_finite_ends_the_training(run: Command) -> None:
    code, _, err = run("extractor", *SMALL, "lr=1e30")
    assert code == 1 and "lower lr" in err


class Guesses(ImageData):
    """Noise with labels that say nothing of it."""

    classes = ("a", "b", "c")

    def read(self, split: Split) -> Images:
        num = {"train": 200, "val": 40, "test": 90}[split]
        rng = torch.Generator().manual_seed(num)
        pixels = torch.randint(0, 256, (num, 1, 6, 6), dtype=torch.uint8, generator=rng)
        return Images(pixels, {"label": torch.arange(num) % 3})


class OneClass(Guesses):
    def read(self, split: Split) -> Images:
        return replace(super().read(split), given={"label": torch.zeros_like(super().read(split).labels)})


class FewOfOne(Guesses):
    def read(self, split: Split) -> Images:
        images = super().read(split)
        assert images.labels is not None
        return replace(images, given={"label": torch.where(torch.arange(len(images)) < 3, 2, images.labels % 2)})


@pytest.fixture
def draft() -> Callable[[ImageData], Card]:
    from omegaconf import OmegaConf

    config = OmegaConf.create({"name": "guesser", "size": None, "widths": [4], "num_features": 4})
    return lambda data: extractor._draft(data, config, RECIPE)


def test_an_extractor_that_has_learned_nothing_says_so(draft: Callable[[ImageData], Card]) -> None:
    data = Guesses(name="guesses")
    card = draft(data)
    trained = train(card, data.split("train"), RECIPE)  # pyright: ignore
    found = calibrate(trained, card, data, 1000)
    assert any("barely above" in warning and "of chance" in warning for warning in found.warnings)
    assert any("does not rise with the damage of" in warning for warning in found.warnings)
    assert "Warning" in found.markdown("0")


def test_classes_with_few_images(draft: Callable[[ImageData], Card]) -> None:
    assert draft(FewOfOne(name="few")).warnings == ("fewer than 10 training images of c (3)",)
    with pytest.raises(Exception, match="data: one trains one class only"):
        draft(OneClass(name="one"))


def test_augmentation_moves_and_mirrors() -> None:
    images = torch.randint(0, 256, (40, 3, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def seen(shift: float, flip: bool) -> torch.Tensor:
        return augmented(images, torch.Generator().manual_seed(1), shift=shift, flip=flip)

    assert torch.equal(seen(0, False), images.float())
    mirrored = (seen(0, True) == images.flip(3)).flatten(1).all(1)
    assert 5 < mirrored.sum() < 35
    assert torch.equal(seen(0, True)[~mirrored], images[~mirrored].float())
    moved = seen(0.25, False)
    inner = images[:, :, 2:6, 1:5].float()
    places = [(moved[:, :, y : y + 4, x : x + 4] == inner).flatten(1).all(1) for y in range(5) for x in range(3)]
    assert torch.stack(places).any(0).all() and sum(place.any() for place in places) > 5


def test_a_recipe_keeps_to_its_limits() -> None:
    with pytest.raises(ConfigError, match="lr: -1"):
        replace(RECIPE, lr=-1.0)
