"""``genloom evaluate``: judge a checkpoint, or the pictures of any other program, by the same protocol."""

from pathlib import Path

import torch
from omegaconf import DictConfig

from genloom import randomness
from genloom.assembly import load_data, load_data_of
from genloom.config.instantiate import instantiate
from genloom.data.sample_files import read_pictures
from genloom.devices import device
from genloom.errors import ConfigError
from genloom.examples import Images
from genloom.metrics.candidate import Candidate, candidates_of
from genloom.metrics.judge import Judge, Verdict
from genloom.runs import checkpoint
from genloom.runs.directory import write_json
from genloom.spec import ImageContent


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
    data = load_data_of(model, file, config.data)
    chosen = [config.weights] if config.weights else model.weight_sets
    candidates = candidates_of(model, chosen, seed=config.seed)
    folder = file.parent / f"evaluation-{file.stem}-{data.name}"
    return judge.judge(data, candidates, device=model.device), folder


def _of_samples(config: DictConfig, judge: Judge) -> tuple[Verdict, Path]:
    if not config.data:
        raise ConfigError("data: judging samples needs the real data to hold them against, as in data=mnist")
    data = load_data(config.data)
    path, content = Path(config.samples).expanduser(), data.describe().content
    if not isinstance(content, ImageContent):
        raise ConfigError(f"samples: files of pictures are judged, and data={data.name} holds none; judge a checkpoint")
    images = read_pictures(path, content, "samples")
    generator = randomness.generator(config.seed, "samples")
    images = images[torch.randperm(len(images), generator=generator)]
    return judge.judge(
        data, {"samples": Candidate(lambda num: Images(images[:num]))}, device=device(config.device)
    ), path if path.is_dir() else path.parent
