"""Types of the root keys of each command.

The nodes that are chosen from a config group are free mappings: what they may hold is what their target accepts.
Each class is known to Hydra as ``COMMAND_schema``, the first entry of the command's defaults list. A field's metadata
holds what a type can't express: the limits ``at_least``, ``at_most``, ``above`` and ``one_of``; that a text is a path
that exists or one of the words ``path_or``; whether a mapping ``holds`` an object (it has a ``_target_``), objects by
name, or changes of one that is found elsewhere; whether a list is ``positional``: made of the arguments without ``=``;
and whether a text is ``literal``: taken as it is, without a grammar.
"""

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, get_origin

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

_SEED = {"at_least": 0}
_COUNT = {"at_least": 1}
_WEIGHTS = {"one_of": ("ema", "raw")}
_OBJECT = {"holds": "object"}
_OBJECTS = {"holds": "objects"}
_OBJECT_OR_OBJECTS = {"holds": "object or objects"}  # one for all, or some by name
_OBJECT_OR_CHANGES = {"holds": "object or changes"}  # or values that change the checkpoint's
_POSITIONAL = {"positional": True}
_LITERAL = {"literal": True}


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
    scheduler: dict[str, Any] | None = field(default=None, metadata=_OBJECT_OR_OBJECTS)
    model: dict[str, Any] = field(default=MISSING, metadata=_OBJECT)
    sampler: dict[str, Any] = field(default=MISSING, metadata=_OBJECT)
    trainer: dict[str, Any] = field(default=MISSING, metadata=_OBJECT)
    callbacks: dict[str, Any] | None = field(default=None, metadata=_OBJECTS)
    logger: dict[str, Any] | None = field(default=None, metadata=_OBJECTS)
    metrics: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    seed: int = field(default=MISSING, metadata=_SEED)
    run: Run = field(default_factory=Run)
    resume: str = field(default=MISSING, metadata={"path_or": ("never", "auto")})
    init_from: str | None = field(default=None, metadata={"path_or": ()})
    progress_bar: bool = True
    trust: list[str] = field(default_factory=list)


@dataclass
class Evaluate:
    """Keys of ``genloom evaluate``; conf/evaluate.yaml explains them."""

    data: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    metrics: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    sampler: dict[str, Any] = field(default_factory=dict, metadata=_OBJECT_OR_CHANGES)
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
    given: dict[str, Any] = field(default_factory=dict, metadata=_LITERAL)
    length: int | None = field(default=None, metadata=_COUNT)
    format: str | None = None
    images: str | None = None
    strength: float = field(default=MISSING, metadata={"above": 0, "at_most": 1})
    mask: str | None = field(default=None, metadata={"path_or": ()})
    box: list[float] | None = None
    resample: int = field(default=MISSING, metadata=_COUNT)
    sampler: dict[str, Any] = field(default_factory=dict, metadata=_OBJECT_OR_CHANGES)
    device: str = MISSING
    trust: list[str] = field(default_factory=list)


@dataclass
class _OfExamples:
    """Keys of the commands that show real examples to a model."""

    data: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    checkpoint: str = MISSING
    images: str | None = None
    split: str = field(default=MISSING, metadata={"one_of": ("train", "val", "test")})
    num: int = field(default=MISSING, metadata=_COUNT)
    weights: str | None = field(default=None, metadata=_WEIGHTS)
    out: str | None = None
    batch_size: int = field(default=MISSING, metadata=_COUNT)
    seed: int = field(default=MISSING, metadata=_SEED)
    device: str = MISSING
    trust: list[str] = field(default_factory=list)


@dataclass
class Encode(_OfExamples):
    """Keys of ``genloom encode``; conf/encode.yaml explains them."""


@dataclass
class Reconstruct(_OfExamples):
    """Keys of ``genloom reconstruct``; conf/reconstruct.yaml explains them."""

    format: str | None = None


@dataclass
class Average:
    """Keys of ``genloom average``; conf/average.yaml explains them."""

    checkpoint: str = MISSING
    sigma_rel: float = field(default=MISSING, metadata={"above": 0, "at_most": 0.28})  # from .29 on none is left
    snapshots: str | None = None
    out: str | None = None
    trust: list[str] = field(default_factory=list)


@dataclass
class NewTable:
    """A table to forecast from."""

    path: str = MISSING
    gaps: str = field(default=MISSING, metadata={"one_of": ("error", "fill")})
    time_format: str | None = None
    separator: str | None = None
    decimal: str | None = None
    on_unknown: str = field(default=MISSING, metadata={"one_of": ("error", "ignore")})


