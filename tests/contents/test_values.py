"""Values that are kept as they are: points, and series as a model sees them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genloom.batch import Given
from genloom.contents.series import SeriesContent
from genloom.contents.text import TextContent
from genloom.contents.vector import VectorContent
from genloom.contents.vocabulary import Bytes, Characters, Pieces
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples

POINTS = VectorContent(2)


def test_points_are_saved_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    points = torch.randn(5, 2)
    lines = POINTS.save(Examples(points, {"code": torch.arange(5)}), tmp_path)
    assert lines == ["scatter:  scatter.png", "array:    samples.npz (points, 5x2 float32; given.code)"]
    with Image.open(tmp_path / "scatter.png") as image:
        assert image.size == (320, 320)
    assert torch.equal(POINTS.read(tmp_path / "samples.npz", "samples").content, points)
    np.savez(tmp_path / "whole.npz", np.arange(6).reshape(3, 2))
    found = POINTS.read(tmp_path / "whole.npz", "samples", at_least=3).content
    assert found.dtype == torch.float32 and found.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 3)), r"holds float64 of \(3, 3\); at least 2 of \(2,\) are needed"),
        (np.zeros((1, 2)), r"holds float64 of \(1, 2\); at least 2 of \(2,\)"),
        (np.array([["a", "b"]] * 3), r"holds <U1 of"),
        (np.array([[0, 1], [np.inf, 0]]), "holds values that are not finite; leave those examples out"),
    ],
)
def test_what_are_no_points_of_the_data_is_named(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "a.npz", array)
    with pytest.raises(DataError, match=rf"^samples: .*a.npz {message}"):
        POINTS.read(tmp_path / "a.npz", "samples", at_least=2)


def test_values_of_one_shape_are_judged_against_each_other() -> None:
    POINTS.check(torch.zeros(3, 2), "drawn")
    for drawn, sides in ((torch.zeros(3, 4), "4"), (torch.zeros(3, 2, 2), "2x2"), (torch.zeros(3), "")):
        with pytest.raises(DataError, match=f"drawn: examples of {sides} cannot be judged against data of 2; give"):
            POINTS.check(drawn, "drawn")
    ours, real = torch.randn(2, 5, 2)
    assert POINTS.squared_error(ours, real) == pytest.approx(torch.nn.functional.mse_loss(ours, real).item())


def test_values_are_kept_without_their_gradient() -> None:
    points = torch.randn(5, 2, requires_grad=True)
    assert torch.equal(POINTS.decode(points), points) and not POINTS.decode(points).requires_grad
    assert POINTS.decode(points.double()).dtype == torch.float32
    assert POINTS.encode(points.detach().double()).dtype == torch.float32
    for content, stored in ((SeriesContent(5, ("a", "b")), points), (TextContent(5, Bytes()), torch.arange(5))):
        decoded = content.decode(stored)
        assert torch.equal(decoded, stored) and not decoded.requires_grad


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: VectorContent(0), "vectors of 0 coordinates: at least 1"),
        (lambda: SeriesContent(0, ("a",)), "data.horizon: 0 is below the limit of 1 step"),
        (lambda: SeriesContent(1, ("a",), season=0), "data.season: 0 is below the limit of 1 step"),
        (lambda: SeriesContent(1, ()), "data.targets: no column is chosen"),
        (lambda: TextContent(0, Bytes()), "data.length: texts of 0 tokens are below the limit of 1"),
    ],
)
def test_limits_are_named_and_kept(build, message) -> None:
    with pytest.raises(DataError, match=message):
        build()
    assert (VectorContent(1).shape, SeriesContent(1, ("a",)).shape, TextContent(1, Bytes()).shape) == (
        (1,),
        (1, 1),
        (1,),
    )


def test_the_protocol_says_what_is_short() -> None:
    content = SeriesContent(3, ("load",), season=24, frequency=3600.0)
    assert content.facts() == {"horizon": 3, "season": 24, "frequency": 3600.0}
    assert TextContent(5, Characters("ab")).facts() == {
        "length": 5,
        "vocabulary": {"kind": "characters", "size": 2},
    }


@pytest.mark.parametrize("text", ["plain", "é, è and ÿ", "€ ߿ ࠀ �", "𝄞 and 🙂", ""])
def test_characters_are_counted_whatever_they_are_written_as(text: str) -> None:
    pieces = Pieces.train("plain text, é and 𝄞, " * 20, 270)
    for vocabulary in (Bytes(), pieces, Characters("".join(sorted(set(text))) or "a")):
        tokens = vocabulary.encode(text)
        assert vocabulary.characters(tokens) == len(text)
        assert vocabulary.decode(tokens) == text
    assert Bytes().encode(text).tolist() == list(text.encode())


def test_pieces_may_be_line_s_ends() -> None:
    assert len(Pieces.train("ab\r\n" * 50, 258).encode("\r\n")) == 1


def test_before_a_text_stands_a_line_s_end_or_where_there_is_none_the_first_symbol() -> None:
    assert (Characters("ab").beginning, Characters("ab\n").beginning, Bytes().beginning) == ("a", "\n", "\n")


def test_positions_are_the_tokens_of_the_first_text_and_its_prompt() -> None:
    content = TextContent(3, Characters("ab\n"))
    tokens = torch.tensor([[0, 2, 1], [1, 1, 1]])
    batch = content.batches(tokens, torch.arange(2), Given(prompt=torch.tensor([[1, 0], [2, 2]])))
    assert content.positions(batch) == ["b", "a", "a", "⏎", "b"]
    assert POINTS.positions(batch) == []


def test_texts_are_saved_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = TextContent(2, Characters("ab\n"))
    tokens = torch.tensor([[0, 1]] * 10 + [[2, 0]])
    assert content.save(Examples(tokens), tmp_path) == ["single:   ./*.txt"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{number:02d}.txt" for number in range(11)]
    assert (tmp_path / "10.txt").read_text() == "\na" and (tmp_path / "09.txt").read_text() == "ab"
    assert content.show(tokens[9:]).text == "--- 1 ---\nab\n--- 2 ---\n\na\n"


def test_texts_that_are_asked_for_are_dealt_in_turn_and_others_are_named() -> None:
    content = TextContent(2, Characters("ab\n"))
    asked = content.asked(["ab", "\na"], 3, "given.text")
    assert [content.vocabulary.decode(tokens) for tokens in asked] == ["ab", "\na", "ab"]
    assert asked.dtype == torch.long
    for texts, message in (
        (["aba"], "given.text: 'aba' is 3 tokens long; give texts of 2"),
        ([], "given.text: no text is given"),
        (["ax"], "given.text: .*x"),
    ):
        with pytest.raises(ConfigError, match=message):
            content.asked(texts, 3, "given.text")
