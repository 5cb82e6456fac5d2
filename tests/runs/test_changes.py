"""A setting that is changed when a run is continued is followed, or refused by name."""

import pytest
import torch
import yaml

from genloom.errors import ConfigError
from genloom.runs import checkpoint
from genloom.runs.changes import changes, check

BEFORE = {
    "seed": 0,
    "data": {"_target_": "a.Data", "batch_size": 4, "num_workers": 0, "gpu_share": 0.25, "root": "x"},
    "model": {
        "_target_": "a.Model",
        "width": 3,
        "gradient_clip_norm": None,
        "ema_half_life_examples": None,
        "objective": {"_target_": "a.Loss", "weight": 1.0},
        "augmentation": {"_target_": "a.Ada", "target": 0.6, "initial_probability": 0.0},
    },
    "optimizer": {"net": {"_target_": "torch.optim.Adam", "lr": 1e-3, "betas": [0.9, 0.99], "amsgrad": False}},
    "scheduler": None,
    "trainer": {"max_steps": 10, "precision": "32-true", "limit_train_batches": 1.0},
    "callbacks": {"checkpoint": {"dirpath": "x", "save_top_k": 2, "every_n_train_steps": 5}},
    "run": {"dir": "x"},
}
FOLLOWED = {
    "optimizer.net.lr": 1e-4, "optimizer.net.betas": [0.5, 0.9], "optimizer.net.weight_decay": 0.1,
    "trainer.max_steps": 20, "trainer.precision": "bf16-mixed", "model.gradient_clip_norm": 1.0,
    "model.objective.weight": 2.0, "model.augmentation.target": 0.5, "callbacks.checkpoint.every_n_train_steps": 3,
}  # fmt: skip
REFUSED = {
    "seed": 1, "data.batch_size": 8, "data._target_": "b.Data", "model._target_": "b.Model", "model.width": 4,
    "model.ema_half_life_examples": 10, "model.objective._target_": "b.Loss", "model.objective.more": {"_target_": "b"},
    "model.augmentation.initial_probability": 0.5, "optimizer.net._target_": "torch.optim.SGD",
    "optimizer.net.amsgrad": True, "scheduler._target_": "a.linear", "trainer.limit_train_batches": 0.5,
    "callbacks.checkpoint.save_top_k": 1,
}  # fmt: skip
NO_MATTER = {
    "data.num_workers": 2,
    "data.gpu_share": 0.5,
    "data.root": "y",
    "callbacks.checkpoint.dirpath": "y",
    "run.dir": "y",
    "scheduler": {},
}


def changed(key, value):
    config = yaml.safe_load(yaml.safe_dump(BEFORE))
    node = config
    *path, last = key.split(".")
    for part in path:
        node[part] = node.get(part) or {}
        node = node[part]
    node[last] = value
    return config


@pytest.mark.parametrize("key", FOLLOWED)
def test_followed(key):
    (change,) = check(BEFORE, changed(key, FOLLOWED[key]), "a.ckpt")
    assert (change.key, change.now) == (key, FOLLOWED[key])


@pytest.mark.parametrize("key", REFUSED)
def test_refused_by_name_with_the_remedy(key):
    with pytest.raises(ConfigError, match=r"a\.ckpt can't be continued so: .*init_from=") as caught:
        check(BEFORE, changed(key, REFUSED[key]), "a.ckpt")
    assert str(caught.value).startswith(key)


@pytest.mark.parametrize("key", NO_MATTER)
def test_no_change(key):
    assert changes(BEFORE, changed(key, NO_MATTER[key])) == []


# The same by the command

SMALL = ["data.size=8", "data.batch_size=200", "progress_bar=false", "callbacks=none", "logger=none", "metrics=none"]
DENSE = ["model=vae/dense", "likelihood@model.likelihood=continuous_bernoulli", *SMALL]


def settings(path):
    content = checkpoint.read(path)
    return content["global_step"], content["optimizer_states"][0]["param_groups"][0]


