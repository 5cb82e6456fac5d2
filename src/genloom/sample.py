"""``genloom sample``: pictures from a checkpoint alone."""

import os
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from genloom import render
from genloom.capabilities import Capability, require
from genloom.devices import device
from genloom.errors import ConfigError
from genloom.families.pictures import draw_pictures
from genloom.runs import checkpoint


def run(config: DictConfig) -> None:
    """Write a grid, single PNGs and an npz; the same seed gives the same bytes.

    Raises:
        GenloomError: the checkpoint cannot be used, or its model does not sample.
    """
    if config.num < 1:
        raise ConfigError(f"num: {config.num} is below the limit of 1")
    file = checkpoint.find(config.checkpoint)
    model = checkpoint.load(file, trust=list(config.trust), device=device(config.device))
    require("genloom sample", Capability.SAMPLE, model.capabilities)
    images = draw_pictures(model, config.num, seed=config.seed, weights=config.weights, batch_size=config.batch_size)
    out = Path(config.out) if config.out else Path("samples") / f"{file.stem}-seed{config.seed}"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out: {out} cannot be written ({error.strerror})") from error
    digits = len(str(config.num - 1))
    for position, image in enumerate(images):
        render.save_png(image, out / f"{position:0{digits}d}.png")
    render.save_png(render.grid(images), out / "grid.png", scale=2)
    array = images.permute(0, 2, 3, 1).numpy()
    np.savez_compressed(out / "samples.npz", images=array)
    print(f"{config.num} samples ({config.weights or model.weight_sets[0]} weights, seed {config.seed})")
    print(f"grid:     {os.path.relpath(out / 'grid.png')}\nsingle:   {os.path.relpath(out)}/*.png")
    print(f"array:    {os.path.relpath(out / 'samples.npz')} (images, {'x'.join(map(str, array.shape))} as NHWC uint8)")
