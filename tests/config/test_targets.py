"""Names are resolved from sources: the answers agree with what importing would give."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

from genloom.config.signatures import signature
from genloom.config.targets import Absent, Unclear, resolve

TARGETS = [
    "torch.optim.Adam",
    "torch.optim.SGD",
    "torch.optim.lr_scheduler.StepLR",
    "torch.nn.Linear",
    "torch.nn.Conv2d",
    "torch.utils.data.DataLoader",
    "pytorch_lightning.Trainer",
    "pytorch_lightning.callbacks.ModelCheckpoint",
    "pytorch_lightning.callbacks.EarlyStopping",
    "pytorch_lightning.loggers.CSVLogger",
    "torchvision.transforms.Resize",
    "sklearn.datasets.load_digits",
    "genloom.schedules.linear",
    "genloom.distributions.latents.StandardNormal",
    "genloom.networks.gan.dcgan.DCGANGenerator",
    "genloom.networks.dense.DenseDiscriminator",
    "genloom.objectives.gan.R1",
    "genloom.spec.Spec",
    "genloom.config.signatures.Parameter",
]


@pytest.mark.parametrize("target", TARGETS)
def test_signature_is_what_inspection_says(target: str) -> None:
    module, _, name = target.rpartition(".")
    inspected = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    named = {
        parameter.name: parameter.default is inspect.Parameter.empty
        for parameter in inspected.values()
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }
    found = signature(target)
    assert {name: parameter.required for name, parameter in found.parameters.items()} == named
    assert found.accepts_any == any(parameter.kind is parameter.VAR_KEYWORD for parameter in inspected.values())


def test_forwarded_arguments_are_the_base_class_s() -> None:
    found = signature("genloom.data.images.torchvision_sets.MNIST")
    assert {"root", "num_val", "batch_size", "seed", "size"} <= found.parameters.keys()
    assert not found.accepts_any


def test_of_several_bases_the_constructor_is_the_one_that_python_finds() -> None:
    """``SequenceModel(Predictor, Family)``: both derive from one with a constructor, only Family has its own."""
    found = signature("genloom.models.sequence.SequenceModel")
    assert {"network", "optimizer", "accumulation", "ema_half_life_examples"} <= found.parameters.keys()
    assert not found.accepts_any


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("torch.optm.Adam", "optim"),
        ("torch.optim.Adm", "Adam"),
        ("torch.nn.Linaer", "Linear"),
        ("pytorch_lightning.Trainr", "Trainer"),
        ("pytorch_lightning.callbacks.EarlyStoping", "EarlyStopping"),
        ("genloom.networks.gan.dcgn.DCGANGenerator", "dcgan"),
        ("genloom.networks.gan.dcgan.DCGANGeneratr", "DCGANGenerator"),
        ("genlom.networks.dcgan.DCGANGenerator", "genloom"),
        ("torch.optim", "is a module"),
    ],
)
def test_absent_names_have_near_ones(target: str, near: str) -> None:
    with pytest.raises(Absent, match=near):
        signature(target)


@pytest.mark.parametrize("target", ["builtins.dict", "torch.zeros", "functools.partial"])
def test_what_sources_do_not_tell_is_left(target: str) -> None:
    with pytest.raises(Unclear):
        signature(target)


SOURCE = """
import typing
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar, NamedTuple

try:
    from nowhere import Fast as Chosen
except ImportError:
    Chosen = None

if typing.TYPE_CHECKING:
    from nowhere import Other

class Root(ABC):
    def __init__(self, a, /, b, *, c=1): ...

class Child(Root): ...

class Forwarding(Child):
    def __init__(self, d, **kwargs):
        super().__init__(0, c=2, **kwargs)

class Keeping(Child):
    def __init__(self, d, **kwargs):
        self.kwargs = kwargs

class Both(Child):
    def __init__(self, d, **kwargs):
        super().__init__(0, **kwargs)
        print(kwargs)

@dataclass
class Point:
    x: int
    y: int = 3
    _: KW_ONLY
    z: list = field(default_factory=list)
    w: int = field(repr=False)
    hidden: int = field(default=1, init=False)
    shared: ClassVar[int] = 4

@dataclass
class Further(Point):
    y: int = 4
    v: str = ""

class Nothing: ...

class Pair(NamedTuple):
    first: int

class Meta(type): ...

class Strange(metaclass=Meta):
    def __init__(self, a): ...

class Maker:
    @classmethod
    def make(cls, a, b=2): ...
    @staticmethod
    def static(a): ...
    def plain(self, a): ...

Alias = Forwarding
Computed = type("Computed", (), {})
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"package_of_{tmp_path.name.replace('-', '_')}"
    package = tmp_path / name
    package.mkdir()
    (package / "__init__.py").write_text(
        "from .parts import *\nfrom . import parts as renamed\nfrom .parts import Child\n"
    )
    (package / "parts.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize(
    ("name", "required", "optional", "accepts_any"),
    [
        ("parts.Root", {"b"}, {"c"}, False),
        ("parts.Child", {"b"}, {"c"}, False),
        ("Child", {"b"}, {"c"}, False),
        ("renamed.Child", {"b"}, {"c"}, False),
        ("parts.Keeping", {"d"}, set(), True),
        ("parts.Both", {"d"}, set(), True),
        ("parts.Point", {"x", "w"}, {"y", "z"}, False),
        ("parts.Further", {"x", "w"}, {"y", "z", "v"}, False),
        ("Point", {"x", "w"}, {"y", "z"}, False),
        ("parts.Nothing", set(), set(), False),
        ("parts.Maker.make", {"a"}, {"b"}, False),
        ("parts.Maker.static", {"a"}, set(), False),
        ("parts.Forwarding", {"d"}, set(), False),
        ("parts.Alias", {"d"}, set(), False),
    ],
)
def test_constructors(mine: str, name: str, required: set[str], optional: set[str], accepts_any: bool) -> None:
    found = signature(f"{mine}.{name}")
    assert {name for name, parameter in found.parameters.items() if parameter.required} == required
    assert {name for name, parameter in found.parameters.items() if not parameter.required} == optional
    assert found.accepts_any == accepts_any
    assert mine not in sys.modules


@pytest.mark.parametrize("name", ["Pair", "Strange", "Computed", "Chosen", "Other", "Maker.plain", "Maker.other"])
def test_unclear_constructors(mine: str, name: str) -> None:
    with pytest.raises(Unclear):
        signature(f"{mine}.parts.{name}")


def test_a_module_that_does_not_parse_is_left(mine: str, tmp_path: Path) -> None:
    (tmp_path / mine / "broken.py").write_text("class :")
    with pytest.raises(Unclear):
        resolve(f"{mine}.broken.Thing")