@pytest.mark.parametrize("schedule", [[], ["scheduler=linear"]], ids=["constant", "linear"])
def test_resuming_follows_what_it_can_and_refuses_the_rest(schedule, run, tmp_path):
    code, _, err = run("train", *DENSE, *schedule, "trainer.max_steps=4", "run.dir=first")
    assert code == 0, err
    again = ["train", *DENSE, *schedule, "resume=first"]
    code, out, err = run(
        *again, "trainer.max_steps=8", "optimizer.autoencoder.lr=1e-8", "optimizer.autoencoder.betas=[0.5,0.9]",
        "run.dir=second",
    )  # fmt: skip
    assert code == 0, err
    assert "continues with changes: " in out
    assert "optimizer.autoencoder.lr is 0.001 there and 1e-08 here" in out
    step, group = settings("second")
    assert (step, list(group["betas"])) == (8, [0.5, 0.9])
    assert group["initial_lr" if schedule else "lr"] == 1e-8
    before, after = (checkpoint.read(name)["state_dict"] for name in ("first", "second"))
    moved = max((before[name] - after[name]).abs().max().item() for name in before if "ema" not in name)
    assert 0 < moved < 1e-7  # four steps of at most 1e-8

    for arguments, what in (
        (["trainer.max_steps=8", "data.batch_size=100"], "data.batch_size: "),
        (["trainer.max_steps=8", "seed=3"], "seed"),
        (["trainer.max_steps=3"], "trainer.max_steps: 3 leaves nothing to do"),
        (["trainer.max_steps=4"], "trainer.max_steps: 4 leaves nothing to do"),
        (["trainer.max_steps=8", "init_from=second"], "init_from: "),
        (["trainer.max_steps=8", "model.decoder.widths=[9]"], "model.decoder.widths: "),
    ):
        code, _, err = run(*again, *arguments, "run.dir=third")
        assert (code, what in err, len(err.splitlines())) == (2, True, 1), err
        assert not (tmp_path / "third").exists()

    auto = ["train", *DENSE, *schedule, "resume=auto", "run.dir=first"]
    code, out, err = run(*auto, "trainer.max_steps=4")
    assert (code, "this run is finished" in out) == (0, True), err
    kept = (tmp_path / "first" / "config.yaml").read_text()
    code, out, err = run(*auto, "trainer.max_steps=8")
    assert (code, out) == (2, "")
    assert "trainer.max_steps is 4 there and 8 here; resume=first with another run.dir continues it so" in err
    code, out, err = run("train", "model=gan/dense", *SMALL, "resume=auto", "run.dir=first")
    assert (code, out) == (2, "")
    assert "model._target_ is genloom.models.vae.VAE there and genloom.models.gan.GAN here" in err
    assert (tmp_path / "first" / "config.yaml").read_text() == kept


def test_other_weights_and_other_examples_are_refused_though_the_configuration_is_alike(run, tmp_path):
    assert run("train", *DENSE, "trainer.max_steps=1", "run.dir=first")[0] == 0
    path = tmp_path / "first" / "checkpoints" / "final.ckpt"
    content = torch.load(path, weights_only=True)
    content.pop("digest")

    def refused(what):
        torch.save({**content, "digest": checkpoint.digest(content)}, path)
        code, _, err = run("train", *DENSE, "trainer.max_steps=2", "resume=first", f"run.dir={what}")
        assert (code, len(err.splitlines())) == (2, 1), err
        return err

    content["genloom"]["data_fingerprint"] = "another"
    assert "was trained on other examples than data reads now" in refused("examples")
    name = next(name for name in content["state_dict"] if name.endswith("weight"))
    content["state_dict"][name] = torch.zeros(2, 3)
    assert f"is of another model: {name} is (2, 3) there and (" in refused("weights")


def test_a_folder_without_a_run_is_not_continued(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    code, _, err = run("train", *DENSE, "trainer.max_steps=1", "resume=auto", "run.dir=mine")
    assert (code, "mine is not empty" in err) == (2, True)
