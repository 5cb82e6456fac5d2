"""From a configuration to the parts of a run, in the order in which each needs the one before."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger

from genloom import randomness
from genloom.config.advice import pasted
from genloom.config.instantiate import instantiate
from genloom.config.near import did_you_mean
from genloom.config.validation import check
from genloom.contents.base import why_not
from genloom.data.base import InMemoryData
from genloom.devices import device
from genloom.errors import CapabilityError, ConfigError, DataError, NeedsLabelsError
from genloom.examples import Examples
from genloom.inspections.base import Look
from genloom.inspections.throughput import Progress, Throughput
from genloom.judging.judge import Judge
from genloom.models import abilities
from genloom.models.abilities import Model
from genloom.models.training.family import Family
from genloom.printable import printable
from genloom.runs import checkpoint, loading, stranger
from genloom.runs.logs import careful
from genloom.samplers.fitting import SAMPLERS, give, usual
from genloom.spec import Spec


@dataclass
class Run:
    """The built parts of a training run.

    Args:
        data: what is trained on.
        model: what is trained.
        judge: of the result; None for none.
        trainer: trains.
        continues: the checkpoint that training goes on from; None starts anew.
    """

    data: InMemoryData
    model: Family
    judge: Judge | None
    trainer: Trainer
    continues: Path | None


def build(config: DictConfig, continues: Path | None = None) -> Run:
    """Build every part of a run from its configuration.

    Args:
        config: the run's.
        continues: a checkpoint of the same run, or of one that this one goes on from.

    Raises:
        GenloomError: a part cannot be built, or the data not read.
    """
    _check_trainer(config.trainer)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    data = load_data(config.data)
    spec = data.describe()
    stated = ("model", "data", "optimizer", "scheduler", "metrics", "sampler")
    identity = {key: OmegaConf.to_container(config[key], resolve=True) if config[key] else None for key in stated}
    identity["data_fingerprint"] = data.fingerprint
    randomness.seed_globally(config.seed, "initial weights")
    try:
        carried: dict[str, Any] = {**loading.carried_by(config.model, list(config.trust))}
        model: Family = instantiate(
            config.model,
            "model",
            spec=spec,
            optimizer=instantiate(config.optimizer, "optimizer"),
            scheduler=instantiate(config.scheduler, "scheduler") if config.scheduler else None,
            seed=config.seed,
            identity=identity,
            **carried,
        )
    except NeedsLabelsError as error:
        raise NeedsLabelsError(f"{error}" + (f" ({data.why_unlabelled})" if data.why_unlabelled else "")) from error
    give(model, instantiate(config.sampler, "sampler"))
    if model.is_continuation and not (config.init_from or continues):
        raise ConfigError(
            f"init_from: {config.init_from} gives no weights, which model.freeze_discriminator_layers would keep; "
            "name a checkpoint, or freeze no layers"
        )
    if continues:
        loading.check_continues(continues, model, data.fingerprint)
    data.prepare_training(
        batches_per_iteration=model.batches_per_iteration,
        continues_at=checkpoint.position(continues) if continues else (0, 0),
    )
    judge: Judge | None = instantiate(config.metrics, "metrics") if config.metrics else None
    if judge is not None:
        judge.prepare(spec.content)
    callbacks = build_callbacks(config.callbacks, judge)
    _check_looks(callbacks, model)
    trainer: Trainer = instantiate(
        config.trainer,
        "trainer",
        default_root_dir=config.run.dir,
        callbacks=[
            Throughput(),
            *([Progress()] if config.progress_bar else []),
            *callbacks.values(),
        ],
        logger=_loggers(config) or False,
        plugins=[checkpoint.SafeCheckpointIO()],
        use_distributed_sampler=False,  # the data divides its batches among the ranks itself
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks.values()),
        enable_model_summary=False,
        enable_progress_bar=False,  # ours covers the run, Lightning's an epoch
    )
    return Run(data, model, judge, trainer, continues)


def _check_trainer(node: DictConfig) -> None:
    """Refuse what would fail, or mislead, only after the data was read."""
    accelerator, precision = node.get("accelerator"), str(node.get("precision"))
    gpus = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not {**gpus, "gpu": any(gpus.values())}.get(accelerator, True):
        raise ConfigError(
            f"trainer.accelerator: {accelerator} is not available here; choose trainer=auto or trainer=cpu"
        )
    if precision.endswith("16-true") or precision.startswith("transformer-engine"):
        raise ConfigError(
            f"trainer.precision: {precision} rounds the weights themselves, and with them averages and statistics; "
            "choose trainer.precision=bf16-mixed or 16-mixed, which compute as fast"
        )


def load_data(node: DictConfig | dict[str, Any], spec: Spec | None = None) -> InMemoryData:
    """Return the data that ``node`` describes, its training split read.

    Args:
        node: its configuration.
        spec: of a model that the examples are for, which may say how they are to be read.

    Raises:
        DataError: it is not there, or damaged.
    """
    data: InMemoryData = instantiate(node, "data")
    if spec is not None and why_not(data, spec.content) is None:
        data.follow(spec)
    data.prepare_data()
    data.describe()
    return data


def load_model(config: DictConfig) -> tuple[Family, Path]:
    """Return the model of a checkpoint, drawn from as the command line says, and the checkpoint's file.

    Args:
        config: ``checkpoint``, ``device``, ``trust``; of commands that draw also ``sampler``: one to draw by, or values
            that change the checkpoint's; empty leaves that as it is.

    Raises:
        CheckpointError: it cannot be used.
        CapabilityError: the sampler can't draw from its model.
        ConfigError: the sampler has no such values.
    """
    file = checkpoint.find(config.checkpoint)
    model = loading.load(file, trust=list(config.trust), device=device(config.device))
    if config.get("sampler"):
        node = config.sampler if "_target_" in config.sampler else _changed(model, file, config.sampler)
        give(model, instantiate(node, "sampler"))
    return model, file


def _changed(model: Family, file: Path, changes: DictConfig) -> DictConfig:
    """Return the configuration of a model's sampler with other values."""
    kind = type(model.sampler or usual(model))
    known = [field.name for field in fields(kind)]  # pyright: ignore[reportArgumentType]
    for name in map(str, changes):
        if name not in known:
            fitting = [each for each in SAMPLERS if abilities.why_not(model, each.needs) is None]
            others = [each for each in fitting if name in (field.name for field in fields(each))]
            chosen = "".join(f"; sampler={each.__name__.lower()} has it" for each in others)
            hint = did_you_mean(name, known) or chosen or f"; it has {', '.join(known) or 'none'}"
            raise ConfigError(f"sampler.{name}: {kind.__name__}, the sampler of {file}, has no value {name}{hint}")
    recorded = model.identity["sampler"] or {"_target_": f"{kind.__module__}.{kind.__qualname__}"}
    node = OmegaConf.create({"sampler": OmegaConf.merge(recorded, changes)})
    check(node)
    return node.sampler


