"""``genloom explore``: the looks that training takes at a model, from its checkpoint: one picture each."""

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning import Callback

from genloom import randomness
from genloom.commands import output
from genloom.commands.assembly import build_callbacks, load_data_of, load_model
from genloom.config.instantiate import instantiate
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.errors import CapabilityError, ConfigError, DataError
from genloom.inspections.base import PictureLook
from genloom.judging.judge import Judge
from genloom.models.abilities import Model


@randomness.untouched()
def run(config: DictConfig) -> None:
    """Write a picture of each look that the model offers; print why the others are left out.

    Raises:
        GenloomError: the checkpoint or the data that was named cannot be used, or no look applies.
    """
    if not config.callbacks:
        raise ConfigError("callbacks: none leaves nothing to look at; choose some, as in callbacks=directions")
    model, file = load_model(config)
    if config.seed is not None:
        model.seed = config.seed
    judge: Judge | None = instantiate(config.metrics, "metrics") if config.metrics else None
    looks = build_callbacks(config.callbacks, judge)
    data = functools.cache(
        lambda: load_data_of(model, file, config.data, config.trust)
    )  # read by the first look that needs it
    with output.folder(config.out, Path("samples") / f"{file.stem}-looks") as out:
        skipped = _write(config, looks, model, data, out)
    for name, reason in skipped.items():
        print(f"{name + ':':<17}left out: {reason}")
    if len(skipped) == len(config.callbacks):
        raise ConfigError(f"callbacks: nothing of {', '.join(skipped)} can be drawn of {file}; choose other looks")


def _write(
    config: DictConfig, looks: Mapping[str, Callback], model: Model, data: Callable[[], InMemoryData], out: Path
) -> dict[str, Exception]:
    """Write what can be looked at; return by name why the rest can't."""
    skipped: dict[str, Exception] = {}
    for name in map(str, config.callbacks):
        try:
            picture = _picture(name, looks.get(name), model, data)
        except CapabilityError as error:
            skipped[name] = error
        except DataError as error:
            if config.data:
                raise
            skipped[name] = error
        else:
            try:
                path = picture.save(out / name)
            except OSError as error:
                raise ConfigError(f"out: {out / name} cannot be written ({error.strerror}); set out") from error
            print(f"{name + ':':<17}{os.path.relpath(path)}", flush=True)
    return skipped


def _picture(name: str, look: Callback | None, model: Model, data: Callable[[], InMemoryData]) -> Shown:
    if look is None:
        raise CapabilityError("it needs extractors; choose metrics=images")
    if not isinstance(look, PictureLook):
        raise CapabilityError("it is no picture")
    look.check(model)
    if reason := look.why_not(model.spec.content):
        raise CapabilityError(reason)
    return look.drawn(model, data)
