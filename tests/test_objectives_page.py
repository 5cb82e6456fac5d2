"""The page of objectives: its numbers are the script's, its keys exist."""

import importlib.util
import re
from pathlib import Path

import pytest

from genloom.config.directory import config_directory

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script():
    path = ROOT / "scripts" / "results" / "survey_formulas.py"
    spec = importlib.util.spec_from_file_location("survey_formulas", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("mark", ["of a unit", "of a sigma"])
def test_closed_forms_are_the_scripts(script, mark):
    rows = list(getattr(script, mark.replace(" ", "_"))())
    written = PAGE.partition(f"<!-- {mark} -->")[2].partition("\n\n")[0].strip().splitlines()
    assert written[2:] == rows


def test_every_choice_that_the_page_names_is_there():
    conf = config_directory()
    named = re.findall(r"`([a-z/]+)@model[a-z._]*=([a-z0-9_]+)`", PAGE)
    assert len(named) > 6
    for group, choice in named:
        assert (conf / group / f"{choice}.yaml").is_file(), (group, choice)


@pytest.mark.parametrize(
    "group", ["objective/gan", "objective/vae", "likelihood", "bottleneck", "process", "prediction", "weighting"]
)
def test_every_choice_that_is_there_has_an_entry(group):
    for file in (config_directory() / group).glob("*.yaml"):
        assert re.search(rf"(`|=){file.stem}`", PAGE), file.stem
