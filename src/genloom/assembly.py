"""From a configuration to the parts of a training run, in the order in which each needs the one before."""

import logging
from dataclasses import dataclass

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import Logger

from genloom import randomness
from genloom.callbacks.progress import Progress, Throughput
from genloom.config.instantiate import instantiate
from genloom.data.base import ImageData
from genloom.families.base import Family
from genloom.metrics.judge import Judge
from genloom.runs import checkpoint


@dataclass
class Run:
    """The built parts of a training run."""

    data: ImageData
    model: Family
    judge: Judge | None
    trainer: Trainer


def build(config: DictConfig) -> Run:
    """Build every part of a run from its configuration."""
    torch.set_float32_matmul_precision("high")  # TF32 where the GPU has it
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    data: ImageData = instantiate(config.data, "data")
    data.prepare_data()
    spec = data.describe()
    randomness.seed_globally(config.seed, "initial weights")
    model: Family = instantiate(
        config.model,
        "model",
        spec=spec,
        optimizer=instantiate(config.optimizer, "optimizer"),
        scheduler=instantiate(config.scheduler, "scheduler") if config.scheduler else None,
        seed=config.seed,
    )
    model.identity = {
        "model": OmegaConf.to_container(config.model, resolve=True),
        "data": OmegaConf.to_container(config.data, resolve=True),
        "data_fingerprint": data.fingerprint,
    }
    data.batches_per_iteration = model.batches_per_iteration
    if config.get("resume_from"):
        data.continues_at = checkpoint.position(config.resume_from)
    judge: Judge | None = instantiate(config.metrics, "metrics") if config.metrics else None
    if judge is not None:
        judge.prepare(spec.content)
    trainer: Trainer = instantiate(
        config.trainer,
        "trainer",
        default_root_dir=config.run.dir,
        callbacks=_callbacks(config, judge),
        logger=_loggers(config) or False,
        plugins=[checkpoint.SafeCheckpointIO()],
        use_distributed_sampler=False,  # the data divides its batches among the ranks itself
        enable_model_summary=False,
        enable_progress_bar=False,  # ours covers the run, Lightning's an epoch
    )
    return Run(data, model, judge, trainer)


def _callbacks(config: DictConfig, judge: Judge | None) -> list[Callback]:
    built: list[Callback] = [Throughput()]
    if config.progress_bar:
        built.append(Progress())
    for name, node in (config.callbacks or {}).items():
        callback = instantiate(node, f"callbacks.{name}")
        if node.get("_partial_"):
            if judge is None:
                continue
            callback = callback(judge)
        built.append(callback)
    return built


def _loggers(config: DictConfig) -> list[Logger]:
    return [instantiate(node, f"logger.{name}") for name, node in (config.logger or {}).items()]
