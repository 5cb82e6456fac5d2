"""Averages that are made after training are those that training would have made."""

import copy
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, Trainer

from genloom.contents.vector import VectorContent
from genloom.diffusion.prediction import Velocity
from genloom.diffusion.process import RectifiedFlow
from genloom.errors import CheckpointError, ConfigError
from genloom.models.diffusion import Diffusion
from genloom.models.training.power import Profile, coefficients, gamma_of, share_of_new
from genloom.networks.denoiser.dense import DenseDenoiser
from genloom.objectives.denoising import Denoising
from genloom.runs import checkpoint
from genloom.runs.checkpoint import SafeCheckpointIO
from genloom.runs.snapshots import Snapshots, average
from genloom.spec import Spec

ITERATIONS = 1000


def profile(iteration: int, gamma: float) -> np.ndarray:
    """The weights that an average holds each of the iterations by: those of the recursion telescope to these."""
    times = np.minimum(np.arange(ITERATIONS + 1) / iteration, 1)
    return np.diff(times ** (gamma + 1))


@pytest.mark.parametrize("width", [0.03, 0.1, 0.25])
def test_an_average_holds_weights_by_a_power_of_time_as_wide_as_is_said(width):
    gamma, held = gamma_of(width), np.zeros(ITERATIONS)
    for iteration in range(1, ITERATIONS + 1):
        share = share_of_new(iteration, gamma)
        held *= 1 - share
        held[iteration - 1] = share
    assert held == pytest.approx(profile(ITERATIONS, gamma), abs=1e-12)
    times = (np.arange(ITERATIONS) + 0.5) / ITERATIONS
    mean = (held * times).sum()
    assert np.sqrt((held * (times - mean) ** 2).sum()) == pytest.approx(width, rel=1e-3)


@pytest.mark.parametrize(("width", "most"), [(0.05, 1e-9), (0.07, 0.01), (0.1, 1e-9), (0.15, 0.02), (0.03, 0.06)])
def test_coefficients_give_the_wanted_profile_and_say_how_nearly(width, most):
    kept = [Profile(t, gamma_of(each)) for t in range(80, ITERATIONS + 1, 80) for each in (0.05, 0.1)]
    kept += [Profile(ITERATIONS, gamma_of(each)) for each in (0.05, 0.1)]
    found, error = coefficients(kept, Profile(ITERATIONS, gamma_of(width)))
    assert found.sum() == pytest.approx(1)
    given = sum(share * profile(*each) for share, each in zip(found, kept, strict=True))
    wanted = profile(ITERATIONS, gamma_of(width))
    real = np.linalg.norm(given - wanted) / np.linalg.norm(wanted)
    assert real <= most
    assert error == pytest.approx(real, rel=0.05, abs=1e-6)


def written(look: Snapshots, iteration: int, file: Path) -> Path:
    """A checkpoint, as a run writes it, of nothing but the averages."""
    content = {"genloom": {}, "state_dict": {}, "global_step": iteration, "callbacks": {"Snapshots": look.state_dict()}}
    SafeCheckpointIO().save_checkpoint(content, file)
    return file


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """A run whose weights were told to go a winding way: a checkpoint, its snapshots, what the weights were multiplied
    by at each iteration, and what they began as.
    """
    folder = tmp_path_factory.mktemp("scripted")
    model = Diffusion(
        Spec("points", VectorContent(2)),
        network=partial(DenseDenoiser, width=4, blocks=1),
        process=RectifiedFlow(),
        prediction=Velocity(),
        objective=Denoising(),
        optimizer={},
        ema_half_life_examples=10,
    )
    model.denoiser.register_buffer("steps", torch.zeros((), dtype=torch.int64))
    model.denoiser_ema.register_buffer("steps", torch.zeros((), dtype=torch.int64))
    rng = np.random.default_rng(0)
    way = 1 + 3 * np.exp(-np.arange(ITERATIONS) / 200) + np.cumsum(rng.normal(size=ITERATIONS)) / ITERATIONS**0.5
    begun = copy.deepcopy(model.denoiser)
    look = Snapshots(dirpath=folder / "averages", every_iterations=80)
    look.begin(model, 0)
    for iteration, factor in enumerate(way, 1):
        for parameter, first in zip(model.denoiser.parameters(), begun.parameters(), strict=True):
            parameter.data = factor * first.detach()
        model.denoiser.steps += 1
        look.follow(model, iteration)
    return written(look, ITERATIONS, folder / "final.ckpt"), folder / "averages", way, begun.first.weight.detach()


@pytest.mark.parametrize(("width", "most"), [(0.05, 1e-5), (0.07, 1e-3), (0.1, 1e-5), (0.15, 3e-3), (0.03, 1e-2)])
def test_an_average_made_afterwards_is_the_one_of_training(scripted, width, most):
    file, folder, way, first = scripted
    found, error = average(file, folder, width)
    factor = (profile(ITERATIONS, gamma_of(width)) * way).sum()
    assert (found["denoiser.first.weight"] / first).mean().item() == pytest.approx(factor, abs=most * way.std())
    assert error < 0.06
    assert found["denoiser.steps"].item() == ITERATIONS


