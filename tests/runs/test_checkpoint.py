import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genloom import randomness
from genloom.errors import CheckpointError
from genloom.runs import checkpoint, loading

MODEL = {
    "_target_": "genloom.models.gan.GAN",
    "generator": {"_target_": "genloom.networks.dense.DenseGenerator", "_partial_": True, "widths": [8]},
    "discriminator": {"_target_": "genloom.networks.dense.DenseDiscriminator", "_partial_": True, "widths": [8]},
    "latent": {"_target_": "genloom.distributions.latents.StandardNormal", "dim": 3},
    "objective": {"non_saturating": {"_target_": "genloom.objectives.gan.NonSaturating"}},
    "ema_half_life_examples": 50,
}


@pytest.fixture
def saved(tiny_gan, tiny_data, fit, tmp_path) -> tuple[Any, Path]:
    model = tiny_gan(ema_half_life_examples=50)
    model.identity = {"model": MODEL, "data": {}, "data_fingerprint": "none"}
    trainer = fit(model, tiny_data, max_steps=4, plugins=[checkpoint.SafeCheckpointIO()])
    path = tmp_path / "run" / "checkpoints" / "final.ckpt"
    trainer.save_checkpoint(path)
    return model, path


def test_a_reloaded_model_gives_equal_samples(saved):
    model, path = saved
    again = loading.load(path)
    assert not again.training
    for weights in ("ema", "raw"):
        first, second = (each.using(weights).sample(6, rng=randomness.generator(1)).content for each in (model, again))
        assert torch.equal(first, second)


def test_a_run_directory_names_its_newest_checkpoint(saved):
    _, path = saved
    older = path.with_name("iteration-0000002.ckpt")
    older.write_bytes(path.read_bytes())
    os.utime(older, (1, 1))
    assert checkpoint.find(path.parent.parent) == path
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        checkpoint.find(path.parent.parent / "elsewhere")


def test_every_flipped_byte_and_every_truncation_is_refused_by_name(saved):
    _, path = saved
    content = path.read_bytes()
    chance = random.Random(0)
    names = torch.load(path, weights_only=True)
    for trial in range(60):
        damaged = bytearray(content)
        if trial % 3 == 0:
            damaged = damaged[: chance.randrange(len(content))]
        else:
            position = chance.randrange(len(content))
            damaged[position] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            read = checkpoint.read(path)
        except CheckpointError as error:
            assert str(path) in str(error)
        else:  # the byte belongs to the archive's padding or its unused fields: the content is what was saved
            assert checkpoint.digest(read) == checkpoint.digest(names)


def test_a_flipped_weight_is_refused(saved):
    _, path = saved
    content = torch.load(path, weights_only=True)
    content["state_dict"]["generator.layers.0.weight"][0, 0] += 1e-7
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"final\.ckpt: damaged: the content does not match its digest"):
        checkpoint.read(path)


def test_a_hostile_file_executes_nothing(tmp_path):
    class Hostile:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    path = tmp_path / "hostile.ckpt"
    torch.save({"genloom": Hostile()}, path)
    with pytest.raises(CheckpointError, match=r"hostile\.ckpt"):
        checkpoint.read(path)
    path.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(CheckpointError, match=r"hostile\.ckpt"):
        checkpoint.read(path)
    assert not (tmp_path / "executed").exists()


def test_a_class_from_elsewhere_needs_trust(saved):
    _, path = saved
    content = torch.load(path, weights_only=True)
    content.pop("digest")
    content["genloom"]["model"]["latent"]["_target_"] = "os.system"
    torch.save({**content, "digest": checkpoint.digest(content)}, path)
    with pytest.raises(CheckpointError, match=r"os\.system.*trust=\[os\]"):
        loading.load(path)


def test_weights_that_do_not_fit_are_refused(saved):
    _, path = saved
    content = torch.load(path, weights_only=True)
    content.pop("digest")
    del content["state_dict"]["generator.layers.0.bias"]
    torch.save({**content, "digest": checkpoint.digest(content)}, path)
    with pytest.raises(CheckpointError, match=r"(?s)do not fit the model.*generator\.layers\.0\.bias"):
        loading.load(path)


def test_a_foreign_file_is_refused(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="not a checkpoint of genloom"):
        checkpoint.read(tmp_path / "other.ckpt")


def test_a_failed_save_leaves_the_old_file_and_no_remains(saved, monkeypatch):
    _, path = saved
    before = path.read_bytes()

    def fail(content: object, file: Any) -> None:
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(CheckpointError, match=r"final\.ckpt: cannot be written \(no space left"):
        checkpoint.SafeCheckpointIO().save_checkpoint({}, path, checkpoint.REQUIRED)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["final.ckpt"]


def test_one_that_cannot_be_written_during_training_is_one_warning_and_costs_no_earlier_one(
    tiny_gan, tiny_data, fit, tmp_path, monkeypatch, capsys
):
    from pytorch_lightning.callbacks import ModelCheckpoint

    written, save = [], torch.save

    def full_after_two(content: object, file: Any) -> None:
        if len(written) == 2:
            raise OSError("No space left on device")
        written.append(file.name)
        save(content, file)

    monkeypatch.setattr(torch, "save", full_after_two)
    kept = ModelCheckpoint(tmp_path, "{step}", monitor="step", mode="max", save_top_k=2, every_n_train_steps=1)
    trainer = fit(
        tiny_gan(),
        tiny_data,
        max_steps=6,
        callbacks=[kept],
        plugins=[checkpoint.SafeCheckpointIO()],
        enable_checkpointing=True,
    )
    assert trainer.global_step == 6
    assert sorted(file.name for file in tmp_path.glob("*.ckpt")) == ["step=1.ckpt", "step=2.ckpt"]
    assert capsys.readouterr().out.count("warning: ") == 1
    with pytest.raises(CheckpointError, match=r"final\.ckpt: cannot be written \(No space left on device\)"):
        trainer.save_checkpoint(tmp_path / "final.ckpt", storage_options=checkpoint.REQUIRED)


def test_starting_from_other_weights_lists_what_did_not_match(saved, tiny_gan):
    from functools import partial

    from genloom.networks.dense import DenseDiscriminator

    model, path = saved
    other = tiny_gan(ema_half_life_examples=50, discriminator=partial(DenseDiscriminator, widths=[9]))
    unmatched = loading.start_from(other, path)
    resized = ("discriminator.layers.1.weight", "discriminator.layers.1.bias", "discriminator.head.score.weight")
    assert unmatched == sorted(resized)
    assert torch.equal(other.generator.layers[0].weight, model.generator.layers[0].weight)


def test_the_digest_knows_types_and_order():
    tensor = torch.arange(4.0)
    distinct = [
        {"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": True}, {"a": [1]}, {"a": None}, {"b": 1}, [1, 2], [2, 1], [[1], 2],
        tensor, tensor.double(), tensor.view(2, 2), tensor.bfloat16(), tensor + 1,
    ]  # fmt: skip
    assert len({checkpoint.digest(value) for value in distinct}) == len(distinct)
    assert checkpoint.digest({"a": tensor}) == checkpoint.digest({"a": tensor.clone()})
