"""Snapshots of power averages while a model trains, and the average of any width that is made of them afterwards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from genloom.errors import CheckpointError, ConfigError, reason
from genloom.limits import Count
from genloom.models.model import GenerativeModel
from genloom.models.training.averaging import average_of, follow
from genloom.models.training.power import Profile, coefficients, gamma_of, share_of_new
from genloom.runs import checkpoint

GAMMAS = tuple(gamma_of(width) for width in (0.05, 0.1))  # of the averages that are kept: those of EDM2
_WORST = 0.1  # error of a profile over the wanted one, up to which it passes for that


class Snapshots(Callback):
    """Keeps two averages of the networks that the model averages, and writes them now and then.

    They follow the weights by a power of the iterations (:mod:`genloom.models.training.power`), beside the average that
    the model is judged by, which stays as it is. It costs the memory of two copies of these networks, in each
    checkpoint as well, and on disk at most ``most`` times as much: snapshots are even in time, and when there are more,
    every second is removed, and from then on half as many are written.

    Args:
        dirpath: the folder of the snapshots.
        every_iterations: between the first ones.
        most: snapshots.

    Raises:
        ConfigError: a value is out of its limits.
    """

    def __init__(self, *, dirpath: str | Path, every_iterations: Count = 100, most: Count = 16) -> None:
        for name, value, least in (("every_iterations", every_iterations, 1), ("most", most, 2)):
            if value < least:
                raise ConfigError(f"callbacks.snapshots.{name}: {value} is below the limit of {least}")
        self.dirpath = Path(dirpath)
        self.every_iterations = every_iterations
        self.most = most
        self._first = 0  # iteration, before which there was no average
        self._seen = 0  # iterations
        self._averages = nn.ModuleList()  # of each exponent, by the networks' names
        self._restored: dict[str, Any] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin; see :meth:`begin`."""
        self.begin(pl_module, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follow the weights, and write if it is time."""
        if trainer.global_step != self._seen:
            self.follow(pl_module, trainer.global_step, writes=trainer.is_global_zero)

    def begin(self, model: LightningModule, iteration: int) -> None:
        """Begin after an iteration, or go on from a checkpoint's averages.

        Raises:
            ConfigError: the model averages nothing.
        """
        sources = _sources(model)
        self._first = self._seen = iteration
        self._averages = nn.ModuleList(nn.ModuleDict(_copies(sources)) for _ in GAMMAS)
        if self._restored is not None:
            self._first = self._restored["first"]
            self._averages.load_state_dict(self._restored["weights"])
            self._restored = None

    def follow(self, model: LightningModule, iteration: int, *, writes: bool = True) -> None:
        """Take the weights after an iteration into the averages.

        Args:
            model: whose they are.
            iteration: one more than that before.
            writes: a snapshot, if it is time.
        """
        self._seen = iteration
        age = iteration - self._first
        sources = nn.ModuleDict(_sources(model))
        for average, gamma in zip(self._averages, GAMMAS, strict=True):
            follow(average, sources, share_of_new(age, gamma))
        between = self.every_iterations
        while age > between * self.most:
            between *= 2
        if writes and age % between == 0:
            self._write(between)

    def _write(self, between: int) -> None:
        state = self.state_dict()
        content = {"genloom": {"first": self._first}, "state_dict": state["weights"], "global_step": self._seen}
        checkpoint.SafeCheckpointIO().save_checkpoint(content, self.dirpath / f"{_NAME}{self._seen:07d}.ckpt")
        for iteration, file in _files(self.dirpath):
            if (iteration - self._first) % between:
                file.unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the averages."""
        return {"first": self._first, "weights": self._averages.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember a checkpoint's averages until training starts."""
        self._restored = state_dict


_NAME = "iteration-"


def _sources(model: LightningModule) -> dict[str, nn.Module]:
    assert isinstance(model, GenerativeModel)
    sources = {name: source for name, (_, source) in model.averaged().items()}
    if not sources:
        raise ConfigError(
            "callbacks.snapshots: the model keeps no average, whose place another could take; set "
            "model.ema_half_life_examples=10000, or leave snapshots out by ~callbacks.snapshots"
        )
    return sources


def _copies(sources: dict[str, nn.Module]) -> dict[str, nn.Module]:
    return {name: average_of(source) for name, source in sources.items()}


def _files(folder: Path) -> list[tuple[int, Path]]:
    files = [(file.stem.removeprefix(_NAME), file) for file in folder.glob(f"{_NAME}*.ckpt")]
    return sorted((int(number), file) for number, file in files if number.isdecimal())


def folder_of(file: Path) -> Path:
    """Return where the run of a checkpoint keeps its snapshots, unless it was told otherwise."""
    return (file.parent.parent if file.parent.name == "checkpoints" else file.parent) / "averages"


def average(file: Path, folder: Path, width: float) -> tuple[dict[str, Tensor], float]:
    """Return the average of a given width, as it would have been at a checkpoint.

    One snapshot after another is read, so that it takes the memory of few copies of the weights.

    Args:
        file: a checkpoint of a run that took snapshots.
        folder: of the snapshots; those that are later than the checkpoint are passed over.
        width: σ_rel of its profile, above 0, at most 0.28.

    Returns:
        The weights, by the names of networks and their own; and the error of the profile, over the wanted one.

    Raises:
        CheckpointError: the checkpoint has no averages; or a snapshot is damaged, or of another model.
        ConfigError: what was kept does not give such an average.
    """
    content = checkpoint.read(file)
    own, now = (content.get("callbacks") or {}).get(Snapshots.__qualname__), content["global_step"]
    if own is None:
        raise CheckpointError(
            f"{file}: its run took no snapshots of averages; train with callbacks=[suite/base,snapshots], say"
        )
    try:
        first, latest = int(own["first"]), own["weights"]
        kept = [(now, None), *((number, path) for number, path in _files(folder) if first < number < now)]
        profiles = [Profile(number - first, gamma) for number, _ in kept for gamma in GAMMAS]
        shares, error = coefficients(profiles, Profile(now - first, gamma_of(width)))
        found = {} if error > _WORST else _sum(latest, [path for _, path in kept], shares.reshape(-1, len(GAMMAS)))
    except CheckpointError:
        raise
    except Exception as problem:  # of what anybody may have written
        raise CheckpointError(f"{file}: its averages can't be used ({reason(problem)})") from problem
    if not found:
        raise ConfigError(
            f"sigma_rel: {file} and {len(kept) - 1} snapshots in {folder} give an average of {width} only with an "
            f"error of {error:.0%}; choose a value nearer to 0.05 and 0.1, or train with a smaller "
            "callbacks.snapshots.every_iterations"
        )
    return found, error


def _sum(latest: Mapping[str, Tensor], files: Sequence[Path | None], shares: np.ndarray) -> dict[str, Tensor]:
    """Return the sum of all averages, each by its share, in double precision; counts are the latest.

    Args:
        latest: the averages of the checkpoint, the number of the exponent before each name.
        files: of the others; None stands for the latest.
        shares: by file and exponent.
    """
    found = {name.partition(".")[2]: value for name, value in latest.items()}
    found = {name: value.double() * 0 if value.is_floating_point() else value for name, value in found.items()}
    for file, pair in zip(files, shares, strict=True):
        weights = latest if file is None else checkpoint.read(file)["state_dict"]
        if {name: value.shape for name, value in weights.items()} != {name: v.shape for name, v in latest.items()}:
            raise CheckpointError(f"{file}: a snapshot of another model; name the right folder by snapshots=…")
        for full, value in weights.items():
            place, _, name = full.partition(".")
            if value.is_floating_point():
                found[name] += float(pair[int(place)]) * value
    return found
