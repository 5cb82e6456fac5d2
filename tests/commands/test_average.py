"""``genloom average``, as a user runs it."""

import torch

import genloom
from genloom.runs import checkpoint

RING = [
    "experiment=ring/diffusion", "model.network.width=8", "model.network.blocks=1", "data.batch_size=16",
    "callbacks=[suite/base,snapshots]", "~callbacks.evaluation", "callbacks.snapshots.every_iterations=2",
    "trainer.max_steps=12", "logger=none", "metrics=none", "progress_bar=false", "run.dir=run",
]  # fmt: skip


def test_a_run_that_took_snapshots_has_any_average_afterwards(run, tmp_path):
    code, _, err = run("train", *RING)
    assert code == 0, err
    code, out, err = run("average", "checkpoint=run", "sigma_rel=0.1")
    assert code == 0, err
    assert "σ_rel 0.1: its profile is met within 0.0%\ncheckpoint: run/averages/final-0.1.ckpt" in out
    before, after = (genloom.load(tmp_path / "run" / name) for name in ("", "averages/final-0.1.ckpt"))
    kept = checkpoint.read(tmp_path / "run")["callbacks"]["Snapshots"]["weights"]
    for name, value in after.denoiser_ema.state_dict().items():
        torch.testing.assert_close(value, kept[f"1.denoiser.{name}"])
    assert all(map(torch.equal, before.denoiser.state_dict().values(), after.denoiser.state_dict().values()))
    drawn = [model.sample(2, rng=torch.Generator().manual_seed(0)).content for model in (before, after)]
    assert not torch.equal(*drawn)
    code, _, err = run("average", "checkpoint=run", "sigma_rel=0.2", "snapshots=nowhere")
    assert (code, "0 snapshots in nowhere" in err, "Traceback" in err) == (2, True, False), err
    code, _, err = run("train", *RING, "model.ema_half_life_examples=null", "run.dir=none", "trainer.max_steps=1")
    assert (code, "set model.ema_half_life_examples=10000" in err, "Traceback" in err) == (2, True, False), err
