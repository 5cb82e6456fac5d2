"""A denoiser of pictures that others have trained: a U-Net of the library diffusers."""

import importlib
import json
from collections.abc import Mapping
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor, nn

from genloom.batch import NOTHING, Given
from genloom.diffusion.prediction import Clean, Noise, Prediction, V
from genloom.diffusion.process import Level
from genloom.errors import ConfigError, reason
from genloom.networks.base import OfImages
from genloom.networks.denoiser.base import DenoiserNetwork
from genloom.spec import Spec

_SAID: dict[str, type[Prediction]] = {"epsilon": Noise, "sample": Clean, "v_prediction": V}
_SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
_MOST_BYTES = 2**20  # of a configuration
_MOST_TIMES = 100_000


class DiffusersUNet(OfImages, DenoiserNetwork):
    """A ``UNet2DModel``, as it was trained: at times of a discrete schedule, on content and noise on a circle.

    Levels of any process are scaled to that circle, and lie at the times, also between two of them, at which the
    schedule has their ratio; what lies outside is taken for the first or the last one. A checkpoint of genloom's holds
    ``config`` and ``schedule``, so that it needs no folder.

    Args:
        spec: the data's; images of any size.
        path: a folder with ``config.json`` and ``diffusion_pytorch_model.safetensors``, or one of a pipeline, whose
            ``unet`` is such; ``scheduler_config.json`` in it, or in ``scheduler`` beside it, has the schedule.
        config: arguments of ``UNet2DModel``, in place of the folder's; the weights are random then, or a checkpoint's.
        schedule: ``num_train_timesteps``, ``beta_start``, ``beta_end``, ``beta_schedule`` and ``prediction_type`` of
            ``DDPMScheduler``, in place of the folder's; what neither has is usual.

    Raises:
        ConfigError: the library is not installed, the folder holds no such network, or it does not fit the data.
    """

    ratios: Float64[Tensor, " times"]

    def __init__(
        self,
        spec: Spec,
        *,
        path: str | None = None,
        config: Mapping[str, Any] | None = None,
        schedule: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        channels, _, _ = self.image_shape(spec, "model.network")
        folder = None if config else _folder(path)
        if folder is not None:
            config, schedule = _json(folder / "config.json"), {**_schedule_of(folder), **(schedule or {})}
        assert config is not None
        own = {name: value for name, value in config.items() if not name.startswith("_")}
        _check(own, config.get("_class_name", "UNet2DModel"), channels, str(path))
        self.unet = _built(own, folder).train()
        usual = {**_SCHEDULE, "prediction_type": "epsilon"}
        times = {name: (schedule or {}).get(name, value) for name, value in usual.items()}
        if times["prediction_type"] not in _SAID:
            raise ConfigError(
                f"model.network.schedule.prediction_type: {times['prediction_type']!r} is none of {', '.join(_SAID)}"
            )
        self.says = _SAID[times["prediction_type"]]
        self.found = {"config": own, "schedule": times}
        self.register_buffer("ratios", _log_ratios(times), persistent=False)
        self.multiple = 2 ** (len(own.get("block_out_channels", (1, 1, 1, 1))) - 1)

    def time(self, level: Level) -> Float[Tensor, " levels"]:
        """Return at which times of the schedule levels lie, from 0 on."""
        ratio = level.ratio.double().log()
        after = torch.searchsorted(self.ratios, ratio.contiguous()).clamp(1, len(self.ratios) - 1)
        low, high = self.ratios[after - 1], self.ratios[after]
        return (after - 1 + (ratio - low) / (high - low)).clamp(0, len(self.ratios) - 1).float()

    def forward(
        self, noised: Float[Tensor, "batch channels height width"], level: Level, given: Given = NOTHING
    ) -> Float[Tensor, "batch channels height width"]:
        """Return what it was trained to say."""
        length = (level.alpha.square() + level.sigma.square()).sqrt()
        height, width = noised.shape[-2:]
        padded = F.pad(noised / length.view(-1, 1, 1, 1), (0, -width % self.multiple, 0, -height % self.multiple))
        return self.unet(padded, self.time(level)).sample[..., :height, :width]


def _folder(path: str | None) -> Path:
    if path is None:
        raise ConfigError("model.network.path: none is given; set it to a folder of diffusers' UNet2DModel")
    folder = Path(path).expanduser()
    if not (folder / "config.json").exists() and (folder / "unet").is_dir():
        folder = folder / "unet"
    if absent := [name for name in _FILES if not (folder / name).is_file()]:
        raise ConfigError(f"model.network.path: {folder} holds no {absent[0]}; name a folder of diffusers' UNet2DModel")
    return folder


def _schedule_of(folder: Path) -> dict[str, Any]:
    """Return the schedule of a folder's network; one without is usual."""
    for place in (folder, folder / "scheduler", folder.parent / "scheduler"):
        if (file := place / "scheduler_config.json").is_file():
            found = _json(file)
            if found.get("trained_betas") is not None or found.get("rescale_betas_zero_snr"):
                raise ConfigError(
                    f"model.network.path: {file} has trained_betas or rescale_betas_zero_snr, which are not read; name "
                    "another folder"
                )
            return found
    return {}


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no mapping")
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"model.network.path: {file} cannot be read ({reason(error)})") from error
    return found


