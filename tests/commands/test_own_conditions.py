"""Conditions from outside genloom: a picture and a text, told to a VAE and to a GAN, and the data turned round."""

import json

import numpy as np
import pytest
import torch

from genloom.runs import checkpoint

PARTS = '''
"""Pictures of a bright half, each with a sketch of it and a caption: what a user's data set may give."""

import torch

from genloom.contents.image import ImageContent, Images
from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Characters
from genloom.data.images.base import ImageData
from genloom.networks.embedders import Embedder

CAPTIONS = ("left ", "right", "above", "below")
LETTERS = Characters("".join(sorted(set("".join(CAPTIONS)))))


class Halves(ImageData):
    classes = None

    def conditions(self):
        return {"sketch": ImageContent(1, 8, 8), "caption": TextContent(5, LETTERS)}

    def read(self, split):
        rng = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
        kind = torch.randint(0, 4, (80,), generator=rng)
        half = torch.arange(8) < 4
        across, down = half.expand(8, 8), half.unsqueeze(1).expand(8, 8)
        lit = torch.stack([across, ~across, down, ~down])[kind].unsqueeze(1)
        noise = torch.randint(0, 60, (80, 1, 8, 8), generator=rng)
        tokens = torch.stack([LETTERS.encode(caption) for caption in CAPTIONS])[kind]
        return Images((lit * 190 + noise).byte(), {"sketch": (255 * lit).byte(), "caption": tokens})


class Mean(Embedder):
    """The mean of each row of a sketch."""

    kind = ImageContent

    def __init__(self, condition, *, dim=None, std=1.0):
        super().__init__()
        self.dim = condition.height

    def forward(self, values):
        return values.mean((1, 3))
'''
FILES = {
    "outside_pairs/parts.py": PARTS,
    "conf/data/halves.yaml": """
_target_: outside_pairs.parts.Halves
name: halves
batch_size: 20
seed: ${seed}
""",
    "conf/network/embedder/mean.yaml": """
_target_: outside_pairs.parts.Mean
_partial_: true
""",
}
TRAIN = ["--config-dir", "conf", "trainer.max_steps=3", "progress_bar=false"]
VAE = [
    "model=vae/dense",
    "likelihood@model.likelihood=gaussian",
    "network/conditioning@model.conditioning=concatenation",
]
GAN = [
    "model=gan/dense",
    "network/conditioning@model.generator.conditioning=concatenation",
    "network/head@model.discriminator.head=projection",
]
TOLD = {
    "vae": ["data=halves", *VAE],
    "gan": ["data=halves", *GAN],
    "own embedder": ["data=halves", *VAE, "+network/embedder@model.conditioning.embedders.sketch=mean"],
    "turned round": ["data=turned", "data@data.source=halves", "data.models=sketch", *GAN],
}


@pytest.mark.parametrize("told", TOLD)
def test_a_picture_and_a_text_are_told_in_training_and_in_every_command(run, outside, told):
    code, out, err = run("train", *TRAIN, *TOLD[told], "metrics.num_samples=60", "run.dir=one")
    assert code == 0, err
    assert "warning" not in out and "warning" not in err
    given = {"sketch", "caption"} if told != "turned round" else {"content", "caption"}
    assert checkpoint.read(outside / "one")["genloom"]["spec"]["given"].keys() == given

    trust = "trust=[outside_pairs]"
    code, out, err = run("sample", "checkpoint=one", trust, "num=70", "out=drawn")
    assert code == 0, err
    with np.load(outside / "drawn" / "samples.npz") as archive:
        assert {f"given.{name}" for name in given} < set(archive.files)
        assert archive["given.caption"].shape == (70, 5) and len(np.unique(archive["given.caption"], axis=0)) == 4

    if told == "own embedder":  # an asked-for nothing needs no value of its own
        code, _, err = run("train", *TRAIN, *TOLD[told], "model.drop_given.sketch=0.5", "metrics=none", "run.dir=two")
        assert code == 0, err
        code, _, err = run("sample", "checkpoint=two", trust, "num=6", "given.sketch=null", "out=untold")
        assert code == 0, err
        with np.load(outside / "untold" / "samples.npz") as archive:
            assert "given.sketch" not in archive.files and "given.caption" in archive.files
    if told == "vae":
        code, _, err = run("sample", "checkpoint=one", trust, "num=6", "given.caption=[above,right]", "out=asked")
        assert code == 0, err
        with np.load(outside / "asked" / "samples.npz") as archive:
            letters = sorted(set("left rightabovebelow"))
            texts = ["".join(letters[token] for token in tokens) for tokens in archive["given.caption"]]
        assert texts == 3 * ["above", "right"]
        code, _, err = run("sample", "checkpoint=one", trust, "given.caption=left", "out=left")
        assert (code, "given.caption: 'left' is 4 tokens long; give texts of 5" in err) == (2, True), err

    code, out, err = run("evaluate", "--config-dir", "conf", "checkpoint=one", trust, "out=own")
    assert code == 0, err
    assert json.loads((outside / "own" / "metrics.json").read_text())["evaluation"]["metrics"]
    code, out, err = run("explore", "checkpoint=one", trust, "out=looks")
    assert code == 0 and (outside / "looks" / "interpolation.png").exists(), err
    code, out, err = run("report", "runs=[one]")
    assert code == 0, err


def test_a_condition_is_built_only_where_its_package_is_trusted(run, outside):
    code, _, err = run("train", *TRAIN, *TOLD["own embedder"], "callbacks=none", "metrics=none", "run.dir=one")
    assert code == 0, err
    code, _, err = run("sample", "checkpoint=one")
    assert (code, err.count("\n")) == (2, 1), err
    assert "outside_pairs" in err and "trust=[outside_pairs]" in err


def test_the_weights_of_what_is_told_are_used(run, outside):
    """A VAE that is told the half draws it: the mean picture of a sketch is nearer to it than to the others."""
    long = ["trainer.max_steps=150", "callbacks=none", "metrics=none", "run.dir=one"]
    code, _, err = run("train", *TRAIN, *TOLD["vae"], *long)
    assert code == 0, err
    code, _, err = run("sample", "checkpoint=one", "trust=[outside_pairs]", "num=100", "out=drawn")
    assert code == 0, err
    with np.load(outside / "drawn" / "samples.npz") as archive:
        drawn, sketches = (torch.from_numpy(archive[name]).float() for name in ("images", "given.sketch"))
    distance = (drawn.flatten(1) - sketches.reshape(len(drawn), -1)).abs().mean()
    others = (drawn.flatten(1) - sketches.roll(1, 0).reshape(len(drawn), -1)).abs().mean()
    assert distance < 0.6 * others
