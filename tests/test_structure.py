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
    "vocabulary",
    "capabilities",
    "schedules",
    "render",
    "figures",
    "devices",
    "normal",
    "running_mean",
    "precision",
    "bars",
    "part",
}
MAY_IMPORT = {
    **dict.fromkeys(VOCABULARY, VOCABULARY),
    "config": VOCABULARY | {"config"},
    "data": VOCABULARY | {"data"},
    "networks": VOCABULARY | {"networks"},
    "likelihoods": VOCABULARY | {"likelihoods"},
    "bottlenecks": VOCABULARY | {"bottlenecks", "networks", "samplers"},
    "outputs": VOCABULARY | {"outputs"},
    "objectives": VOCABULARY | {"objectives", "networks", "bottlenecks", "outputs"},
    "families": VOCABULARY
    | {"families", "objectives", "networks", "samplers", "likelihoods", "bottlenecks", "outputs"},
    "samplers": VOCABULARY | {"samplers", "networks"},
    "metrics": VOCABULARY | {"metrics", "data", "config", "families"},
    "callbacks": VOCABULARY | {"callbacks", "families", "metrics", "data"},
    "reports": VOCABULARY | {"reports", "runs", "config"},
    "runs": VOCABULARY | {"runs", "families", "config"},
}
FILES = [
    path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0].removesuffix(".py") in MAY_IMPORT
]


def imported(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return {module.split(".")[1] for module in modules if module.startswith("genloom.") and module.count(".") >= 1}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert imported(path) <= MAY_IMPORT[room], f"{room} may import {sorted(MAY_IMPORT[room])}"


def test_an_objective_imports_no_family_and_a_network_no_lightning():
    for room, forbidden in (("objectives", "genloom.families"), ("networks", "lightning"), ("networks", "hydra")):
        for path in (ROOT / room).glob("*.py"):
            assert forbidden not in path.read_text(encoding="utf-8").split('"""')[-1], path


def test_a_test_is_called_the_same_in_every_process(request):
    """So that several can share the tests: a name holds no address of an object."""
    names = [item.nodeid for item in request.session.items]
    assert not [name for name in names if re.search(r"0x[0-9a-f]{6,}", name)], "give the parameters ids"