def test_an_average_at_an_earlier_checkpoint_knows_nothing_later(scripted, tmp_path):
    folder = shutil.copytree(scripted[1], tmp_path / "averages")
    own = {"first": 0, "weights": checkpoint.read(folder / "iteration-0000800.ckpt")["state_dict"]}
    content = {"genloom": {}, "state_dict": {}, "global_step": 800, "callbacks": {"Snapshots": own}}
    SafeCheckpointIO().save_checkpoint(content, tmp_path / "earlier.ckpt")
    found, _ = average(tmp_path / "earlier.ckpt", folder, 0.07)
    for later in ("0000800", "0000880", "0000960"):
        (folder / f"iteration-{later}.ckpt").unlink()
    again, _ = average(tmp_path / "earlier.ckpt", folder, 0.07)
    assert checkpoint.digest(found) == checkpoint.digest(again)


def test_snapshots_stay_few_and_even(tiny_diffusion, tmp_path):
    model, look = tiny_diffusion(ema_half_life_examples=10), Snapshots(dirpath=tmp_path, every_iterations=5, most=4)
    look.begin(model, 0)
    most = 0
    for iteration in range(1, 61):
        look.follow(model, iteration)
        most = max(most, len(list(tmp_path.iterdir())))
    assert most == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "iteration-0000020.ckpt",
        "iteration-0000040.ckpt",
        "iteration-0000060.ckpt",
    ]


class SaveAt(Callback):
    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("family", ["tiny_gan", "tiny_vae", "tiny_diffusion"])
def test_every_family_takes_them_and_a_resumed_run_takes_the_same(family, request, tiny_data, tmp_path):
    build = request.getfixturevalue(family)

    def run(folder: str, cut: Path | None = None) -> tuple[str, list[str]]:
        look = Snapshots(dirpath=tmp_path / folder, every_iterations=3)
        model, data = build(ema_half_life_examples=50), copy.deepcopy(tiny_data)
        place = (0, 0) if cut is None else checkpoint.position(cut)
        data.prepare_training(batches_per_iteration=model.batches_per_iteration, continues_at=place)
        trainer = Trainer(
            accelerator="cpu", max_epochs=-1, max_steps=12, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
            default_root_dir=str(tmp_path), callbacks=[look, SaveAt(7, tmp_path / f"{folder}.ckpt")],
            plugins=[SafeCheckpointIO()],
        )  # fmt: skip
        trainer.fit(model, data, ckpt_path=cut, weights_only=True)
        assert look.state_dict()["weights"]
        files = sorted((tmp_path / folder).iterdir())
        return checkpoint.digest(look.state_dict()), [checkpoint.digest(checkpoint.read(file)) for file in files]

    whole, files = run("whole")
    assert len(files) == 4
    again, later = run("cut", tmp_path / "whole.ckpt")
    assert again == whole
    assert later == files[2:]  # of 9 and 12


def test_what_cannot_be_averaged_is_refused(tiny_diffusion, tmp_path, scripted):
    file = scripted[0]
    folder = shutil.copytree(scripted[1], tmp_path / "averages")
    with pytest.raises(ConfigError, match=r"sigma_rel: .* of 0.01 only with an error of \d\d%; choose a value nearer"):
        average(file, folder, 0.01)
    with pytest.raises(ConfigError, match="0 snapshots"):
        average(file, tmp_path / "nowhere", 0.2)
    with pytest.raises(ConfigError, match=r"model\.ema_half_life_examples=10000"):
        Snapshots(dirpath=tmp_path).begin(tiny_diffusion(), 0)
    (folder / "iteration-0000080.ckpt").write_bytes(b"no")
    with pytest.raises(CheckpointError, match=r"iteration-0000080.ckpt: damaged"):
        average(file, folder, 0.07)
    content = {"genloom": {}, "state_dict": {"0.denoiser.other": torch.ones(1)}, "global_step": 80}
    SafeCheckpointIO().save_checkpoint(content, folder / "iteration-0000080.ckpt")
    with pytest.raises(CheckpointError, match="a snapshot of another model"):
        average(file, folder, 0.07)
    for own, message in ((None, r"callbacks=\[suite/base,snapshots\]"), ({"first": "a"}, "its averages can't be used")):
        content = {"genloom": {}, "state_dict": {}, "global_step": 9, "callbacks": own and {"Snapshots": own}}
        SafeCheckpointIO().save_checkpoint(content, tmp_path / "odd.ckpt")
        with pytest.raises(CheckpointError, match=message):
            average(tmp_path / "odd.ckpt", folder, 0.1)
    for build in (lambda: Snapshots(dirpath="a", every_iterations=0), lambda: Snapshots(dirpath="a", most=1)):
        with pytest.raises(ConfigError, match=r"callbacks\.snapshots\."):
            build()
