"""How to draw, through the commands: a sampler from outside genloom, the checkpoint's, and changes of its values."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genloom
from genloom.errors import CheckpointError
from genloom.models.generation import draw_examples
from genloom.runs import checkpoint

PARTS = '''
"""Draws more than is asked for, and keeps the brightest."""

from dataclasses import dataclass

from genloom.batch import Batch, Given
from genloom.models.abilities import Samples
from genloom.samplers.base import Sampler


@dataclass(frozen=True)
class Brightest(Sampler):
    needs = Samples

    times: int = 2

    def draw(self, model, num, *, rng, given=None) -> Batch:
        content = model.sample(self.times * num, rng=rng).content
        order = content.flatten(1).mean(1).argsort(descending=True)
        return model.generated(content[order[:num]], Given())
'''
FILES = {
    "outside_drawing/parts.py": PARTS,
    "conf/sampler/brightest.yaml": "_target_: outside_drawing.parts.Brightest\ntimes: 3\n",
}
SMALL = ["data.size=8", "data.batch_size=200", "model=gan/dense", "trainer.max_steps=2", "metrics.num_samples=60"]
QUIET = ["callbacks=sample_grid", "logger=none", "progress_bar=false"]
TRUST = "trust=[outside_drawing]"


def judged(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["evaluation"]


def distance(folder: Path) -> float:
    return judged(folder)["metrics"]["kd_digits_cnn_v1"]["candidates"]["ema"]["value"]


def images(folder: Path) -> np.ndarray:
    with np.load(folder / "samples.npz") as archive:
        return archive["images"]


def test_own_sampler_is_trained_with_sampled_judged_and_reported(run, outside):
    code, _, err = run("train", *SMALL, *QUIET, "run.dir=runs/plain")
    assert code == 0, err
    own = ["--config-dir", "conf", "sampler=brightest"]
    code, out, err = run("train", *SMALL, *QUIET, *own, "run.dir=runs/own")
    assert code == 0, err
    assert "drawn by outside_drawing.parts.Brightest times=3" in " ".join(out.split())
    protocol = {"name": "outside_drawing.parts.Brightest", "values": {"times": 3}, "plain": False}
    assert judged(outside / "runs" / "own")["protocol"]["sampler"] == protocol
    plain, brightest = (genloom.load(outside / "runs" / name, trust=["outside_drawing"]) for name in ("plain", "own"))
    for name, weight in plain.state_dict().items():  # how a model is drawn from does not change what it learns
        assert torch.equal(weight, brightest.state_dict()[name]), name
    assert distance(outside / "runs" / "own") != distance(outside / "runs" / "plain")

    code, _, err = run("sample", "checkpoint=runs/own", TRUST, "num=9", "out=drawn")
    assert code == 0, err
    drawn = draw_examples(brightest, 9, seed=0).content  # type: ignore[arg-type]
    assert np.array_equal(images(outside / "drawn"), drawn.permute(0, 2, 3, 1).numpy())
    assert run("sample", "checkpoint=runs/own", TRUST, "num=9", "sampler=plain", "out=undone")[0] == 0
    assert run("sample", "checkpoint=runs/plain", "num=9", "out=plain")[0] == 0
    assert np.array_equal(images(outside / "undone"), images(outside / "plain"))
    assert images(outside / "drawn").mean() > images(outside / "plain").mean()
    assert run("sample", "checkpoint=runs/own", TRUST, "num=9", "sampler.times=1", "out=once")[0] == 0
    assert np.array_equal(np.sort(images(outside / "once"), 0), np.sort(images(outside / "plain"), 0))

    code, _, err = run("evaluate", "checkpoint=runs/own", TRUST, "out=again")
    assert code == 0, err
    assert judged(outside / "again")["protocol"]["sampler"] == protocol
    assert distance(outside / "again") == distance(outside / "runs" / "own")
    code, _, err = run("evaluate", *own, "checkpoint=runs/plain", "out=otherwise")
    assert code == 0, err
    assert distance(outside / "otherwise") == distance(outside / "runs" / "own")

    code, out, err = run("report", "runs", "out=tables")
    assert code == 0, err
    tables = (outside / "tables" / "report.md").read_text()
    assert tables.count("## Protocol") == 2
    assert "Samples are drawn by outside\\_drawing" in tables or "drawn by outside_drawing.parts.Brightest" in tables
    assert "differs in sampler.name" in tables

    code, out, err = run("explore", "checkpoint=runs/own", TRUST, "callbacks=sample_grid", "metrics=none", "out=looks")
    assert code == 0, err
    look = outside / "runs" / "own" / "samples" / "samples-0000002.png"
    assert (outside / "looks" / "sample_grid.png").read_bytes() == look.read_bytes()
    look = outside / "runs" / "plain" / "samples" / "samples-0000002.png"
    assert (outside / "looks" / "sample_grid.png").read_bytes() != look.read_bytes()

    for command in ("sample", "evaluate", "explore"):
        code, _, err = run(command, "checkpoint=runs/own")
        assert (code, err.count("\n")) == (2, 1), err
        assert "sampler: 'outside_drawing.parts.Brightest' is not part of genloom" in err
        code, _, err = run(command, "checkpoint=runs/own", TRUST, "sampler.tims=3")
        assert (code, err.count("\n")) == (2, 1), err
        assert "sampler.tims: Brightest, the sampler of runs/own" in err and "did you mean times?" in err
    code, _, err = run("sample", "checkpoint=runs/own", TRUST, "sampler.times=many")
    assert (code, "sampler.times: 'many' does not fit" in err) == (2, True), err


def test_a_sampler_that_does_not_fit_is_refused_before_training(run, outside):
    code, _, err = run("train", *SMALL, *QUIET, "sampler=truncated", "run.dir=one")
    assert (code, err.count("\n")) == (2, 1), err
    assert "sampler: Truncated needs Truncate; this model offers" in err and "sampler=plain fits it" in err
    assert not (outside / "one" / "checkpoints").exists()
    code, _, err = run("evaluate", "samples=drawn", "data=digits", "sampler=plain")
    assert (code, "sampler: samples=… were drawn already" in err) == (2, True), err


def changed(file: Path, sampler: Any) -> None:
    content = checkpoint.read(file)
    del content["digest"]
    content["genloom"]["sampler"] = sampler
    torch.save({**content, "digest": checkpoint.digest(content)}, file)


def test_what_a_checkpoint_says_of_its_sampler_is_not_believed(run, outside):
    quick = [*SMALL[:3], "trainer.max_steps=1", "callbacks=none", "logger=none", "metrics=none", "progress_bar=false"]
    assert run("train", *quick, "run.dir=one")[0] == 0
    file = checkpoint.find(outside / "one")
    truncated = "genloom.samplers.truncated.Truncated"
    for message, sampler in {
        "'os.system' is not part of genloom": {"_target_": "os.system", "command": "touch executed"},
        "genloom.models.gan.GAN is no Sampler": {"_target_": "genloom.models.gan.GAN"},
        "it describes no Sampler": {},
        "describes no Sampler; nothing": "plain",
        "sampler: Truncated needs Truncate": {"_target_": truncated, "psi": 0.5},
        "sampler.psi: nan is not finite": {"_target_": truncated, "psi": float("nan")},
        "would be computed": {"_target_": truncated, "psi": "${oc.env:HOME}"},
        "unexpected keyword argument 'other'": {"_target_": truncated, "other": 3},
    }.items():
        changed(file, sampler)
        with pytest.raises(CheckpointError) as error:
            genloom.load(file)
        assert message in str(error.value) and str(file) in str(error.value) and "\n" not in str(error.value)
    assert not (outside / "executed").exists()
    changed(file, None)  # as of before samplers were recorded
    code, _, err = run("sample", "checkpoint=one", "num=2", "out=drawn")
    assert code == 0, err
    code, _, err = run("sample", "checkpoint=one", "sampler.temperature=0.5")
    assert "sampler.temperature: Plain, the sampler of one" in err and "it has none\n" in err  # tokens would not fit it


def test_a_text_is_drawn_as_its_checkpoint_says_unless_somebody_says_otherwise(run, tmp_path):
    (tmp_path / "input.txt").write_text("".join(f"{i} and {i + 1} are {2 * i + 1}.\n" for i in range(300)))
    few = ["metrics.metrics.samples.num=4", "metrics.metrics.samples.length=40", "callbacks=none", "logger=none"]
    recipe = ["model=text/ngram", "data=text", "data.path=input.txt", "progress_bar=false", *few]
    for name, sampler in {"plain": [], "greedy": ["sampler.temperature=0"]}.items():
        code, _, err = run("train", *recipe, *sampler, f"run.dir=runs/{name}")
        assert code == 0, err
    plain, greedy = (judged(tmp_path / "runs" / name) for name in ("plain", "greedy"))
    assert greedy["protocol"]["sampler"]["values"] == {"temperature": 0, "top_k": None, "top_p": None}
    assert (plain["protocol"]["sampler"]["plain"], greedy["protocol"]["sampler"]["plain"]) == (True, False)
    bleu = [each["metrics"]["self_bleu_2"]["candidates"]["raw"]["value"] for each in (plain, greedy)]
    assert bleu[0] < 1 and bleu[1] == pytest.approx(1)  # all texts are the same
    texts = {
        name: run("sample", f"checkpoint=runs/{run_name}", "num=1", "length=30", f"out={name}", *changes)[1]
        for name, run_name, changes in (
            ("a", "greedy", []),
            ("b", "plain", ["sampler.temperature=0"]),
            ("c", "plain", ["sampler=tokens", "sampler.temperature=0"]),
            ("d", "plain", []),
            ("e", "greedy", ["sampler.temperature=1"]),
            ("f", "greedy", ["sampler=plain"]),
        )
    }
    written = {name: (tmp_path / name / "0.txt").read_text() for name in texts}
    assert written["a"] == written["b"] == written["c"] != written["d"] == written["e"] == written["f"]
