"""A kind of content from outside genloom: one class and a data set, and every command knows what to do."""

import json

import numpy as np
import pytest
import torch

from genloom.errors import CheckpointError
from genloom.runs import checkpoint, loading
from genloom.spec import Spec

PARTS = '''
"""Two-channel periodic fields, as of a wind around a ring: a kind of content, data of it, a look and an extractor."""

import hashlib
from dataclasses import dataclass

import torch

from genloom.contents.base import Values
from genloom.contents.shown import Text, grid
from genloom.data.base import InMemoryData
from genloom.examples import Examples
from genloom.extractors.features import FeatureExtractor, Features
from genloom.inspections.base import PictureLook
from genloom.models.abilities import Samples
from genloom.models.generation import draw_examples


@dataclass(frozen=True)
class FieldContent(Values):
    called = "fields"
    array = "fields"

    height: int
    width: int

    @property
    def shape(self):
        return 2, self.height, self.width

    def show(self, stored, *, columns=None):
        strength = stored.square().sum(1, keepdim=True).sqrt()
        return grid((255 * (strength / 2).clamp(0, 1)).to(torch.uint8), columns=columns)


class Fields(InMemoryData):
    classes = None
    kind = FieldContent

    def __init__(self, *, side, **in_memory):
        super().__init__(**in_memory)
        self.side = side

    def content(self):
        return FieldContent(self.side, self.side)

    def read(self, split):
        rng = torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
        phase = 6.2831853 * torch.rand(80, 2, 1, 1, generator=rng)
        angle = torch.arange(self.side) * (6.2831853 / self.side)
        return Examples((phase + angle.view(-1, 1) + angle).sin())


class Strongest(PictureLook):
    name = "strongest"
    kind = FieldContent
    requires = Samples

    def picture(self, model, data):
        drawn = draw_examples(model, 4, seed=model.seed).content
        return Text(f"{drawn.square().sum(1).max():.3f} of {data().split('train').content.square().sum(1).max():.3f}")


class Flat(FeatureExtractor):
    name = "flat"
    layer = "values"
    kind = FieldContent
    weights_sha256 = hashlib.sha256(b"").hexdigest()
    preprocessing = {"values": "as stored"}

    def extract(self, images):
        return Features(images.flatten(1).float(), torch.empty(len(images), 0))
'''
FILES = {
    "outside_fields/parts.py": PARTS,
    "conf/data/fields.yaml": """
_target_: outside_fields.parts.Fields
name: fields
side: 6
batch_size: 20
seed: ${seed}
""",
    "conf/callbacks/strongest.yaml": """
strongest:
  _target_: outside_fields.parts.Strongest
""",
    "conf/metrics/fields.yaml": """
_target_: genloom.judging.judge.Judge
_convert_: all
num_samples: 60
extractors:
  flat:
    _target_: outside_fields.parts.Flat
metrics:
  frechet:
    _target_: genloom.metrics.frechet.FrechetDistance
  reconstruction:
    _target_: genloom.metrics.reconstruction.Reconstruction
  likelihood:
    _target_: genloom.metrics.likelihood.Likelihood
    num_importance: 2
""",
}
FIELDS = ["--config-dir", "conf", "data=fields", "metrics=fields", "trainer.max_steps=3", "progress_bar=false"]
MODELS = {
    "vae": ["model=vae/dense", "likelihood@model.likelihood=gaussian", "model.bottleneck.dim=2"],
    "gan": ["model=gan/dense"],
}


