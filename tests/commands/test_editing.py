"""``genloom sample`` of given pictures: begun at them, or with a part of them kept."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nodes
from genloom.contents.shown import Picture
from genloom.runs import checkpoint

HEUN = {"_target_": "genloom.samplers.heun.Heun", "steps": 4}


@pytest.fixture
def trained(tiny_diffusion, tiny_data, fit, tmp_path) -> Path:
    """A checkpoint, in a folder with two pictures, ``pictures``, and a mask of their right half, ``mask.png``."""
    model = tiny_diffusion()
    model.identity = {
        "model": nodes.diffusion(),
        "data": {},
        "sampler": HEUN,
        "metrics": None,
        "data_fingerprint": "none",
    }
    fit(model, tiny_data, max_steps=2, plugins=[checkpoint.SafeCheckpointIO()]).save_checkpoint(tmp_path / "a.ckpt")
    (tmp_path / "pictures").mkdir()
    for number, picture in enumerate(tiny_data.split("test").content[:2]):
        Picture(picture).save_png(tmp_path / "pictures" / f"{number}.png")
    mask = torch.zeros(1, 4, 4, dtype=torch.uint8)
    mask[..., 2:] = 255
    Picture(mask).save_png(tmp_path / "mask.png")
    return tmp_path


def pictures(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file)) for file in sorted(folder.glob("[0-9]*.png"))])


def test_pictures_are_drawn_anew_in_part_beside_what_they_were_made_of(run, trained):
    code, out, err = run("sample", "checkpoint=a.ckpt", "images=pictures", "mask=mask.png", "num=5", "out=drawn")
    assert code == 0, err
    assert "beside:   drawn/beside.png (the samples, then what they were made of)" in out
    drawn, given = pictures(trained / "drawn"), pictures(trained / "pictures")[[0, 1, 0, 1, 0]]
    assert (drawn[:, :, :2] == given[:, :, :2]).all() and (drawn[:, :, 2:] != given[:, :, 2:]).any()
    assert (np.load(trained / "drawn" / "samples.npz")["images"][..., 0] == drawn).all()
    code, out, err = run("sample", "checkpoint=a.ckpt", "images=drawn", "box=[0,0,1,1]", "num=5", "out=again")
    assert code == 0, err  # neither grid.png nor beside.png is taken for a picture
    code, out, err = run("sample", "checkpoint=a.ckpt", "images=pictures", "strength=0.5", "num=2", "out=begun")
    assert code == 0 and not (pictures(trained / "begun") == given[:2]).all(), err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["strength=0.5"], "strength: 0.5 is of given pictures, and none are; set images=FOLDER"),
        (["box=[0,0,1,1]"], "box: .* is of given pictures, and none are; set images=FOLDER"),
        (["images=pictures"], "images: with strength=1 nothing is left of them; set strength=0.6"),
        (["images=pictures", "mask=mask.png", "box=[0,0,1,1]"], "mask, box: both say what is drawn"),
        (["images=pictures", "mask=gone.png"], "mask: there is no file or folder gone.png"),
        (["images=gone", "strength=0.5"], "images: gone is neither a folder"),
        (["images=pictures", "strength=1.5"], "strength: 1.5 is above the limit of 1"),
        (["images=pictures", "strength=0.5", "sampler=plain"], "strength: 0.5 needs a sampler that begins"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, trained, arguments, message):
    code, _, err = run("sample", "checkpoint=a.ckpt", "num=2", *arguments)
    assert code == 2 and re.match(f"error: {message}", err) and err.count("\n") == 1, err
    assert not list((trained / "samples").glob("*"))


def test_gaps_are_not_filled_by_a_model_that_is_told_a_column(run, tiny_diffusion, tiny_labelled, fit, tmp_path):
    model = tiny_diffusion(spec=tiny_labelled.describe())
    model.identity = {
        "model": nodes.diffusion(),
        "data": {},
        "sampler": HEUN,
        "metrics": None,
        "data_fingerprint": "none",
    }
    fit(model, tiny_labelled, max_steps=1, plugins=[checkpoint.SafeCheckpointIO()]).save_checkpoint(tmp_path / "a.ckpt")
    code, _, err = run("impute", "checkpoint=a.ckpt", "data.path=gaps.csv")
    assert code == 2 and err.startswith("error: checkpoint: a.ckpt is told label of a row before the others"), err
