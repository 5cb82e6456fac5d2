"""Types of the root keys of each command.

The nodes that are chosen from a config group are free mappings: what they may hold is what their target accepts.
Each class is known to Hydra as ``COMMAND_schema``, the first entry of the command's defaults list. A field's metadata
holds what a type can't express: the limits ``at_least`` and ``one_of``, and whether a mapping ``holds`` an object (it
has a ``_target_``) or objects by name.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

_SEED = {"at_least": 0}
_COUNT = {"at_least": 1}
_WEIGHTS = {"one_of": ("ema", "raw")}
_OBJECT = {"holds": "object"}
_OBJECTS = {"holds": "objects"}


@dataclass
class Run:
    """Where a run's files go.

    Args:
        name: folder below ``root``.
        root: folder of all runs.
        dir: this run's own folder; None makes a new one below ``root/name``.
    """

    name: str = MISSING
    root: str = MISSING
    dir: str | None = None


@dataclass
class Train:
    """Keys of ``genloom train``; conf/train.yaml explains them."""

    data: dict[str, Any] = field(default=MISSING, metadata=_OBJECT)
    optimizer: dict[str, Any] = field(default=MISSING, metadata=_OBJECTS)
    scheduler: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    model: dict[str, Any] = field(default=MISSING, metadata=_OBJECT)
    trainer: dict[str, Any] = field(default=MISSING, metadata=_OBJECT)
    callbacks: dict[str, Any] | None = field(default=None, metadata=_OBJECTS)
    logger: dict[str, Any] | None = field(default=None, metadata=_OBJECTS)
    metrics: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    seed: int = field(default=MISSING, metadata=_SEED)
    run: Run = field(default_factory=Run)
    resume: str = MISSING
    init_from: str | None = None
    progress_bar: bool = True
    trust: list[str] = field(default_factory=list)


@dataclass
class Evaluate:
    """Keys of ``genloom evaluate``; conf/evaluate.yaml explains them."""

    data: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    metrics: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    checkpoint: str | None = None
    samples: str | None = None
    weights: str | None = field(default=None, metadata=_WEIGHTS)
    out: str | None = None
    seed: int = field(default=MISSING, metadata=_SEED)
    device: str = MISSING
    trust: list[str] = field(default_factory=list)


@dataclass
class Sample:
    """Keys of ``genloom sample``; conf/sample.yaml explains them."""

    checkpoint: str = MISSING
    num: int = field(default=MISSING, metadata=_COUNT)
    seed: int = field(default=MISSING, metadata=_SEED)
    weights: str | None = field(default=None, metadata=_WEIGHTS)
    out: str | None = None
    batch_size: int = field(default=MISSING, metadata=_COUNT)
    device: str = MISSING
    trust: list[str] = field(default_factory=list)


def register() -> None:
    """Make the schemas known to Hydra."""
    for schema in (Train, Evaluate, Sample):
        ConfigStore.instance().store(name=f"{schema.__name__.lower()}_schema", node=schema)
