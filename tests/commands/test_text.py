"""Text through the commands: trained, judged, written and judged again, as pictures are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import genloom

Command = Callable[..., tuple[int, str, str]]


def metrics_of(folder: Path) -> dict[str, dict]:
    evaluation = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["evaluation"]
    return evaluation["metrics"]


def test_an_n_gram_model_of_a_text(run: Command, tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("".join(f"{i} and {i + 1} are {2 * i + 1}.\n" for i in range(1500)))
    recipe = ["experiment=tiny_shakespeare/kneser_ney", "logger=none", "progress_bar=false"]
    code, _, err = run("train", *recipe, "data.path=missing.txt")
    assert code == 2 and "data.path" in err

    small = ["metrics.metrics.samples.num=4", "metrics.metrics.samples.length=60"]
    code, out, err = run("train", *recipe, *small, "data.path=input.txt", "run.dir=run")
    assert code == 0, err
    assert "1 iterations" in out and "bits_per_character" in out
    found = metrics_of(tmp_path / "run")
    assert list(found) == [
        "nats_per_token", "perplexity", "bits_per_character", "distinct_1", "distinct_2", "distinct_3", "self_bleu_2",
        "copied_share",
    ]  # fmt: skip
    value = found["nats_per_token"]["candidates"]["raw"]["value"]
    assert 0.1 < value < 2.0  # of log 18 = 2.9 for uniform predictions

    model = genloom.load("run")
    assert model.network._table("counts", 5).sum() > 20_000  # pyright: ignore
    code, _, err = run("evaluate", "checkpoint=run", "out=again")
    assert code == 0, err
    assert metrics_of(tmp_path / "again")["nats_per_token"]["candidates"]["raw"]["value"] == value

    texts = [run("sample", "checkpoint=run", "given.prompt=12 and", "num=2", "seed=3", f"out={name}") for name in "ab"]
    assert texts[0][0] == 0, texts[0][2]
    assert "12 and" in texts[0][1]


def test_texts_that_cannot_be_used_are_named(run: Command, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n" * 500)
    (tmp_path / "short.txt").write_text("one line\n")
    few = ["model=text/ngram", "data=text"]
    for path, words in (
        ("latin.txt", ["latin.txt", "byte 0xe9 at offset 3"]),
        ("short.txt", ["short.txt", "8 tokens", "limit of 130", "data.length"]),
        ("none.txt", ["data.path", "none.txt does not exist"]),
    ):
        code, _, err = run("train", *few, f"data.path={path}")
        assert code == 2 and all(word in err for word in words), err
    code, _, err = run("train", *few, "model.network.order=12")
    assert code == 2 and "model.network.order: 12 is not within 1 and 8" in err, err


def test_another_text_is_read_with_the_model_s_own_vocabulary(run: Command, tmp_path: Path) -> None:
    few = ["metrics.metrics.samples.num=4", "metrics.metrics.samples.length=60", "logger=none", "progress_bar=false"]
    (tmp_path / "first.txt").write_text("".join(f"{i} and {i + 1} are {2 * i + 1}.\n" for i in range(1500)))
    code, _, err = run("train", "model=text/ngram", "data=text", "data.path=first.txt", *few, "run.dir=run")
    assert code == 0, err
    few_characters = "".join(f"{i} and {i + 1} are {2 * i + 1}.\n" for i in (100, 101, 110))
    (tmp_path / "same.txt").write_text(few_characters * 300)
    judge = ["evaluate", "checkpoint=run", "data=text", "metrics=text", *few[:2]]
    code, _, err = run(*judge, "data.path=same.txt", "out=judged")
    assert code == 0, err
    assert metrics_of(tmp_path / "judged")["nats_per_token"]["candidates"]["raw"]["value"] < 1.5
    (tmp_path / "other.txt").write_text("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n" * 300)
    code, _, err = run(*judge, "data.path=other.txt")
    assert code == 2 and "'Z'" in err


def test_a_text_without_line_ends_is_sampled_from_its_first_character(run: Command, tmp_path: Path) -> None:
    (tmp_path / "genes.txt").write_text("ACGTTGCA" * 1000)
    few = ["model=text/ngram", "data=text", "data.path=genes.txt", "logger=none", "progress_bar=false"]
    small = ["metrics.metrics.samples.num=4", "metrics.metrics.samples.length=60", "metrics.num_samples=4"]
    code, _, err = run("train", *few, *small, "run.dir=run")
    assert code == 0, err
    code, out, err = run("sample", "checkpoint=run", "num=1", "length=20", "sampler.top_k=")
    assert code == 0, err
    assert set(out.splitlines()[1]) <= set("ACGT")
    code, _, err = run("sample", "checkpoint=run", "given.prompt=AB")
    assert code == 2 and "error: given.prompt: character 'B' at position 1" in err
    code, _, err = run("sample", "checkpoint=run", "given.prompt=''")
    assert code == 2 and "given.prompt: give one text; without any, texts begin after a line's end" in err


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("model=gan/dense data=text", "data.name=text holds texts; choose model=text/…, or other data"),
        ("data=text", "data.name=text holds texts; choose model=text/…, or other data"),
        ("model=vae/pca data=series", "data.name=series holds series; choose model=series/…, or other data"),
        (
            "model=text/gru",
            "made for texts or series, and data.name=digits holds pictures; choose networks for any shape",
        ),
    ],
)
def test_a_model_of_other_content_is_refused_with_what_to_choose(run: Command, choice: str, expected: str) -> None:
    code, _, err = run("train", *choice.split(), "logger=none")
    assert code == 2 and err.startswith("error: model: ") and expected in err, err