@dataclass
class Forecast:
    """Keys of ``genloom forecast``; conf/forecast.yaml explains them."""

    checkpoint: str = MISSING
    data: NewTable = field(default_factory=NewTable)
    sampler: dict[str, Any] = field(default_factory=dict, metadata=_OBJECT_OR_CHANGES)
    seed: int = field(default=MISSING, metadata=_SEED)
    weights: str | None = field(default=None, metadata=_WEIGHTS)
    out: str | None = None
    device: str = MISSING
    trust: list[str] = field(default_factory=list)


@dataclass
class TableWithGaps:
    """A table whose empty cells are filled."""

    path: str = MISSING
    separator: str | None = None
    decimal: str | None = None


@dataclass
class Impute:
    """Keys of ``genloom impute``; conf/impute.yaml explains them."""

    checkpoint: str = MISSING
    data: TableWithGaps = field(default_factory=TableWithGaps)
    imputations: int = field(default=MISSING, metadata=_COUNT)
    fill: str = field(default=MISSING, metadata={"one_of": ("draw", "mean")})
    draws: int = field(default=MISSING, metadata=_COUNT)
    seed: int = field(default=MISSING, metadata=_SEED)
    weights: str | None = field(default=None, metadata=_WEIGHTS)
    out: str | None = None
    device: str = MISSING
    trust: list[str] = field(default_factory=list)


@dataclass
class Explore:
    """Keys of ``genloom explore``; conf/explore.yaml explains them."""

    callbacks: dict[str, Any] | None = field(default=None, metadata=_OBJECTS)
    data: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    metrics: dict[str, Any] | None = field(default=None, metadata=_OBJECT)
    sampler: dict[str, Any] = field(default_factory=dict, metadata=_OBJECT_OR_CHANGES)
    checkpoint: str = MISSING
    seed: int | None = field(default=None, metadata=_SEED)
    out: str | None = None
    device: str = MISSING
    trust: list[str] = field(default_factory=list)


@dataclass
class Report:
    """Keys of ``genloom report``; conf/report.yaml explains them."""

    runs: list[str] = field(default_factory=list, metadata=_POSITIONAL)
    weights: str | None = field(default=None, metadata={"one_of": ("ema", "raw", "all")})
    columns: list[str] | None = None
    sort: str | None = None
    out: str | None = None


@dataclass
class Extractor:
    """Keys of ``genloom extractor``; conf/extractor.yaml explains them."""

    data: dict[str, Any] = field(default=MISSING, metadata=_OBJECT)
    name: str = MISSING
    out: str | None = None
    size: int | None = field(default=None, metadata={"at_least": 4})
    widths: list[int] = MISSING
    num_features: int = field(default=MISSING, metadata={"at_least": 2})
    epochs: int = field(default=MISSING, metadata=_COUNT)
    batch_size: int = field(default=MISSING, metadata={"at_least": 2})
    lr: float = field(default=MISSING, metadata={"above": 0})
    weight_decay: float = field(default=MISSING, metadata={"at_least": 0})
    shift: float = field(default=MISSING, metadata={"at_least": 0})
    flip: bool = MISSING
    num_samples: int = field(default=MISSING, metadata={"at_least": 20})
    seed: int = field(default=MISSING, metadata=_SEED)
    device: str = MISSING
    progress_bar: bool = True


SCHEMAS = {
    schema.__name__.lower(): schema
    for schema in (Train, Evaluate, Sample, Average, Encode, Reconstruct, Forecast, Impute, Explore, Report, Extractor)
}


def register(root: str) -> None:
    """Make the schema of a command known to Hydra; all of them for a root configuration of the user's.

    Only those, because Hydra copies the whole store for every config group that its help lists.
    """
    chosen = {root: SCHEMAS[root]} if root in SCHEMAS else SCHEMAS
    for command, schema in chosen.items():
        ConfigStore.instance().store(name=f"{command}_schema", node=schema)


def changeable(kind: Any) -> list[str]:
    """Return the keys of a schema whose mappings may hold single values, which change an object found elsewhere."""
    return [
        field.name
        for field in (fields(kind) if is_dataclass(kind) else ())
        if "changes" in field.metadata.get("holds", "")
    ]


def literal(command: str) -> list[str]:
    """Return the keys whose values are texts to be taken as they are; one that ends in a dot is of all keys below."""
    known = fields(SCHEMAS[command]) if command in SCHEMAS else ()
    return [
        f"{field.name}." if get_origin(field.type) is dict else field.name
        for field in known
        if field.metadata.get("literal")
    ]


def positional(command: str) -> str | None:
    """Return the key that receives a command's arguments without ``=``; None where it takes no such arguments."""
    known = fields(SCHEMAS[command]) if command in SCHEMAS else ()
    return next((field.name for field in known if field.metadata.get("positional")), None)


def commands_with(key: str) -> list[str]:
    """Return the commands that have a root key of this name."""
    return [command for command, kind in SCHEMAS.items() if key in (field.name for field in fields(kind))]
