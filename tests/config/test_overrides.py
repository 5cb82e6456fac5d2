"""What is typed is read as it was meant, whatever letters it has."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from genloom.config.overrides import overrides


def read(command: str, argument: str) -> object:
    """Return the value that the command's configuration has by ``argument``."""
    (override,) = OverridesParser.create().parse_overrides(overrides(command, [argument], multirun=False))
    return OmegaConf.to_container(OmegaConf.create({"value": override.value()}), resolve=True)["value"]  # pyright: ignore


TEXTS = [
    "/tmp/данные/ряд.csv", "cell_٣.csv", "фото", "größe.csv", "日本.csv", "my data (1).csv", "it's.csv", "a=b.csv",
    "R&D.csv", "data#1.csv", "a;b.csv", "a~b.csv", "100%.csv", "C:\\Users\\me\\a.csv", "%d.%m.%Y %H:%M", ";",
    ",", "|", "e\u0301te\u0301.csv", "🙂.png",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_the_grammar_cannot_read_is_taken_as_it_stands(text: str) -> None:
    assert read("train", f"data.path={text}") == text


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert read("train", "run.root=~/runs") == "/home/me/runs"
    assert read("train", "data.targets=[~/a,b]") == ["/home/me/a", "b"]
    assert read("train", "data.path='~/a'") == "~/a"
    assert read("sample", "given.prompt=~/a") == "~/a"


def test_items_of_lists_are_taken_so_too() -> None:
    assert read("train", "data.targets=[Größe, продажи,plain,'a, b']") == ["Größe", "продажи", "plain", "a, b"]
    assert read("train", "data.targets=[Sales (USD),3]") == ["Sales (USD)", 3]


def test_what_the_grammar_reads_keeps_its_meaning() -> None:
    assert [read("train", f"seed={text}") for text in ("3", "1e3", "null", "true")] == [3, 1000.0, None, True]
    assert read("train", "data.targets=[a,b]") == ["a", "b"]
    assert read("train", "sampler={psi: 1}") == {"psi": 1}
    for text in ("[a", "{psi:", "'a", '"a'):  # nobody knows what was meant
        assert overrides("train", [f"data.path={text}"], multirun=False) == [f"data.path={text}"]


PROMPTS = [
    "costs ${5}",
    "???",
    "a ??? b",
    "${seed}",
    "\\${x}",
    '"Hello," she said.',
    '\'Twas "so"',
    "a, b: [c] {d} #",
    "it's",
    " x ",
]


@pytest.mark.parametrize("text", PROMPTS)
def test_nothing_in_a_prompt_is_grammar(text: str) -> None:
    assert read("sample", f"given.prompt={text}") == text


def test_commas_part_the_jobs_of_a_sweep() -> None:
    found = overrides("sample", ["given.prompt=costs ${5},'a, b',null", "out=д,ё"], multirun=True)
    prompt, out = OverridesParser.create().parse_overrides(found)
    assert list(prompt.sweep_string_iterator()) == ["'costs \\${5}'", "'a, b'", "null"]
    assert list(out.sweep_string_iterator()) == ["'д'", "'ё'"]


def test_labels_are_lists() -> None:
    assert read("sample", "given.label=[3,7]") == [3, 7]
    assert overrides("sample", ["given=label=3,code=a"], multirun=False) == ["given.label='3'", "given.code='a'"]
