"""``genloom train``: data, spec, model, training, judgement, and a directory that holds everything."""

import contextlib
import os
import re
import signal
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.exceptions import (
    MisconfigurationException,  # pyright: ignore[reportPrivateImportUsage]
    SIGTERMException,
)
from pytorch_lightning.utilities.model_summary.model_summary import ModelSummary

from genloom import randomness
from genloom.commands.assembly import Run, build
from genloom.config.advice import pasted, setting
from genloom.data.base import InMemoryData
from genloom.data.images.base import ImageData
from genloom.devices import captures, described, peak_memory, reset_peak_memory
from genloom.errors import CheckpointError, ConfigError, GenloomError, TrainingError, reason
from genloom.inspections.throughput import Throughput
from genloom.judging.candidate import candidates_of
from genloom.judging.judge import Verdict
from genloom.models.abilities import Forecasts, Reconstructs, Samples
from genloom.runs import checkpoint, directory, loading, resume
from genloom.runs.logs import without_tracebacks
from genloom.runs.record import Record

JOB_VARIABLE = "GENLOOM_JOB"  # the saved configuration that the other ranks of this job start from
CONTINUES_VARIABLE = "GENLOOM_CONTINUES"  # and the checkpoint that they continue from


def run(config: DictConfig) -> None:
    """Train as ``config`` says; on every rank.

    Raises:
        GenloomError: the configuration, the data or a checkpoint cannot be used, or a loss is no longer finite.
    """
    if JOB_VARIABLE in os.environ and int(os.environ.get("LOCAL_RANK", 0)) > 0:  # another rank of a job below
        continues = os.environ.get(CONTINUES_VARIABLE)
        _fit(build(config, Path(continues) if continues else None), config)
        return
    config = DictConfig(OmegaConf.to_container(config))  # free of the schema: the run adds to it
    identity = resume.identity(config)
    place = resume.choose(config, _sweep_directory())
    if place.finished:
        print(f"{place.directory}: this run is finished; nothing to do")
        return
    config.run.dir = str(place.directory)
    record = Record(place.directory, identity)
    with directory.held(place.directory), without_tracebacks():
        with directory.given_back(place.directory, is_new=place.is_new):
            built = build(config, place.checkpoint)
            if config.init_from and not place.checkpoint:
                _start_from(built, config.init_from)
            built.data.split("train")  # whatever is wrong with the data is found before anything is written
        with _status(record):
            _run(built, config, record)


def _run(built: Run, config: DictConfig, record: Record) -> None:
    record.configuration(config, _overrides())
    os.environ[JOB_VARIABLE] = str(record.directory / "config.yaml")
    os.environ[CONTINUES_VARIABLE] = str(built.continues or "")
    try:
        _train(built, config, record)
    finally:
        del os.environ[JOB_VARIABLE], os.environ[CONTINUES_VARIABLE]
        if torch.distributed.is_initialized():  # else a sweep's next job would talk to this one's ranks
            torch.distributed.destroy_process_group()


def _start_from(built: Run, source: str) -> None:
    unmatched = loading.start_from(built.model, source)
    print(f"started from {source}; " + (f"not matched: {', '.join(unmatched)}" if unmatched else "all matched"))


def _train(built: Run, config: DictConfig, record: Record) -> None:
    model, data, trainer = built.model, built.data, built.trainer
    device = trainer.strategy.root_device
    how = {"precision": trainer.precision, "deterministic": torch.are_deterministic_algorithms_enabled()}
    record.environment(described(device), data.fingerprint, **how)
    record.skipped(data.skipped)
    parameters = ModelSummary(model, max_depth=1)
    print(
        f"{model.spec.name}: {len(data.split('train'))} examples of {model.spec.content.stored_shape}{_classes(data)}"
    )
    print(
        f"{config.model._target_.split('.')[-1]} on {described(device)}: "
        f"{parameters.trainable_parameters:,} trainable parameters"
    )
    if captures(device):
        replayed = (
            "iterations are replayed as CUDA graphs" if config.trainer.capture == "auto" else "trainer.capture=off"
        )
        repeated = "deterministic" if how["deterministic"] else "trainer.deterministic=false"
        print(f"precision {trainer.precision}, {repeated}, {replayed}")
    print(f"run directory: {record.directory}", flush=True)
    reset_peak_memory(device)
    _fit(built, config)
    if not trainer.is_global_zero:
        return
    record.environment(described(device), data.fingerprint, **how, captured=model.captured)
    memory = peak_memory(device)
    results = _judge(built, device, progress_bar=config.progress_bar)
    throughput = next(callback for callback in trainer.callbacks if isinstance(callback, Throughput))  # pyright: ignore
    efficiency = {
        "iterations": trainer.global_step,
        "training_seconds": round(throughput.seconds, 1),
        "examples_per_second": round(throughput.examples / max(throughput.seconds, 1e-9), 1),
        "peak_memory_mb": round(memory / 2**20),
        "trainable_parameters": parameters.trainable_parameters,
    }
    record.metrics({"efficiency": efficiency, "evaluation": results.to_dict() if results else None})
    _log_results(config, trainer, efficiency, results, model.weight_sets[0])
    _conclude(record.directory, efficiency, results, config, model.abilities)


def _classes(data: InMemoryData) -> str:
    """Say how many classes there are, where examples may have some."""
    if not isinstance(data, ImageData):
        return ""
    if data.classes:
        return f", {len(data.classes)} classes"
    return ", no classes" + (f": {data.why_unlabelled}" if data.why_unlabelled else "")


