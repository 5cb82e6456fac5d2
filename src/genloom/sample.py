"""``genloom sample``: examples from a checkpoint alone."""

import os
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from genloom import render
from genloom.capabilities import Capability, require
from genloom.devices import device
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.families.base import Family
from genloom.families.drawing import draw_examples
from genloom.runs import checkpoint
from genloom.spec import ImageContent


def run(config: DictConfig) -> None:
    """Write pictures and an npz; the same seed gives the same bytes.

    Raises:
        GenloomError: the checkpoint cannot be used, or its model does not sample, or not as it is asked to.
    """
    file = checkpoint.find(config.checkpoint)
    model = checkpoint.load(file, trust=list(config.trust), device=device(config.device))
    _check(config, model)
    classes = None if config.classes is None else list(config.classes)
    examples = draw_examples(
        model,
        config.num,
        seed=config.seed,
        weights=config.weights,
        batch_size=config.batch_size,
        classes=classes,
        truncation=config.truncation,
    )
    out = Path(config.out) if config.out else Path("samples") / f"{file.stem}-seed{config.seed}"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out: {out} cannot be written ({error.strerror})") from error
    print(f"{config.num} samples ({config.weights or model.weight_sets[0]} weights, seed {config.seed})")
    if isinstance(model.spec.content, ImageContent):
        _save_pictures(examples, out, columns=len(classes) if classes else None)
    else:
        _save_points(examples, out)


def _check(config: DictConfig, model: Family) -> None:
    require("genloom sample", Capability.SAMPLE, model.capabilities)
    if config.classes is not None:
        require(f"classes: choosing {','.join(config.classes)}", Capability.CONDITION, model.capabilities)
    if config.truncation is not None:
        require(f"truncation: {config.truncation}", Capability.TRUNCATE, model.capabilities)


def _save_pictures(images: Examples, out: Path, *, columns: int | None) -> None:
    digits = len(str(len(images) - 1))
    for position, image in enumerate(images.content):
        render.save_png(image, out / f"{position:0{digits}d}.png")
    render.save_png(render.sheet(images.content, columns=columns), out / "grid.png", scale=2)
    print(f"grid:     {os.path.relpath(out / 'grid.png')}\nsingle:   {os.path.relpath(out)}/*.png")
    _save_arrays(images, out, images=images.content.permute(0, 2, 3, 1).numpy())


def _save_points(points: Examples, out: Path) -> None:
    render.save_png(render.sheet(points.content), out / "scatter.png", scale=2)
    print(f"scatter:  {os.path.relpath(out / 'scatter.png')}")
    _save_arrays(points, out, points=points.content.numpy())


def _save_arrays(examples: Examples, out: Path, **content: np.ndarray) -> None:
    """Write an npz: the content, which comes first, then the labels or codes of samples that have them."""
    extra = {"labels": examples.labels, "codes": examples.codes}
    arrays = content | {name: index.numpy() for name, index in extra.items() if index is not None}
    np.savez_compressed(out / "samples.npz", **arrays)  # pyright: ignore[reportArgumentType]
    name, array = next(iter(content.items()))
    kind = " as NHWC uint8" if name == "images" else f" {array.dtype}"
    others = "".join(f"; {other}" for other in arrays if other not in content)
    print(f"array:    {os.path.relpath(out / 'samples.npz')} ({name}, {'x'.join(map(str, array.shape))}{kind}{others})")
