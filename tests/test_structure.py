"""Imports go one way, and the package keeps to it."""

import ast
import re
from pathlib import Path

import pytest

import genloom

ROOT = Path(genloom.__file__).parent
VOCABULARY = {
    "limits",
    "errors",
    "randomness",
    "spec",
    "batch",
    "examples",
    "outlook",
    "schedules",
    "figures",
    "devices",
    "running_mean",
    "precision",
    "progress",
    "part",
    "intervals",
    "printable",
}
COMMON = VOCABULARY | {"contents"}
MAY_IMPORT = {
    **dict.fromkeys(VOCABULARY, COMMON),
    "contents": COMMON - {"spec"},
    "config": COMMON | {"config"},
    "data": COMMON | {"data"},
    "diffusion": COMMON | {"diffusion"},
    "networks": COMMON | {"networks", "diffusion"},
    "distributions": COMMON | {"distributions"},
    "bottlenecks": COMMON | {"bottlenecks", "networks", "distributions"},
    "objectives": COMMON | {"objectives", "networks", "bottlenecks", "distributions", "diffusion"},
    "models": COMMON | {"models", "objectives", "networks", "distributions", "bottlenecks", "diffusion"},
    "samplers": COMMON | {"samplers", "models", "distributions", "diffusion"},
    "extractors": COMMON | {"extractors", "data"},
    "judging": COMMON | {"judging", "extractors", "data", "models", "samplers"},
    "metrics": COMMON | {"metrics", "judging", "extractors", "data", "models", "samplers", "config"},
    "inspections": COMMON
    | {"inspections", "diffusion", "models", "samplers", "judging", "extractors", "metrics", "data"},
    "reports": COMMON | {"reports", "runs", "config"},
    "runs": COMMON | {"runs", "models", "samplers", "config"},
}
LIGHTNING, HYDRA = {"lightning", "pytorch_lightning", "lightning_fabric"}, {"hydra", "omegaconf"}
#: What knows a framework; all else is plain PyTorch and plain values. What MAY_IMPORT leaves out, the commands and
#: what is at the top beside the vocabulary, knows all.
FRAMEWORKS = {
    "models": LIGHTNING,
    "inspections": LIGHTNING,
    "data": LIGHTNING,
    "config": HYDRA,
    "runs": LIGHTNING | HYDRA,
}
#: What a file imports of a room above it, inside a function: loading gives models their samplers, one of which loads.
LATER = {"samplers/guidance.py": {"runs"}}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(source: str, package: str) -> set[str]:
    """Return the dotted names of all that a module imports, anywhere in it.

    Args:
        source: of the module.
        package: that it is in, from which relative imports start.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name for alias in aliases}
            case ast.ImportFrom(module=module, names=aliases, level=level):
                parts = package.split(".")
                start = [".".join(parts[: len(parts) - level + 1])] if level else []
                base = ".".join([*start, *([module] if module else [])])
                names |= {f"{base}.{alias.name}" for alias in aliases}
            case ast.Call(func=ast.Name("__import__" | "import_module") | ast.Attribute(attr="import_module")):
                names |= {str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant)}
    return names


def what_is_forbidden(room: str, names: set[str]) -> set[str]:
    """Return which of these imports a room may not have."""
    inside = {name.split(".")[1] for name in names if name.startswith("genloom.")}
    frameworks = {name.partition(".")[0] for name in names} & (LIGHTNING | HYDRA)
    return (inside - MAY_IMPORT[room]) | (frameworks - FRAMEWORKS.get(room, set()))


def imported_by(path: Path) -> set[str]:
    package = ".".join(["genloom", *path.relative_to(ROOT).parent.parts])
    return imported(path.read_text(encoding="utf-8"), package)


@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) in MAY_IMPORT], ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_go_one_way_and_only_some_rooms_know_a_framework(path):
    room = room_of(path)
    later = LATER.get(path.relative_to(ROOT).as_posix(), set())
    assert what_is_forbidden(room, imported_by(path)) == later, f"{room} may import {sorted(MAY_IMPORT[room])}"


def test_who_asks_a_model_knows_its_abilities_and_no_family():
    known = ("genloom.models.abilities", "genloom.models.generation")
    askers = [path for path in FILES if room_of(path) in {"samplers", "judging", "metrics", "inspections", "commands"}]
    others = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in askers
        for name in imported_by(path)
        if name.startswith("genloom.models") and not name.startswith(known)
    }
    assert others == {"commands/assembly.py: genloom.models.training.family.Family"}  # which builds one


def test_every_room_has_a_rule():
    assert {room_of(path) for path in FILES if path.parent != ROOT} == set(MAY_IMPORT) - VOCABULARY | {"commands"}
    assert {room for room in VOCABULARY if not (ROOT / f"{room}.py").is_file()} == set()


def test_the_page_of_the_design_names_every_room():
    page = (ROOT.parents[1] / "docs" / "design.md").read_text(encoding="utf-8")
    table = page.partition("## The rooms")[2].partition("## Decisions")[0]
    named = {name.removesuffix(".py").split("/")[0] for name in re.findall(r"`([a-z_/]+(?:\.py|/))`", table)}
    rooms = {room_of(path) for path in FILES} - {"__init__", "__main__"}
    assert rooms - named == set(), "add it to the table of docs/design.md, with what it holds"
    files = [name for name in re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", table) if not name.startswith("tests/")]
    assert [file for file in files if not (ROOT / file).is_file()] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pytorch_lightning as pl",
        "from pytorch_lightning import LightningModule",
        "from lightning.pytorch import Trainer",
        "import torch, hydra.utils",
        "from omegaconf import DictConfig",
        "import importlib; importlib.import_module('pytorch_lightning.callbacks')",
        "from importlib import import_module; import_module('genloom.models')",
        "__import__('hydra')",
        "import genloom.models.training.family",
        "from genloom import models",
        "from ..models import gan",
        "from .. import models",
    ],
)
@pytest.mark.parametrize("written", ["{}", "def later():\n    {}", "class A:\n    try:\n        {}\n    finally: pass"])
def test_an_import_that_is_forbidden_is_seen_wherever_it_stands(line, written):
    names = imported('"""A network."""\n' + written.format(line), "genloom.networks")
    assert what_is_forbidden("networks", names)
    assert not what_is_forbidden(
        "networks", imported("from . import base\nfrom ..spec import Spec", "genloom.networks")
    )


#: Kinds of content, and what several share; only their own room asks which of them it has.
KINDS = {
    node.name
    for path in (ROOT / "contents").rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
    and {base.id for base in node.bases if isinstance(base, ast.Name)} & {"Content", "Values"}
}


def kinds_in(*nodes: ast.AST | None) -> set[str]:
    """Return the kinds of content that are named anywhere in ``nodes``."""
    found = {inner for node in nodes if node is not None for inner in ast.walk(node)}
    names = {node.id for node in found if isinstance(node, ast.Name)}
    return KINDS & (names | {node.attr for node in found if isinstance(node, ast.Attribute)})


def kinds_asked_for(source: str) -> set[str]:
    """Return the kinds of content by which a module branches: checks, comparisons, cases, tables, dispatch."""
    asked = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name("isinstance" | "issubclass"), args=[_, kinds]):
                asked |= kinds_in(kinds)
            case ast.Compare():
                asked |= kinds_in(node.left, *node.comparators)
            case ast.MatchClass(cls=kind):
                asked |= kinds_in(kind)
            case ast.MatchValue(value=kind):
                asked |= kinds_in(kind)
            case ast.Dict(keys=keys):
                asked |= kinds_in(*keys)
            case ast.FunctionDef(decorator_list=decorators, args=ast.arguments(args=arguments)):
                registered = [each for each in decorators if "register" in ast.unparse(each)]
                if registered:
                    asked |= kinds_in(*registered, *(each.annotation for each in arguments[:1]))
    return asked


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room_of(path) != "contents"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_nobody_asks_which_kind_of_content_there_is(path):
    assert not kinds_asked_for(path.read_text(encoding="utf-8")), "see genloom.contents.base.why_not"


@pytest.mark.parametrize(
    "line",
    [
        "isinstance(spec.content, ImageContent)",
        "isinstance(spec.content, TextContent | series.SeriesContent)",
        "issubclass(kind, (VectorContent, int))",
        "type(content) is ImageContent",
        "type(content) in (TextContent, SeriesContent)",
        "match content:\n    case ImageContent(channels=3): pass",
        "match type(content):\n    case image.ImageContent: pass",
        "table = {ImageContent: 1}",
        "@show.register\ndef _(content: ImageContent): pass",
        "@show.register(Values)\ndef _(content): pass",
    ],
)
def test_whoever_asks_is_seen(line):
    assert kinds_asked_for(line)
    others = {"TextContent", "SeriesContent", "LabelContent", "Values", "TableContent", "CellCondition"}
    assert {"ImageContent", "VectorContent", *others} == KINDS
    assert not kinds_asked_for("class A:\n    kind = ImageContent\n    def f(self, c): return ImageContent.of(c)")


#: How a parameter is annotated that takes the name of a weight set, or none.
WEIGHTS = {"str | None", "None | str", "Optional[str]"}


def weights_taken(source: str) -> list[str]:
    """Return the functions with a parameter ``weights`` that takes the name of a weight set, or none."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if each.arg == "weights" and each.annotation is not None and ast.unparse(each.annotation) in WEIGHTS
    ]


