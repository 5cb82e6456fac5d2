"""``genloom evaluate``: judge a checkpoint, or the pictures of any other program, by the same protocol."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from omegaconf import DictConfig
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from genloom import randomness
from genloom.capabilities import Capability, require
from genloom.config.instantiate import instantiate
from genloom.data.base import ImageData
from genloom.errors import ConfigError, DataError
from genloom.metrics.judge import Judge, Verdict
from genloom.runs import checkpoint
from genloom.runs.directory import write_json
from genloom.sample import device
from genloom.samplers.pictures import draw_pictures
from genloom.spec import ImageContent


def run(config: DictConfig) -> None:
    """Print a table and write metrics.json.

    Raises:
        GenloomError: what is to be judged, or the data to judge it by, cannot be used.
    """
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
    node = config.data or recorded
    data: ImageData = instantiate(node, "data")
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


def read_samples(path: Path, content: ImageContent) -> UInt8[Tensor, "num channels height width"]:
    """Read pictures that some program generated: a folder of image files, or an npz of uint8 NHWC, NCHW or NHW.

    Raises:
        DataError: there are none, or they do not have the shape of the real data.
    """
    if path.is_dir():
        images = _read_folder(path, content)
    elif path.suffix == ".npz":
        images = _read_npz(path, content)
    else:
        raise DataError(f"samples: {path} is neither a folder of pictures nor an .npz file")
    if len(images) < 2 or images.shape[1:] != content.shape:
        raise DataError(
            f"samples: {path} holds {len(images)} images of {tuple(images.shape[1:])}; "
            f"at least 2 of {content.shape} (channels, height, width) are needed, as in the data"
        )
    return images


def _read_folder(path: Path, content: ImageContent) -> Tensor:
    mode = "L" if content.channels == 1 else "RGB"
    suffixes = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
    arrays = []
    for file in sorted(file for file in path.rglob("*") if file.suffix.lower() in suffixes and file.stem != "grid"):
        try:
            with Image.open(file) as image:
                array = np.asarray(image.convert(mode))
        except (OSError, UnidentifiedImageError) as error:
            raise DataError(f"samples: {file} cannot be read as a picture ({error})") from error
        if array.shape[:2] != (content.height, content.width):
            raise DataError(
                f"samples: {file} is {array.shape[1]}x{array.shape[0]}, the data {content.width}x{content.height}; "
                "set data.size to the samples' size or resize them"
            )
        arrays.append(array.reshape(content.height, content.width, content.channels))
    if not arrays:
        raise DataError(f"samples: {path} holds no pictures")
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()


def _read_npz(path: Path, content: ImageContent) -> Tensor:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array = archive[archive.files[0]]
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"samples: {path} cannot be read ({error})") from error
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        raise DataError(f"samples: {path} holds {array.dtype} with {array.ndim} axes; uint8 with 3 or 4 is needed")
    images = torch.from_numpy(array)
    if images.ndim == 3:
        return images.unsqueeze(1)
    return images if images.shape[1:] == content.shape else images.permute(0, 3, 1, 2).contiguous()
