"""``genloom encode``: the latents of real examples, by a checkpoint alone."""

import os
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from genloom.commands import output
from genloom.commands.assembly import examples_for, load_model
from genloom.errors import ConfigError
from genloom.models.abilities import Encodes, checked


def run(config: DictConfig) -> None:
    """Write an npz: each latent by its name, the most typical one of each example, and the labels where there are any.

    Raises:
        GenloomError: the checkpoint or the examples cannot be used, or its model does not encode.
    """
    model, file = load_model(config)
    encoding = checked("genloom encode", Encodes, model).using(config.weights)
    examples = examples_for(model, file, config)
    batches = model.spec.batches(examples, config.batch_size)
    codes = [encoding.encode(batch) for batch in batches]
    arrays = {name: torch.cat([code[name] for code in codes]).cpu().numpy() for name in codes[0]}
    if examples.labels is not None:
        arrays["given.label"] = examples.labels.numpy()
    named = config.out and f"{config.out.removesuffix('.npz')}.npz"  # as NumPy would call it
    out = output.file(named, Path("samples") / f"{file.stem}-latents.npz")
    try:
        np.savez_compressed(out, **arrays)  # pyright: ignore[reportArgumentType]
    except OSError as error:
        raise ConfigError(f"out: {out} cannot be written ({error.strerror}); set out") from error
    shapes = ", ".join(f"{name} {'x'.join(map(str, array.shape))}" for name, array in arrays.items())
    print(f"{len(examples)} examples ({encoding.weights} weights)\narrays:   {os.path.relpath(out)} ({shapes})")