@pytest.mark.parametrize("model", MODELS)
def test_own_content_is_trained_sampled_judged_and_reported(run, outside, model):
    looks = "callbacks=[suite/default,strongest]"
    code, out, err = run("train", *FIELDS, *MODELS[model], looks, "run.dir=runs/one")
    assert code == 0, err
    assert "neighbours: not drawn: made for pictures, and the data holds fields" in out
    assert "final.ckpt trust=[outside_fields]" in out  # so that the line works when it is pasted
    drawn = {path.name for path in (outside / "runs" / "one" / "samples").iterdir()}
    assert drawn == {"samples-0000003.png", "interpolation-0000003.png", "strongest-0000003.txt"}
    plain = checkpoint.read(outside / "runs" / "one")["genloom"]["spec"]
    assert plain["content"] == {"kind": "outside_fields.parts.FieldContent", "height": 6, "width": 6}
    assert Spec.from_dict(plain).to_dict() == plain

    code, out, err = run("sample", "checkpoint=runs/one", "trust=[outside_fields]", "num=70", "out=drawn")
    assert code == 0, err
    assert "array:    drawn/samples.npz (fields, 70x2x6x6 float32)" in out
    assert {path.name for path in (outside / "drawn").iterdir()} == {"samples.png", "samples.npz"}
    with np.load(outside / "drawn" / "samples.npz") as archive:
        assert archive["fields"].shape == (70, 2, 6, 6)

    code, out, err = run("evaluate", "--config-dir", "conf", "checkpoint=runs/one", "trust=[outside_fields]", "out=own")
    assert code == 0, err
    judged = json.loads((outside / "own" / "metrics.json").read_text())["evaluation"]
    assert judged["metrics"]["fd_flat"]["floor"]["value"] > 0
    assert ("nll_bound" in judged["metrics"]) == (model == "vae")
    assert judged["protocol"]["data"]["content"] == {"height": 6, "width": 6}
    assert {"metric": "psnr", "reason": "made for pictures, and the data holds fields"} in judged["not_applicable"]

    code, _, err = run("evaluate", *FIELDS[:4], "samples=drawn/samples.npz", "out=foreign")
    assert code == 0, err
    assert json.loads((outside / "foreign" / "metrics.json").read_text())["evaluation"]["metrics"]["fd_flat"]
    np.savez(outside / "other.npz", np.zeros((70, 3, 6, 6)))
    code, _, err = run("evaluate", *FIELDS[:4], "samples=other.npz", "out=foreign")
    assert (code, "at least 2 of (2, 6, 6) are needed" in err) == (2, True), err

    code, out, err = run("report", "runs=[runs/one]")
    assert code == 0, err
    assert "fields" in out
    if model == "vae":
        code, out, err = run("reconstruct", "checkpoint=runs/one", "trust=[outside_fields]", "num=5", "out=again")
        assert code == 0, err
        assert "of values\n" in out and (outside / "again" / "grid.png").exists()


def test_own_content_is_built_only_where_its_package_is_trusted(run, outside):
    code, _, err = run("train", *FIELDS, *MODELS["gan"], "callbacks=none", "metrics=none", "run.dir=one")
    assert code == 0, err
    code, _, err = run("sample", "checkpoint=one")
    assert (code, err.count("\n")) == (2, 1), err
    assert "'outside_fields.parts.FieldContent' is not part of genloom" in err and "trust=[outside_fields]" in err


def test_networks_of_pictures_are_refused(run, outside):
    code, _, err = run("train", *FIELDS, "model=gan/dcgan", "callbacks=none", "run.dir=one")
    assert (code, "DCGANGenerator is made for pictures, and data.name=fields holds fields" in err) == (2, True), err


def test_a_checkpoint_of_before_is_said_to_be_older(run, outside):
    arguments = ["data=ring", "model=gan/dense", "callbacks=none", "metrics=none", "trainer.max_steps=1"]
    assert run("train", *arguments, "progress_bar=false", "run.dir=one")[0] == 0
    file = checkpoint.find(outside / "one")
    content = checkpoint.read(file)
    del content["digest"]
    content["genloom"]["spec"] = {
        "kind": "spec", "name": "ring", "content": {"kind": "vector", "dim": 2, "domain": "ring"}, "condition": None
    }  # fmt: skip
    torch.save({**content, "digest": checkpoint.digest(content)}, file)
    with pytest.raises(CheckpointError, match=r"^[^\n]*final\.ckpt: it is of an older version of genloom[^\n]*$"):
        loading.load(file)