def _check(config: Mapping[str, Any], name: str, channels: int, path: str) -> None:
    """Refuse what is another network, or is told more than the level."""
    sides = [config.get("in_channels", 3), config.get("out_channels", 3)]
    told = [key for key in ("num_class_embeds", "class_embed_type") if config.get(key) is not None]
    if name != "UNet2DModel":
        raise ConfigError(f"model.network.path: {path} holds {name}; UNet2DModel is read")
    if sides != [channels, channels]:
        raise ConfigError(
            f"model.network.path: {path} has {sides[0]} channels in and {sides[1]} out, the data {channels}; set "
            f"data.channels={sides[0]}, where it can be chosen, or name another folder"
        )
    if told:
        raise ConfigError(f"model.network.path: {path} has {told[0]}={config[told[0]]}; one without classes is read")
    if (kind := config.get("time_embedding_type", "positional")) != "positional":
        raise ConfigError(f"model.network.path: {path} has time_embedding_type={kind}; positional is read")


def _built(config: dict[str, Any], folder: Path | None) -> nn.Module:
    try:
        library = importlib.import_module("diffusers")
    except ImportError as error:
        raise ConfigError(
            "model.network: DiffusersUNet needs the package diffusers, which is not installed; pip install diffusers"
        ) from error
    try:
        if folder is None:
            return library.UNet2DModel.from_config(config)
        return library.UNet2DModel.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,  # the other form executes what a stranger wrote
            low_cpu_mem_usage=False,
            torch_dtype=torch.float32,
        )
    except Exception as error:  # of a damaged file, or of arguments that nobody checked
        place = "config" if folder is None else f"path: {folder}"
        raise ConfigError(f"model.network.{place}: diffusers cannot build it ({reason(error)})") from error


def _log_ratios(schedule: Mapping[str, Any]) -> Float64[Tensor, " times"]:
    """Return log σ/α at each time of a schedule of the names that diffusers gives them."""
    num, first, last = (schedule[name] for name in ("num_train_timesteps", "beta_start", "beta_end"))
    if not (isinstance(num, int) and 2 <= num <= _MOST_TIMES and 0 < first < last < 1):
        raise ConfigError(
            f"model.network.schedule: num_train_timesteps={num}, beta_start={first}, beta_end={last} are no schedule; "
            f"2 to {_MOST_TIMES:,} times are needed, and 0 < beta_start < beta_end < 1"
        )
    match schedule["beta_schedule"]:
        case "linear":
            betas = np.linspace(first, last, num)
        case "scaled_linear":
            betas = np.linspace(first**0.5, last**0.5, num) ** 2
        case "squaredcos_cap_v2":
            shares = np.cos((np.arange(num + 1) / num + 0.008) / 1.008 * pi / 2) ** 2
            betas = np.minimum(1 - shares[1:] / shares[:-1], 0.999)
        case other:
            raise ConfigError(
                f"model.network.schedule.beta_schedule: {other!r} is none of linear, scaled_linear, squaredcos_cap_v2"
            )
    kept = torch.from_numpy(np.cumprod(1 - betas))
    return ((1 - kept) / kept).log() / 2
