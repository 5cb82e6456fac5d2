"""``genloom average``: another average of the weights of a run that took snapshots, after it has ended."""

import os
from pathlib import Path

from omegaconf import DictConfig
from torch import nn

from genloom.commands import output
from genloom.errors import CheckpointError, reason
from genloom.runs import checkpoint, loading, snapshots
from genloom.runs.snapshots import Snapshots


def run(config: DictConfig) -> None:
    """Write a checkpoint that has the average in the place of the one that the model kept.

    Raises:
        GenloomError: the checkpoint or the snapshots cannot be used, or do not give such an average.
    """
    width = config.sigma_rel
    file = checkpoint.find(config.checkpoint)
    model = loading.load(file, trust=list(config.trust))
    folder = snapshots.folder_of(file) if config.snapshots is None else Path(config.snapshots).expanduser()
    weights, error = snapshots.average(file, folder, width)
    averages = nn.ModuleDict({name: average for name, (average, _) in model.averaged().items()})
    try:
        averages.load_state_dict(weights)
    except RuntimeError as problem:
        raise CheckpointError(f"{file}: its averages do not fit its model ({reason(problem)})") from problem
    content = {name: value for name, value in checkpoint.read(file).items() if name != "digest"}
    content["state_dict"] = model.state_dict()
    content["callbacks"] = {name: each for name, each in content["callbacks"].items() if name != Snapshots.__qualname__}
    out = output.file(config.out, folder / f"{file.stem}-{width:g}.ckpt")
    checkpoint.SafeCheckpointIO().save_checkpoint(content, out, checkpoint.REQUIRED)
    print(f"σ_rel {width:g}: its profile is met within {error:.1%}\ncheckpoint: {os.path.relpath(out)}")
