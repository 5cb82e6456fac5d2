"""What is advised can be pasted: the shell and Hydra give back what was meant."""

import shlex
import subprocess

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from genloom.config.advice import pasted, setting

TEXTS = [
    "runs/digits/2026-01-01_00-00-00", "a b", "a'b", 'a"b', "[a]", "{a}", "a,b", "~/a", "~a", "$HOME", "${a}", "a=b",
    "null", "true", "3", "1e5", "a:b", "", "über", "a\\b", "`a`", "a!b", "a;b&c|d", "*", "(a)", "#a", "a'b\"c$d [e] ~f",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_a_setting_survives_the_shell_and_hydra(text: str) -> None:
    (argument,) = shlex.split(setting("key", text))
    (override,) = OverridesParser.create().parse_overrides([argument])
    config = OmegaConf.create({"key": override.value()})
    assert config.key == text
    assert isinstance(config.key, str)


def test_a_shell_passes_them_on() -> None:
    arguments = [setting("key", text) for text in TEXTS] + [pasted(f"~{text}=[{text}]") for text in TEXTS]
    printed = subprocess.run(["bash", "-c", "printf '%s\\0' " + " ".join(arguments)], capture_output=True, text=True)
    assert printed.stdout.split("\0")[:-1] == [shlex.split(argument)[0] for argument in arguments]


def test_what_needs_no_quotes_has_none() -> None:
    assert setting("checkpoint", "runs/a/checkpoints/final.ckpt") == "checkpoint=runs/a/checkpoints/final.ckpt"
    assert pasted("+data.size=3") == "+data.size=3"
    assert pasted("~callbacks.grid") == "'~callbacks.grid'"
