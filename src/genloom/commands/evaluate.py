"""``genloom evaluate``: judge a checkpoint, or the pictures of any other program, by the same protocol."""

from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from genloom import randomness
from genloom.commands import output
from genloom.commands.assembly import load_data, load_data_of, load_model
from genloom.config.instantiate import instantiate
from genloom.devices import device
from genloom.errors import ConfigError
from genloom.judging.candidate import Candidate, candidates_of
from genloom.judging.judge import Judge, Verdict
from genloom.runs import stranger
from genloom.runs.directory import write_json


def run(config: DictConfig) -> None:
    """Print a table and write metrics.json.

    Raises:
        GenloomError: what is to be judged, or the data to judge it by, cannot be used.
    """
    if (config.checkpoint is None) == (config.samples is None):
        raise ConfigError("checkpoint, samples: name one of them, as in genloom evaluate checkpoint=runs/digits/…")
    with randomness.untouched():
        verdict, out = _of_checkpoint(config) if config.checkpoint else _of_samples(config)
    verdict.show()
    if not config.out and out.is_symlink():
        raise ConfigError(f"out: {out} leads elsewhere by a link, which came with the checkpoint, perhaps; set out")
    path = output.file(config.out and str(Path(config.out, "metrics.json")), out / "metrics.json")
    write_json(path, {"evaluation": verdict.to_dict()})
    print(f"metrics: {path}")


def _judge(node: Any) -> Judge:
    if not node:
        raise ConfigError("metrics: none leaves nothing to evaluate; choose a suite, as metrics=images, text or series")
    return instantiate(node, "metrics")


def _chosen(key: str) -> bool:
    """Whether the command line sets ``key``, or something in it."""
    overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return any(override.lstrip("+~").partition("=")[0].split(".")[0] == key for override in overrides)


def _of_checkpoint(config: DictConfig) -> tuple[Verdict, Path]:
    model, file = load_model(config)
    suite = config.metrics
    if not _chosen("metrics"):
        suite = model.identity["metrics"]
        suite = suite and stranger.checked(suite, Judge, "metrics", trust=config.trust, file=file)
    judge = _judge(suite)
    data = load_data_of(model, file, config.data, config.trust)
    chosen = [config.weights] if config.weights else model.weight_sets
    candidates = candidates_of(model, chosen, seed=config.seed, examples=lambda: data.split("test"))
    folder = file.parent / f"evaluation-{file.stem}-{Path(data.name).name}"  # a stranger may call data ../..
    return judge.judge(data, candidates, device=model.device, progress_bar=True), folder


def _of_samples(config: DictConfig) -> tuple[Verdict, Path]:
    if config.sampler:
        raise ConfigError("sampler: samples=… were drawn already; leave it out")
    if config.weights:
        raise ConfigError(
            f"weights: {config.weights} chooses those of a checkpoint, and samples=… have none; leave it out"
        )
    if not config.data:
        raise ConfigError("data: judging samples needs the real data to hold them against, as in data=mnist")
    judge = _judge(config.metrics)
    data = load_data(config.data)
    path, content = Path(config.samples).expanduser(), data.describe().content
    samples = content.read(path, "samples", at_least=2)
    samples = samples[torch.randperm(len(samples), generator=randomness.generator(config.seed, "samples"))]
    candidates = {"samples": Candidate.of_samples(lambda num: samples[:num])}
    return judge.judge(data, candidates, device=device(config.device)), path if path.is_dir() else path.parent
