"""The commands, as a user runs them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import genloom
from genloom.models.gan import GAN
from genloom.runs import checkpoint

SMALL = ["data.size=8", "model=gan/dense", "data.batch_size=200", "progress_bar=false"]
QUIET = ["callbacks=none", "logger=none", "metrics=none"]
Command = Callable[..., tuple[int, str, str]]


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Starts a command in a process of its own, with as many threads as this one, since they decide the rounding."""
    threads = str(torch.get_num_threads())
    environment = {**os.environ, "GENLOOM_CACHE": str(cwd / "cache"), "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", "genloom", *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_train_sample_evaluate(run, tmp_path):
    looks, sizes = "callbacks.sample_grid.every_iterations=2", "metrics.num_samples=300"
    code, out, err = run("train", *SMALL, "debug=fast_dev_run", looks, sizes, "run.dir=first", "seed=5")
    assert code == 0, err
    first = tmp_path / "first"
    assert {path.name for path in first.iterdir()} >= {
        "config.yaml", "overrides.yaml", "environment.json", "status.json", "metrics.json",
        "checkpoints", "tensorboard", "samples",
    }  # fmt: skip
    assert read_json(first / "status.json")["status"] == "finished"
    assert "fd_digits_cnn_v1" in out
    metrics = read_json(first / "metrics.json")
    assert metrics["efficiency"]["iterations"] == 3
    assert set(metrics["evaluation"]["metrics"]["fd_digits_cnn_v1"]["candidates"]) == {"ema", "raw"}
    assert metrics["evaluation"]["protocol"]["extractors"]["digits_cnn_v1"]["weights_sha256"].startswith("7a86a098")
    environment = read_json(first / "environment.json")
    assert len(environment["data_fingerprint"]) == 64 and environment["device"] == "cpu"
    assert environment["precision"] == "32-true" and not environment["deterministic"]
    assert environment["captured"] is None  # no graphs on a CPU
    for name in ("samples-0000002.png", "samples-0000003.png", "interpolation-0000003.png"):
        with Image.open(first / "samples" / name) as image:
            assert min(image.size) > 50

    # a copied checkpoint is enough, wherever it lies
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(first / "checkpoints" / "final.ckpt", elsewhere / "copied.ckpt")
    shutil.rmtree(first)
    for folder in ("one", "two"):
        code, out, err = run("sample", "checkpoint=elsewhere/copied.ckpt", "num=5", "seed=3", f"out={folder}")
        assert code == 0, err
    for key, reason in (("given.prompt=hello", "it can be given"), ("sampler=tokens", "Continue")):  # of text
        code, _, err = run("sample", "checkpoint=elsewhere/copied.ckpt", key)
        assert code == 2 and key.partition("=")[0] in err and reason in err
    for key, now in (("classes=[3]", "given.label=[…]"), ("prompt=hello", "given.prompt=…")):  # of before
        code, _, err = run("sample", "checkpoint=elsewhere/copied.ckpt", key)
        assert code == 2 and now in err
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["0.png", "1.png", "2.png", "3.png", "4.png", "grid.png", "samples.npz"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    with np.load(tmp_path / "one" / "samples.npz") as archive:
        assert archive["images"].shape == (5, 8, 8, 1)
    code, _, err = run("sample", "checkpoint=elsewhere/copied.ckpt", "num=5", "seed=4", "out=three")
    assert (tmp_path / "one" / "grid.png").read_bytes() != (tmp_path / "three" / "grid.png").read_bytes()

    code, out, err = run("evaluate", "checkpoint=elsewhere/copied.ckpt", "metrics.num_samples=100", "out=judged")
    assert code == 0, err
    assert read_json(tmp_path / "judged" / "metrics.json")["evaluation"]["headline"] == "kd_digits_cnn_v1"

    # pictures of any other program, by the same protocol
    run("sample", "checkpoint=elsewhere/copied.ckpt", "num=40", "out=forty")
    values = []
    for samples in ("forty", "forty/samples.npz"):
        code, out, err = run("evaluate", f"samples={samples}", "data=digits", "data.size=8", "out=foreign")
        assert code == 0, err
        values.append(read_json(tmp_path / "foreign" / "metrics.json")["evaluation"]["metrics"]["fd_digits_cnn_v1"])
    assert values[0] == values[1]

    # the pictures that the run was judged by are those of its seed, more of them than one pass through the network
    num = metrics["evaluation"]["protocol"]["n_fake"]
    assert num > 250
    run("sample", "checkpoint=elsewhere/copied.ckpt", f"num={num}", "seed=5", "out=judged_pictures")
    assert (
        run("evaluate", "samples=judged_pictures/samples.npz", "data=digits", "data.size=8", sizes, "out=again")[0] == 0
    )
    again = read_json(tmp_path / "again" / "metrics.json")["evaluation"]["metrics"]
    for name in ("fd_digits_cnn_v1", "kd_digits_cnn_v1", "coverage_digits_cnn_v1"):
        found = again[name]["candidates"]["samples"]["value"]
        assert found == pytest.approx(metrics["evaluation"]["metrics"][name]["candidates"]["ema"]["value"], rel=1e-6)

    # and in Python
    model = genloom.load(elsewhere / "copied.ckpt")
    drawn = model.sample(2, rng=torch.Generator().manual_seed(0))
    assert drawn.content.shape == (2, 1, 8, 8)


CONDITIONAL = [
    "network/conditioning@model.generator.conditioning=concatenation",
    "network/head@model.discriminator.head=projection",
]


def test_a_vae_samples_encodes_and_reconstructs_from_a_checkpoint_alone(run, tmp_path):
    vae = ["data.size=8", "data.binarize=dynamic", "model=vae/dense", "model.bottleneck.dim=3", "progress_bar=false"]
    code, out, err = run("train", *vae, "debug=fast_dev_run", "run.dir=run")
    assert code == 0, err
    assert "genloom sample checkpoint=" in out
    assert "genloom reconstruct checkpoint=" in out
    measured = read_json(tmp_path / "run" / "metrics.json")["evaluation"]["metrics"]
    assert {"nll_bound", "mse", "mse_of_pca", "active_units"} <= measured.keys()
    for picture in ("samples", "reconstructions", "traversal"):
        assert (tmp_path / "run" / "samples" / f"{picture}-0000003.png").exists()
    code, out, err = run("encode", "checkpoint=run", "split=test", "num=5", "out=codes.npz")
    assert code == 0, err
    with np.load(tmp_path / "codes.npz") as archive:
        assert archive["z"].shape == (5, 3)
        assert archive["given.label"].shape == (5,)
    code, out, err = run("encode", "checkpoint=run", "num=5", "out=codes.txt")
    assert "codes.txt.npz" in out and Path("codes.txt.npz").is_file(), err  # what it says is what it writes
    code, _, err = run("encode", "checkpoint=run", "data=digits", "num=5", "out=named.npz")
    assert code == 0, err
    with np.load(tmp_path / "named.npz") as archive, np.load(tmp_path / "codes.npz") as recorded:
        assert np.array_equal(archive["z"], recorded["z"])  # of black and white pixels, as the model was trained on
    assert run("sample", "checkpoint=run", "num=4", "out=drawn")[0] == 0
    code, out, err = run("reconstruct", "checkpoint=run", "images=drawn", "out=again")  # pictures of one's own
    assert code == 0, err
    with np.load(tmp_path / "again" / "reconstructions.npz") as archive:
        assert archive["images"].shape == (4, 8, 8, 1)
    assert (tmp_path / "again" / "grid.png").exists()
    code, _, err = run("reconstruct", "checkpoint=run", "data=image_folder", "data.root=drawn")
    assert (code, "images=FOLDER" in err) == (2, True), err  # too few for three splits
    with np.load(tmp_path / "again" / "reconstructions.npz") as archive:
        np.savez(tmp_path / "one.npz", images=archive["images"][:1])
    for one in ("one.npz", "drawn/2.png"):
        code, _, err = run("encode", "checkpoint=run", f"images={one}", "out=one_code.npz")
        assert code == 0, err
        with np.load(tmp_path / "one_code.npz") as archive:
            assert archive["z"].shape == (1, 3)
    code, _, err = run("evaluate", "samples=one.npz", "data=digits", "data.size=8")
    assert (code, "at least 2 of (1, 8, 8)" in err) == (2, True)


def test_an_autoencoder_is_trained_and_judged_without_samples(run, tmp_path):
    code, out, err = run(
        "train", "experiment=digits/autoencoder", "data.size=8", "trainer.max_steps=2", "run.dir=run",
        "callbacks.evaluation.every_iterations=1", "progress_bar=false",
    )  # fmt: skip
    assert code == 0, err
    assert "genloom sample" not in out
    evaluation = read_json(tmp_path / "run" / "metrics.json")["evaluation"]
    assert evaluation["metrics"].keys() == {
        "rfd_digits_cnn_v1", "fd_reconstructed_digits_cnn_v1", "mse", "mse_of_pca", "psnr",
    }  # fmt: skip
    assert evaluation["headline"] == "mse"
    assert "Likelihood" in evaluation["protocol"]["metrics"]  # so that reports compare it with models that have one
    code, _, err = run("sample", "checkpoint=run")
    assert (code, "genloom sample needs Sample" in err) == (2, True), err
    code, _, err = run("train", "experiment=digits/autoencoder", "data.size=8", "debug=fast_dev_run", "run.dir=dry")
    assert code == 0, err


def test_a_vq_vae_is_sampled_and_encoded_from_a_checkpoint_alone(run, tmp_path):
    small = ["data.size=8", "model.bottleneck.stages=3", "trainer.max_steps=2", "progress_bar=false"]
    code, _, err = run("train", "experiment=digits/vq_vae", *small, "run.dir=run")
    assert code == 0, err
    measured = read_json(tmp_path / "run" / "metrics.json")["evaluation"]["metrics"]
    assert {"codebook_perplexity", "rfd_digits_cnn_v1", "fd_digits_cnn_v1", "nll_bound"} <= measured.keys()
    assert run("sample", "checkpoint=run", "num=4", "out=drawn")[0] == 0
    assert run("encode", "checkpoint=run", "num=5", "out=codes.npz")[0] == 0
    with np.load(tmp_path / "codes.npz") as archive:
        assert archive["codes"].shape == (5, 3)
        assert archive["codes"].dtype == np.int64


def test_sampling_by_class(run, tmp_path):
    code, _, err = run("train", *SMALL, *QUIET, *CONDITIONAL, "trainer.max_steps=1", "run.dir=run")
    assert code == 0, err
    code, out, err = run("sample", "checkpoint=run", "num=6", "given.label=[3,7]", "out=asked")
    assert code == 0, err
    assert "given.label" in out
    with np.load(tmp_path / "asked" / "samples.npz") as archive:
        assert archive.files == ["images", "given.label"]
        assert archive["given.label"].tolist() == [3, 7] * 3
        images = archive["images"]
    with Image.open(tmp_path / "asked" / "grid.png") as image:  # one column per class: 3 rows of 2
        assert image.size == (2 * (2 * 10 + 2), 2 * (3 * 10 + 2))
        grid = np.asarray(image)[::2, ::2]
    assert np.array_equal(grid[2:10, 12:20], images[1, :, :, 0])
    assert run("sample", "checkpoint=run", "num=6", "out=any")[0] == 0
    with np.load(tmp_path / "any" / "samples.npz") as archive:
        assert set(archive["given.label"].tolist()) != {3, 7}
    code, _, err = run("sample", "checkpoint=run", "given.label=[3,cat]")
    assert (code, "given.label: cat is not among 0, 1" in err) == (2, True), err
    asked = (tmp_path / "asked" / "grid.png").read_bytes()
    for folder, given in (("several", "given=label=[3,7]"), ("mapping", "given={label: [3, 7]}")):
        code, _, err = run("sample", "checkpoint=run", "num=6", given, f"out={folder}")
        assert code == 0 and (tmp_path / folder / "grid.png").read_bytes() == asked, err
    code, _, err = run("sample", "checkpoint=run", "given=label=3,colour=red")
    assert (code, "given.colour: the model is told no colour" in err) == (2, True), err
    code, _, err = run("sample", "checkpoint=run", "given.label=null")
    assert (code, "train with model.drop_given.label=0.1, say" in err) == (2, True), err
    dropping = [*CONDITIONAL, "model.drop_given.label=0.5", "trainer.max_steps=1", "run.dir=dropping"]
    assert run("train", *SMALL, *QUIET, *dropping)[0] == 0
    code, _, err = run("sample", "checkpoint=dropping", "given.label=null", "out=untold")
    assert code == 0, err
    for wrong, said in (("given.label=[1,2,3]", "given.label: 3 are asked for"), ("length=9", "length: 9 tokens")):
        code, _, err = run("sample", "checkpoint=run", "num=2", wrong)
        assert (code, said in err) == (2, True), err
    assert not list(Path("samples").iterdir())  # nothing is left of what was refused
    code, out, err = run("sample", "-m", "checkpoint=run", "num=1", "given.label=0,1", "seed=3")
    assert code == 0, err
    drawn = [np.load(f"samples/final-{name}/samples.npz")["given.label"].tolist() for name in ("seed3", "seed3_2")]
    assert drawn == [[0], [1]]
    code, _, err = run("sample", "checkpoint=run", "num=1", "out=any")
    assert (code, "out: any is not empty" in err) == (2, True), err
    code, _, err = run("sample", "checkpoint=run", "sampler=truncated")
    assert (code, "sampler: Truncated needs Truncate" in err) == (2, True), err


def test_exploring_draws_what_the_model_offers_and_says_why_the_rest_is_left_out(run, tmp_path):
    code, _, err = run(
        "train", *SMALL, "callbacks=[interpolation,directions]", "logger=none", "metrics=none",
        "trainer.max_steps=1", "run.dir=run", "seed=4",
    )  # fmt: skip
    assert code == 0, err
    state = torch.get_rng_state()
    code, out, err = run("explore", "checkpoint=run", "out=looks")
    assert code == 0, err
    assert torch.equal(state, torch.get_rng_state())
    drawn = {path.name for path in (tmp_path / "looks").iterdir()}
    assert drawn == {"sample_grid.png", "interpolation.png", "neighbours.png", "directions.png"}
    assert all(f"looks/{name}" in out for name in drawn)
    assert "classes:         left out: it needs Condition; this model offers" in out
    assert "truncation:      left out: it needs Truncate; this model offers" in out
    for name in ("interpolation", "directions"):  # the callbacks' own pictures
        ours, theirs = tmp_path / "looks" / f"{name}.png", tmp_path / "run" / "samples" / f"{name}-0000001.png"
        assert ours.read_bytes() == theirs.read_bytes()
    code, _, err = run("sample", "checkpoint=run", "given.label=[3]")
    assert (code, "given.label: the model is told no label; it can be given nothing" in err) == (2, True), err

    chosen = ["callbacks=[neighbours,directions]", "callbacks.directions.steps=3", "metrics=none", "seed=5", "out=two"]
    code, out, err = run("explore", "checkpoint=run", *chosen)
    assert code == 0, err
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["directions.png"]
    assert "neighbours:      left out: it needs extractors; choose metrics=images" in out
    code, _, err = run("explore", "checkpoint=run", "callbacks=truncation", "out=three")
    assert (code, "callbacks: nothing of truncation can be drawn" in err) == (2, True), err
    code, _, err = run("explore", "checkpoint=run", "callbacks=none")
    assert (code, "callbacks: none leaves nothing to look at" in err) == (2, True), err
    code, _, err = run("explore", "checkpoint=run", "data=digits", "out=three")  # of 32 pixels, if no model says 8
    assert code == 0, err
    code, _, err = run("explore", "checkpoint=run", "data=stacked_digits", "out=four")
    assert (code, "its examples are of (3, 8, 8), those of" in err) == (2, True), err


def test_a_look_that_was_asked_for_is_refused_before_training(run, tmp_path):
    chosen = [*SMALL, "callbacks=[interpolation,truncation]", "logger=none", "metrics=none"]
    code, _, err = run("train", *chosen, "run.dir=run")
    assert (code, "error: callbacks.truncation: it needs Truncate; this model offers" in err) == (2, True), err
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert "~callbacks.truncation" in err
    code, _, err = run("train", *chosen, "~callbacks.truncation", "trainer.max_steps=1", "run.dir=another")
    assert code == 0, err


def test_points_are_sampled_as_a_scatter_and_an_array(run, tmp_path):
    arguments = ["data=ring", "model=gan/dense", "progress_bar=false", "trainer.max_steps=1", "run.dir=run", *QUIET]
    code, _, err = run("train", *arguments)
    assert code == 0, err
    assert run("sample", "checkpoint=run", "num=5", "out=drawn")[0] == 0
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {"scatter.png", "samples.npz"}
    with np.load(tmp_path / "drawn" / "samples.npz") as archive:
        assert archive["points"].shape == (5, 2)
    code, out, _ = run("explore", "checkpoint=run", "out=looks", "metrics=none")
    assert code == 0
    looks = {"sample_grid.png", "interpolation.png", "directions.png"}
    assert {path.name for path in (tmp_path / "looks").iterdir()} == looks
    assert "attention:       left out: it needs Attend" in out


def test_evaluating_says_what_it_needs(run):
    assert run("evaluate")[0] == 2
    code, _, err = run("evaluate", "samples=nowhere")
    assert code == 2
    assert "data: judging samples needs the real data" in err
    code, _, err = run("evaluate", "samples=nowhere", "data=digits")
    assert (code, "nowhere is neither a folder of pictures, nor a picture, nor an .npz file" in err) == (2, True)


def test_evaluating_without_the_data_says_where_it_looked(run, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    code, out, err = run(
        "train", "data=image_folder", "data.root=pictures", "model=gan/dense", "data.batch_size=20",
        "debug=fast_dev_run", "run.dir=run", "progress_bar=false",
    )  # fmt: skip
    assert code == 0, err
    assert "fd_digits" not in json.dumps(read_json(tmp_path / "run" / "metrics.json")["evaluation"]["metrics"])
    assert "Not applicable" in out
    assert "metrics=inception" in out
    shutil.rmtree(folder)
    assert run("sample", "checkpoint=run", "num=2")[0] == 0
    code, out, err = run("explore", "checkpoint=run", "out=looks")
    assert code == 0, err
    assert {path.name for path in (tmp_path / "looks").iterdir()} == {"interpolation.png", "directions.png"}
    assert out.count("needs the data that it was trained on") == 2
    code, _, err = run("evaluate", "checkpoint=run")
    assert code == 2
    assert "needs the data that it was trained on" in err
    assert "pictures does not exist" in err
    assert "data.root=FOLDER" in err


def test_left_out_files_are_listed_in_the_run(run, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(60):
        Image.fromarray(np.full((8, 8), number * 4, dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "broken.png").write_text("no picture")
    arguments = ["train", "data=image_folder", "data.root=pictures", "model=gan/dense", "data.batch_size=20"]
    arguments += ["trainer.max_steps=1", "run.dir=run", "progress_bar=false", *QUIET]
    code, _, err = run(*arguments)
    assert (code, "broken.png" in err, "data.on_bad=skip" in err) == (2, True, True), err
    code, _, err = run(*arguments, "data.on_bad=skip")
    assert code == 0, err
    assert "broken.png: not an image" in (tmp_path / "run" / "skipped.txt").read_text()


def test_a_failed_run_says_so(run, tmp_path):
    code, _, err = run(
        "train", *SMALL, *QUIET, "optimizer.discriminator.lr=1e30", "trainer.max_steps=50", "run.dir=run"
    )
    assert code == 1
    assert "loss is not finite" in err
    assert "Traceback" not in err
    status = read_json(tmp_path / "run" / "status.json")
    assert status["status"] == "failed"
    assert "not finite" in status["why"]


def test_a_start_that_is_refused_leaves_the_directory_free(run, tmp_path):
    Path("empty.ckpt").touch()
    for wrong in (["data=series", "model=series/ridge", "data.path=gone.csv"], [*SMALL, "init_from=empty.ckpt"]):
        code, _, err = run("train", *QUIET, *wrong, "run.dir=run")
        assert code in (2, 3), err
        assert wrong[-1].partition("=")[2] in err
        assert not Path("run").exists()
    code, _, err = run("train", *SMALL, *QUIET, f"run.dir={'x' * 300}")
    assert (code, "File name too long" in err, "Traceback" in err) == (2, True, False), err
    code, _, err = run("train", *SMALL, *QUIET, "trainer.max_steps=1", "run.dir=run")
    assert code == 0, err


def test_a_taken_directory_is_refused(run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").touch()
    code, _, err = run("train", *SMALL, *QUIET, "run.dir=run")
    assert code == 2
    assert "run.dir:" in err
    assert "is not empty" in err


def test_starting_from_earlier_weights(run, tmp_path):
    assert run("train", *SMALL, *QUIET, "trainer.max_steps=2", "run.dir=one")[0] == 0
    code, out, err = run(
        "train", *SMALL, *QUIET, "trainer.max_steps=1", "run.dir=two", "init_from=one", "model.latent.dim=50",
        "optimizer.generator.lr=0", "optimizer.discriminator.lr=0",
    )  # fmt: skip
    assert code == 0, err
    assert "not matched: generator.layers.0.weight" in out
    one, two = (checkpoint.read(tmp_path / name)["state_dict"] for name in ("one", "two"))
    assert torch.equal(one["discriminator.layers.1.weight"], two["discriminator.layers.1.weight"])


def test_a_sweep_gives_each_job_its_directory_and_seed_zero_is_a_seed(run, tmp_path):
    code, _, err = run("train", "-m", *SMALL, *QUIET, "trainer.max_steps=2", "seed=0,1")
    assert code == 0, err
    runs = sorted(tmp_path.glob("runs/multirun/*/*/checkpoints"))
    assert len(runs) == 2
    swept = [checkpoint.read(path)["state_dict"] for path in runs]
    assert not torch.equal(swept[0]["generator.layers.0.weight"], swept[1]["generator.layers.0.weight"])
    assert run("train", *SMALL, *QUIET, "trainer.max_steps=2", "run.dir=again")[0] == 0  # seeded by default
    again = checkpoint.read(tmp_path / "again")["state_dict"]
    assert all(torch.equal(again[name], swept[0][name]) for name in again)


def test_two_runs_started_at_once_have_two_directories(tmp_path):
    processes = [start("train", *SMALL, *QUIET, "trainer.max_steps=1", cwd=tmp_path) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert len(list(tmp_path.glob("runs/digits/*/checkpoints/final.ckpt"))) == 2


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"]], ids=["single", "multirun"])
def test_two_processes_on_the_cpu(tmp_path, sweep):
    process = start("train", *sweep, *SMALL, "trainer=ddp_cpu", "debug=fast_dev_run", cwd=tmp_path)
    _, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    metrics = list(tmp_path.glob("runs/multirun/*/*/metrics.json" if sweep else "runs/digits/*/metrics.json"))
    assert len(metrics) == (2 if sweep else 1)
    assert all(read_json(path)["efficiency"]["iterations"] == 3 for path in metrics)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is not ignored, as it is in a job that a script started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    ("sent", "expected", "why"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_signal_while_training_ends_the_whole_sweep(run, tmp_path, monkeypatch, sent, expected, why):
    step = GAN.training_step

    def interrupted(model: GAN, *arguments: Any) -> None:
        if model.iteration == 2:
            signal.raise_signal(sent)
        step(model, *arguments)

    monkeypatch.setattr(GAN, "training_step", interrupted)
    here = ["hydra.sweep.dir=runs", "hydra.sweep.subdir=${seed}", "trainer.max_steps=4"]
    code, out, _ = run("train", "-m", "seed=0,1", *SMALL, *QUIET, *here)
    assert code == expected and "resume=auto continues it" in out
    assert read_json(tmp_path / "runs" / "0" / "status.json")["why"] == why
    assert not (tmp_path / "runs" / "1").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_too_little_memory_is_one_line_with_what_to_lower(run, monkeypatch):
    def iterate(model: GAN, batch: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    monkeypatch.setattr(GAN, "iterate", iterate)
    code, _, err = run("train", *SMALL, *QUIET, "data.batch_size=50")
    assert code == 1 and len(err.strip().splitlines()) == 1
    assert "the memory of cpu is too small (CUDA out of memory. Tried to allocate 2.00 GiB.)" in err
    assert "lower data.batch_size=50" in err


def test_killed_and_resumed_equals_uninterrupted(run, tmp_path):
    common = [
        *SMALL,
        "callbacks=suite/default",
        "~callbacks.evaluation",
        "~callbacks.sample_grid",
        "~callbacks.interpolation",
    ]
    common += ["logger=none", "metrics=none", "callbacks.checkpoint.every_n_train_steps=5", "trainer.max_steps=100"]
    process = start("train", *common, "run.dir=cut", cwd=tmp_path)
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("cut/checkpoints/iteration-*.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert read_json(tmp_path / "cut" / "status.json")["status"] == "running"
    assert not (tmp_path / "cut" / "checkpoints" / "final.ckpt").exists()
    code, _, err = run("train", *common, "run.dir=cut", "resume=auto")
    assert code == 0, err
    code, out, _ = run("train", *common, "run.dir=cut", "resume=auto")
    assert (code, "finished; nothing to do" in out) == (0, True)
    assert run("train", *common, "run.dir=whole")[0] == 0
    cut, whole = (checkpoint.read(tmp_path / name) for name in ("cut", "whole"))
    for part in ("state_dict", "optimizer_states", "global_step", "epoch"):
        assert checkpoint.digest(cut[part]) == checkpoint.digest(whole[part]), part