def _fit(built: Run, config: DictConfig) -> None:
    """Train and save; on every rank, since saving is collective."""
    trainer = built.trainer
    with _quiet():
        try:
            trainer.fit(built.model, built.data, ckpt_path=built.continues, weights_only=True)
        except MisconfigurationException as error:  # what Lightning finds out only now
            raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"the memory of {described(trainer.strategy.root_device)} is too small ({reason(error)}); lower "
                f"data.batch_size={built.data.batch_size}, or choose trainer.precision=bf16-mixed or data.gpu_share=0"
            ) from error
        except SIGTERMException as error:  # it has no exit code, and so would look like success
            raise SystemExit(128 + signal.SIGTERM) from error
        except SystemExit as error:
            if not isinstance(error.__context__, KeyboardInterrupt):
                raise
            # Lightning answers Ctrl-C by exiting, which would end one job of a sweep, and ignores it from then on
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise error.__context__ from None
        except Exception as error:
            if isinstance(error, GenloomError) or not built.continues or built.model.has_started:
                raise
            raise CheckpointError(
                f"{built.continues}: the state of its training can't be restored ({type(error).__name__}: "
                f"{reason(error)}); init_from=… in place of resume=… starts from its weights"
            ) from error
        final = Path(config.run.dir) / "checkpoints" / "final.ckpt"
        trainer.save_checkpoint(final, weights_only=False, storage_options=checkpoint.REQUIRED)


def _judge(built: Run, device: torch.device, *, progress_bar: bool) -> Verdict | None:
    if built.judge is None:
        return None
    model = built.model.to(device).eval()
    print("judging by the full protocol …", flush=True)
    with randomness.untouched():
        held = partial(built.data.split, "test")
        candidates = candidates_of(model, model.weight_sets, seed=model.seed, examples=held)
        return built.judge.judge(built.data, candidates, device=device, progress_bar=progress_bar)


def _log_results(
    config: DictConfig, trainer: Trainer, efficiency: dict[str, Any], results: Verdict | None, weights: str
) -> None:
    finals = {f"final/{name}": float(value) for name, value in efficiency.items()}
    if results is not None:
        finals |= {f"final/{name}": value for name, value in results.scalars(weights).items()}
    groups = ("data", "model", "optimizer", "scheduler", "trainer", "seed")
    everything = OmegaConf.to_container(config, resolve=True)
    assert isinstance(everything, dict)
    parameters = {group: everything[group] for group in groups}
    for logger in trainer.loggers:
        from pytorch_lightning.loggers import TensorBoardLogger

        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(parameters, finals, step=trainer.global_step)
        else:
            logger.log_hyperparams(parameters)
            logger.log_metrics(finals, step=trainer.global_step)
        logger.finalize("success")


def _conclude(
    place: Path,
    efficiency: dict[str, Any],
    results: Verdict | None,
    config: DictConfig,
    abilities: frozenset[type],
) -> None:
    if results is not None:
        results.show()
    minutes, seconds = divmod(round(efficiency["training_seconds"]), 60)
    rate = efficiency["examples_per_second"]
    print(f"{efficiency['iterations']} iterations in {minutes}:{seconds:02d}, {rate:.0f} examples/s")
    pictures = sorted(file for name in ("samples", "forecasts") for file in (place / "samples").glob(f"{name}-*"))
    relative = Path(os.path.relpath(place))
    has_curves = "tensorboard" in (config.logger or {}) and (place / "tensorboard").is_dir()
    curves = f"tensorboard --logdir {pasted(str(relative.parent))}" if has_curves else None
    trust = _trust(config)
    usable = {"sample": Samples, "reconstruct": Reconstructs, "forecast": Forecasts}
    lines = {
        "looks": os.path.relpath(pictures[-1]) if pictures else None,
        "metrics": relative / "metrics.json" if results is not None else None,
        **{
            command: f"genloom {command} {setting('checkpoint', relative / 'checkpoints' / 'final.ckpt')}"
            + (" data.path=NEW.csv" if needed is Forecasts else "")
            + (f" trust=[{','.join(trust)}]" if trust else "")
            for command, needed in usable.items()
            if needed in abilities
        },
        "curves": curves,
    }
    for name, text in lines.items():
        if text is not None:
            print(f"{name + ':':<13}{text}")


def _trust(config: DictConfig) -> list[str]:
    """Return the packages of the user's own that the checkpoint names, which whoever loads it must trust."""
    named = OmegaConf.to_yaml(OmegaConf.create([config.model, config.data, config.metrics, config.sampler]))
    return sorted(set(re.findall(r"_target_: (\w+)\.", named)) - {"genloom", "torch"})


def _sweep_directory() -> Path | None:
    if HydraConfig.initialized() and HydraConfig.get().mode is RunMode.MULTIRUN:
        return Path(HydraConfig.get().runtime.output_dir)
    return None


def _overrides() -> list[str]:
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


@contextlib.contextmanager
def _status(record: Record) -> Iterator[None]:
    try:
        record.status("running", pid=os.getpid())
    except OSError as error:
        raise ConfigError(f"run.dir: {record.directory} cannot be written ({error.strerror}); set run.dir") from error
    try:
        yield
    except BaseException as error:
        with contextlib.suppress(OSError):
            record.status("failed", why=_why(error))
        if not isinstance(error, GenloomError):
            print(f"failed; what there is: {record.directory}; resume=auto continues it", flush=True)
        raise
    record.status("finished")


def _why(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128:
        return signal.Signals(error.code - 128).name
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence advice of Lightning that does not apply here."""
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",  # the data is in memory
            ".*Checkpoint directory .* exists and is not empty.*",
            ".*log_every_n_steps.*",
            ".*treespec, LeafSpec.*",
            ".*ModelCheckpoint with manual optimization.*",  # it saves after the update, as it should
            ".*resuming from a checkpoint that ended before the epoch ended.*",  # keyed order resumes exactly
        ):
            warnings.filterwarnings("ignore", message=message)
        yield