def test_the_weights_of_a_model_are_chosen_by_one_method():
    found = {f"{path.relative_to(ROOT)}: {name}" for path in FILES for name in weights_taken(path.read_text("utf-8"))}
    assert found == {"models/abilities.py: using", "models/model.py: using"}
    assert weights_taken("class A:\n    def f(self, *, weights: str | None = None): ...") == ["f"]


#: What of plain modules a subclass gives; in every other room a class is abstract where something is left open, and has
#: no method for the sake of others.
BASES_OF_MODULES = {"networks", "distributions", "bottlenecks", "objectives", "contents"}


@pytest.mark.parametrize("room", sorted(set(MAY_IMPORT) - BASES_OF_MODULES))
def test_no_method_is_there_only_to_fail(room):
    found = [
        str(path.relative_to(ROOT))
        for path in FILES
        if room_of(path) == room
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    assert found == [], "make it abstract, or an ability, which only some models offer"


def test_a_test_is_called_the_same_in_every_process(request):
    """So that several can share the tests: a name holds no address of an object."""
    names = [item.nodeid for item in request.session.items]
    assert not [name for name in names if re.search(r"0x[0-9a-f]{6,}", name)], "give the parameters ids"


OTHER_WORDS = "applies|assert|complain|ensure|lack|must|refuse|reject|require|validate|verify"


def test_refusals_are_called_check_checked_and_why_not():
    pattern = re.compile(rf"_*(?:{OTHER_WORDS})(?:_\w+)?")
    found = [
        f"{path}: {node.name}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and pattern.fullmatch(node.name)
    ]
    assert found == []
