"""The wrapper: plain values in, errors that name the key out."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from omegaconf import OmegaConf

from genloom.config.instantiate import instantiate
from genloom.errors import ConfigError, TrainingError


@dataclass
class Facts:
    size: int


class Part:
    def __init__(self, values: Any = None, **others: Any) -> None:
        self.values = values
        self.others = others


def refusing(kind: str = "value", **_: Any) -> None:
    if kind == "own":
        raise TrainingError("the loss is not finite")
    raise {"value": ValueError("dim: 0 is below the limit of 1"), "key": KeyError("gone"), "empty": ValueError()}[kind]


PART, REFUSING = f"{__name__}.Part", f"{__name__}.refusing"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    import sys

    monkeypatch.setitem(sys.modules, __name__, request.module)


def test_containers_arrive_plain() -> None:
    node = OmegaConf.create({"_target_": PART, "values": [1, {"a": [2]}], "mapping": {"b": "${size}"}, "size": 3})
    part = instantiate(node, "part")
    assert type(part.values) is list
    assert type(part.values[1]) is dict
    assert type(part.values[1]["a"]) is list
    assert type(part.others["mapping"]) is dict


def test_further_arguments_arrive_unchanged() -> None:
    facts, items = Facts(3), [object()]
    part = instantiate(OmegaConf.create({"_target_": PART, "values": [1]}), "part", facts=facts, items=items)
    assert part.values == [1]
    assert part.others["facts"] is facts
    assert part.others["items"] is items


@pytest.mark.parametrize("node", [{"_target_": PART, "_partial_": True}, {"_target_": PART}])
def test_partial(node: dict[str, Any]) -> None:
    facts = Facts(3)
    factory = instantiate(node, "part", facts=facts, _partial_=None if "_partial_" in node else True)
    assert isinstance(factory, partial)
    assert factory(values=4).values == 4
    assert factory().others["facts"] is facts


def test_a_mapping_without_target_builds_each() -> None:
    built = instantiate(OmegaConf.create({"a": {"_target_": PART}, "b": {"_target_": PART, "values": 2}}), "parts")
    assert type(built) is dict
    assert built["b"].values == 2


@pytest.mark.parametrize("arguments", [{}, {"facts": 3}])
@pytest.mark.parametrize(
    ("kind", "reason"), [("value", "dim: 0 is below the limit of 1"), ("key", "KeyError"), ("empty", "ValueError")]
)
def test_errors_name_the_key_and_the_cause(arguments: dict[str, int], kind: str, reason: str) -> None:
    config = OmegaConf.create({"model": {"_target_": REFUSING, "kind": kind}})
    with pytest.raises(ConfigError, match=f"^model: {reason}") as caught:
        instantiate(config.model, "model", **arguments)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("as_plain", [True, False])
def test_errors_name_the_innermost_key(as_plain: bool) -> None:
    config = OmegaConf.create({"model": {"_target_": PART, "latent": {"_target_": REFUSING}}})
    node: Any = OmegaConf.to_container(config.model) if as_plain else config.model
    with pytest.raises(ConfigError, match=r"^model\.latent: dim: 0"):
        instantiate(node, "model", facts=3)


def test_a_missing_target_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^model: .*Nothing"):
        instantiate({"_target_": f"{__name__}.Nothing"}, "model")


@pytest.mark.parametrize("arguments", [{}, {"facts": 3}])
def test_own_errors_keep_their_exit_code(arguments: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match="not finite") as caught:
        instantiate({"_target_": PART, "inner": {"_target_": REFUSING, "kind": "own"}}, "part", **arguments)
    assert caught.value.exit_code == 1