def load_data_of(model: Family, file: Path, node: DictConfig | None, trust: Sequence[str] = ()) -> InMemoryData:
    """Return the data that ``node`` describes; without one, what the model was trained on.

    Args:
        model: from ``file``.
        file: a checkpoint.
        node: other data than the recorded one.
        trust: packages whose classes the recorded one may name.

    Raises:
        CheckpointError: it names others.
        DataError: the data is not there.
        ConfigError: its examples are not of the model's shape.
    """
    recorded = model.identity["data"]
    own = node or stranger.checked(recorded, InMemoryData, "data", trust=trust, file=file)
    try:
        data = load_data(own, model.spec)
    except DataError as error:
        if node:
            raise
        raise DataError(
            f"holding this checkpoint against real examples needs the data that it was trained on: {error} "
            f"(or name it on the command line: data={recorded['name']} data.root=FOLDER, or data.path=FILE)"
        ) from error
    theirs, ours = data.describe(), model.spec
    if theirs.content.shape != ours.content.shape:
        raise ConfigError(
            f"data: its examples are of {theirs.content.shape}, those of {file} of {ours.content.shape}; name data of "
            "that shape, or set data.length and data.context, or data.targets and data.horizon"
        )
    if (past := _unlike_past(theirs, ours)) is not None:
        raise ConfigError(
            f"data.{past}: it is not that of {file}; a model of series sees the past as it was trained to"
        )
    if not node and data.fingerprint != model.identity["data_fingerprint"]:
        print(f"note: {printable(data.name)} is not, value by value, what {file.name} was trained on")
    return data


def _unlike_past(*specs: Spec) -> str | None:
    """Return in what two histories differ; None if a model of the one can read the other, or there are none."""
    if not all("history" in spec.given for spec in specs):
        return None
    theirs, ours = (spec.given["history"] for spec in specs)
    names = ("look_back", "past_covariates", "future_covariates", "static_covariates", "calendar")
    return next((name for name in names if getattr(theirs, name) != getattr(ours, name)), None)


def examples_for(model: Family, file: Path, config: DictConfig) -> Examples:
    """Return the real examples that a command shows to a model, as the model sees them.

    Args:
        model: from ``file``.
        file: a checkpoint.
        config: ``images``, a folder of pictures, a picture or an npz; without it, the first ``num`` of ``split`` of
            the data.

    Raises:
        GenloomError: they cannot be read, or are not of the model's shape.
    """
    content = model.spec.content
    if config.images is not None and config.data:
        raise ConfigError("images, data: both name the examples; leave one of them out")
    if config.images is None:
        examples = load_data_of(model, file, config.data, config.trust).modelled(config.split)
    elif model.conditions:
        told = ", ".join(model.conditions)
        raise ConfigError(f"images: {file} needs to know the {told} of its examples; name data that has it instead")
    else:
        examples = content.seen(content.read(Path(config.images).expanduser(), "images"))
    return examples[slice(0, config.num)]


def build_callbacks(node: DictConfig | None, judge: Judge | None) -> dict[str, Callback]:
    """Return callbacks by name; without a judge, those that need none.

    Args:
        node: callbacks by name; one that needs the judge is a ``_partial_``.
        judge: the run's.
    """
    built: dict[str, Callback] = {}
    for name, part in (node or {}).items():
        callback = instantiate(part, f"callbacks.{name}")
        if not part.get("_partial_"):
            built[str(name)] = callback
        elif judge is not None:
            built[str(name)] = callback(judge)
    return built


def _check_looks(callbacks: dict[str, Callback], model: Model) -> None:
    for name, callback in callbacks.items():
        if isinstance(callback, Look):
            try:
                callback.check(model)
            except CapabilityError as error:
                raise CapabilityError(
                    f"callbacks.{name}: {error}; choose another model, or leave the look out by "
                    + pasted(f"~callbacks.{name}")
                ) from error


def _loggers(config: DictConfig) -> list[Logger]:
    named = {f"logger.{name}": node for name, node in (config.logger or {}).items()}
    return [careful(instantiate(node, key), key) for key, node in named.items()]
