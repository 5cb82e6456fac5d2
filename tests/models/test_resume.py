"""A run that is cut and resumed ends bit for bit where an uninterrupted one ends."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from genloom.data.series.series import Series
from genloom.diffusion.prediction import Clean
from genloom.inspections.throughput import Throughput
from genloom.networks.denoiser.series import SeriesDenoiser
from genloom.networks.sequence.forecasting import LastValue, Linear
from genloom.objectives.gan import R1, NonSaturating
from genloom.runs import checkpoint
from genloom.schedules import linear


class SaveAt(Callback):
    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


CUTS = [(cut, (0, 0)) for cut in (3, 9, 10, 11, 20)]  # an epoch has 10 batches
CUTS += [(cut, workers) for cut in (10, 17) for workers in ((0, 2), (2, 0))]


CASES = [("gan", *cut) for cut in CUTS] + [("diffusion", 9, (0, 0)), ("series", 9, (0, 0))]


@pytest.mark.parametrize(("family", "cut", "workers"), CASES, ids=str)
def test_resumed_equals_uninterrupted(tiny_gan, tiny_diffusion, tiny_data, fit, tmp_path, family, cut, workers):
    if family == "series":
        tiny_data = Series(name="tiny", num_series=2, length=60, look_back=6, horizon=3, batch_size=8)

    def build() -> Any:
        if family == "series":
            parts = {"network": partial(SeriesDenoiser, forecaster=partial(Linear, normalise=LastValue()), width=8)}
            return tiny_diffusion(spec=tiny_data.describe(), **parts, prediction=Clean(), scheduler=linear)
        if family == "diffusion":
            return tiny_diffusion(ema_half_life_examples=60, scheduler=linear)
        objective = {"non_saturating": NonSaturating(), "r1": R1(every_iterations=3)}
        return tiny_gan(objective=objective, ema_half_life_examples=60, scheduler=linear)

    data = copy.copy(tiny_data)
    data.num_workers = workers[0]
    path = tmp_path / "cut.ckpt"
    plugins = {"plugins": [checkpoint.SafeCheckpointIO()]}
    uncut = Throughput()
    whole = fit(build(), data, max_steps=25, callbacks=[uncut, SaveAt(cut, path)], **plugins)

    data = copy.copy(tiny_data)
    data.num_workers = workers[1]
    model = build()
    data.prepare_training(batches_per_iteration=model.batches_per_iteration, continues_at=checkpoint.position(path))
    throughput = Throughput()
    resumed = Trainer(
        accelerator="cpu", max_epochs=-1, max_steps=25, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        log_every_n_steps=1, default_root_dir=str(tmp_path), callbacks=[throughput], **plugins,
    )  # fmt: skip
    resumed.fit(model, data, ckpt_path=path, weights_only=True)

    assert resumed.global_step == whole.global_step == 25
    assert resumed.current_epoch == whole.current_epoch
    assert throughput.examples == uncut.examples
    assert throughput.seconds > checkpoint.read(path)["callbacks"]["Throughput"]["seconds"] > 0
    ours, theirs = resumed.lightning_module.state_dict(), whole.lightning_module.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for one, other in zip(resumed.optimizers, whole.optimizers, strict=True):
        assert checkpoint.digest(one.state_dict()) == checkpoint.digest(other.state_dict())
