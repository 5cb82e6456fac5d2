"""``genloom evaluate``: judge a checkpoint, or the pictures of any other program, by the same protocol."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from genloom import randomness
from genloom.capabilities import Capability, require
from genloom.config.instantiate import instantiate
from genloom.data.base import ImageData
from genloom.data.sample_files import read_samples
from genloom.devices import device
from genloom.errors import ConfigError, DataError
from genloom.families.pictures import draw_pictures
from genloom.metrics.judge import Judge, Verdict
from genloom.runs import checkpoint
from genloom.runs.directory import write_json


def run(config: DictConfig) -> None:
    """Print a table and write metrics.json.

    Raises:
        GenloomError: what is to be judged, or the data to judge it by, cannot be used.
    """
    if not config.metrics:
        raise ConfigError("metrics: none leaves nothing to evaluate; choose images or inception")
    if (config.checkpoint is None) == (config.samples is None):
        raise ConfigError("checkpoint, samples: name one of them, as in genloom evaluate checkpoint=runs/digits/…")
    judge: Judge = instantiate(config.metrics, "metrics")
    with randomness.untouched():
        verdict, out = _of_checkpoint(config, judge) if config.checkpoint else _of_samples(config, judge)
    verdict.show()
    path = Path(config.out or out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out: {path} cannot be written ({error.strerror}); set out") from error
    write_json(path / "metrics.json", {"evaluation": verdict.to_dict()})
    print(f"metrics: {path / 'metrics.json'}")


def _of_checkpoint(config: DictConfig, judge: Judge) -> tuple[Verdict, Path]:
    file = checkpoint.find(config.checkpoint)
    model = checkpoint.load(file, trust=list(config.trust), device=device(config.device))
    require("genloom evaluate", Capability.SAMPLE, model.capabilities)
    data = _data(config, model.identity["data"])
    spec = data.describe()
    if spec.content.shape != model.spec.content.shape:
        raise ConfigError(
            f"data: its images are {spec.content.shape}, those of {file} are {model.spec.content.shape}; set data.size"
        )
    if not config.data and data.fingerprint != model.identity["data_fingerprint"]:
        print(f"note: {data.name} is not, pixel by pixel, what {file.name} was trained on")
    chosen = [config.weights] if config.weights else model.weight_sets
    candidates = {
        weights: lambda num, weights=weights: draw_pictures(model, num, seed=config.seed, weights=weights)
        for weights in chosen
    }
    folder = file.parent / f"evaluation-{file.stem}-{data.name}"
    return judge.judge(data, candidates, device=model.device), folder


def _of_samples(config: DictConfig, judge: Judge) -> tuple[Verdict, Path]:
    if not config.data:
        raise ConfigError("data: judging samples needs the real data to hold them against, as in data=mnist")
    data = _data(config, None)
    path = Path(config.samples).expanduser()
    images = read_samples(path, data.describe().content)
    generator = randomness.generator(config.seed, "samples")
    images = images[torch.randperm(len(images), generator=generator)]
    return judge.judge(
        data, {"samples": lambda num: images[:num]}, device=device(config.device)
    ), path if path.is_dir() else path.parent


def _data(config: DictConfig, recorded: dict[str, Any] | None) -> ImageData:
    data: ImageData = instantiate(config.data or recorded or {}, "data")
    try:
        data.prepare_data()
        data.describe()
    except DataError as error:
        if config.data:
            raise
        raise DataError(
            f"judging this checkpoint needs the data that it was trained on: {error} "
            f"(or name it on the command line: data={data.name} data.root=FOLDER)"
        ) from error
    return data
