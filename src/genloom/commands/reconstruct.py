"""``genloom reconstruct``: real examples after encoding and decoding, by a checkpoint alone."""

import os
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from genloom.commands.assembly import examples_for
from genloom.contents import shown as render
from genloom.devices import device
from genloom.errors import ConfigError
from genloom.models.abilities import Reconstructs, require
from genloom.models.generation import reconstruct_examples
from genloom.runs import checkpoint


def run(config: DictConfig) -> None:
    """Write a picture, the examples on the left and their reconstructions on the right, and an npz of the latter.

    Raises:
        GenloomError: the checkpoint or the examples cannot be used, or its model does not reconstruct.
    """
    file = checkpoint.find(config.checkpoint)
    model = checkpoint.load(file, trust=list(config.trust), device=device(config.device))
    reconstructing = require("genloom reconstruct", Reconstructs, model).using(config.weights)
    examples = examples_for(model, file, config)
    ours = reconstruct_examples(reconstructing, examples, batch_size=config.batch_size).content
    error = (ours.float() - examples.content.float()).div(255).square().mean().item()
    out = Path(config.out) if config.out else Path("samples") / f"{file.stem}-reconstructions"
    try:
        content = model.spec.content
        both = render.beside(render.sheet(content, examples.content), render.sheet(content, ours))
        render.save(both, out / "grid")
        np.savez_compressed(out / "reconstructions.npz", images=ours.permute(0, 2, 3, 1).numpy())
    except OSError as problem:
        raise ConfigError(f"out: {out} cannot be written ({problem.strerror}); set out") from problem
    print(
        f"{len(examples)} examples ({reconstructing.weights} weights), mean squared error {error:.5f} "
        "of values in [0, 1]"
    )
    print(f"grid:     {os.path.relpath(out / 'grid.png')}\narray:    {os.path.relpath(out / 'reconstructions.npz')}")
