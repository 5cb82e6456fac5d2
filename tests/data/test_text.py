"""Text as tokens: what is read, how it is split, and that every token is scored once."""

from pathlib import Path
from typing import Any

import pytest
import torch

from genloom.contents.text import TextWindows
from genloom.contents.vocabulary import Characters, Pieces
from genloom.data.texts.text import FromBytes, FromCharacters, FromPieces, Text
from genloom.errors import ConfigError, DataError
from genloom.spec import Spec

TEXT = "".join(chr(ord("a") + (i * i + i // 7) % 26) for i in range(1000))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def build(path: Path | None, **changes: Any) -> Text:
    return Text(**{"path": path, "vocabulary": FromCharacters(), "length": 16, "context": 5, **changes})


def scored(windows: TextWindows, data: Text) -> list[tuple[int, int, int]]:
    """Return (row, token, tokens before it that the model sees) of all tokens that count, one by one."""
    batch = data.describe().batch(windows, torch.arange(len(windows)))
    assert batch.mask is not None
    return [
        (int(windows.starts[w]) + windows.past + i, int(batch.content[w, i]), windows.past + i)
        for w in range(len(windows))
        for i in range(windows.length)
        if batch.mask[w, i]
    ]


def symbols(data: Text) -> str:
    vocabulary = data.content().vocabulary
    assert isinstance(vocabulary, Characters)
    return vocabulary.symbols


@pytest.mark.parametrize("length", [3, 16, 40])
@pytest.mark.parametrize("context", [1, 2, 16, 40])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_token_is_scored_once_with_its_context(file: Path, length: int, context: int, split: Any) -> None:
    if context > length:
        with pytest.raises(ConfigError, match=rf"data.context: {context} is not within 1 and data.length={length}"):
            build(file, length=length, context=context)
        return
    data = build(file, length=length, context=context)
    begin, end = {"train": (context, 900), "val": (900, 950), "test": (950, 1000)}[split]
    found = scored(data.modelled(split), data)
    assert [row for row, _, _ in found] == list(range(begin, end))
    vocabulary = data.content().vocabulary
    assert vocabulary.decode(torch.tensor([token for _, token, _ in found])) == TEXT[begin:end]
    assert min(before for _, _, before in found) >= context
    assert data.modelled(split).past + data.modelled(split).length == length + 1  # as in training


def test_a_split_shorter_than_a_window_scores_no_token_before_it(file: Path) -> None:
    data = build(file, length=16, context=1, test_fraction=0.018)
    windows = data.modelled("test")
    assert len(windows) == 2 and [row for row, _, _ in scored(windows, data)] == list(range(982, 1000))
    short = TextWindows(windows.rows, torch.tensor([1000 - 17]), past=1, length=16, origin=990)
    assert [row for row, _, _ in scored(short, data)] == list(range(990, 1000))


def test_training_sees_a_window_at_every_offset_and_copies_nothing(file: Path) -> None:
    data = build(file)
    train, val = data.split("train"), data.split("val")
    assert train.rows is val.rows is data.modelled("val").rows
    assert train.rows.dtype == torch.uint8
    assert len(train) == 900 - 16 and int(train.starts[-1]) + 17 == 900
    assert int(val.starts[0]) + 1 == 900 and int(val.starts[-1]) + 17 == 950
    batch = data.describe().batch(train, torch.tensor([3]))
    assert batch.mask is None and batch.content.dtype == torch.int64
    decode = data.content().vocabulary.decode
    assert decode(batch.given["prompt"][0]) == TEXT[3] and decode(batch.content[0]) == TEXT[4:20]
    assert decode(train.text) == TEXT[1:900] and decode(data.modelled("test").text) == TEXT[950:]


def test_the_loader_yields_training_windows(file: Path) -> None:
    data = build(file, batch_size=8)
    batch = next(iter(data.train_dataloader()))
    assert batch.content.shape == (8, 16) and batch.given["prompt"].shape == (8, 1)


def test_without_a_validation_split_the_test_split_serves_as_both(file: Path) -> None:
    data = build(file, val_fraction=0, test_fraction=0.1)
    assert torch.equal(data.modelled("val").text, data.modelled("test").text)
    assert data.content().vocabulary.decode(data.modelled("test").text) == TEXT[900:]
    assert int(data.split("train").starts[-1]) + 17 == 900


def test_characters_of_the_test_part_are_known(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(TEXT + "é" * 2)
    assert "é" in symbols(build(path))


@pytest.mark.parametrize("vocabulary", [FromBytes(), FromPieces(300)])
def test_splits_end_at_the_same_character_for_every_vocabulary(tmp_path: Path, vocabulary: Any) -> None:
    path = tmp_path / "text.txt"
    text = "der Hüne sägt übel, 漢字 auch\n" * 100
    path.write_text(text)
    data = build(path, vocabulary=vocabulary, val_fraction=0.1, test_fraction=0.1)
    decode, n = data.content().vocabulary.decode, len(text)
    assert decode(data.modelled("val").text) == text[int(n * 0.8) : int(n * 0.9)]
    assert decode(data.modelled("test").text) == text[int(n * 0.9) :]


def test_pieces_are_learned_from_the_training_part_alone(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one two three four five\n" * 200 + "zwölfzwölfzwölfzwölf\n" * 8)
    data = build(path, vocabulary=FromPieces(270))
    pieces = data.content().vocabulary
    assert isinstance(pieces, Pieces)
    assert pieces == Pieces.train(path.read_text()[: int(len(path.read_text()) * 0.9)], 270)
    with pytest.raises(DataError, match=r"data.vocabulary.size: 100 is below the limit of 256"):
        build(path, vocabulary=FromPieces(100)).content()


def test_a_large_text_is_encoded_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text.txt"
    path.write_text("some words on a line\n" * 200)
    whole = build(path, vocabulary=FromPieces(280)).modelled("test").rows
    monkeypatch.setattr("genloom.data.texts.text._CHUNK", 50)
    assert torch.equal(build(path, vocabulary=FromPieces(280)).modelled("test").rows, whole)


def test_without_a_path_the_text_ships_with_python() -> None:
    data = build(None, length=64)
    assert len(data.split("train")) > 300_000
    text = data.content().vocabulary.decode(data.modelled("train").text)
    assert "Assert statements are a convenient way" in text
    assert repr(data.split("train")).endswith(" of 1 + 64 out of {} rows)".format(len(data.split("train").rows)))
    spec = data.describe()
    assert Spec.from_dict(spec.to_dict()) == spec


def test_a_folder_is_its_text_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, text in {"b.txt": "BB", "a.txt": "\ufeffAA", "sub/c.txt": "CC", "notes.md": "MM"}.items():
        (tmp_path / name).write_text(text * 50, encoding="utf-8")
    data = build(tmp_path, length=2, context=1)
    assert data.content().vocabulary.decode(data.split("train").rows) == "\n".join(
        (("\ufeffAA" * 50).removeprefix("\ufeff"), "BB" * 50, "CC" * 50)
    )
    assert "M" in symbols(build(tmp_path, files="*.md", length=2, context=1))


def test_fingerprints_tell_texts_splits_and_windows_apart(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(TEXT[:-1] + ("a" if TEXT[-1] != "a" else "b"))
    data = build(file)
    windows: list[TextWindows] = [
        data.modelled("val"),
        data.modelled("test"),
        data.modelled("val")[:-1],
        build(file, context=6).modelled("val"),
        build(other).modelled("val"),
        TextWindows(data.modelled("val").rows, data.modelled("val").starts, past=5, length=12),
    ]
    assert len({each.fingerprint for each in windows} | {data.split("train").fingerprint}) == len(windows) + 1
    assert build(file).fingerprint == data.fingerprint


def fails(path: Path | None, match: str, **changes: Any) -> None:
    with pytest.raises((DataError, ConfigError), match=match):
        build(path, **changes).describe()


def test_bad_input_is_named(tmp_path: Path, file: Path) -> None:
    fails(tmp_path / "none.txt", r"data.path: \S+none.txt does not exist; name a UTF-8 file")
    empty = tmp_path / "empty.txt"
    empty.touch()
    fails(empty, r"empty.txt: empty; name a file that holds text, by data.path")
    line = tmp_path / "line.txt"
    line.write_text("one line\n")
    fails(line, r"line.txt: the train split holds 8 tokens, below the limit of 18, two windows of data.length=16")
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9 au lait")
    fails(latin, r"latin.txt: byte 0xe9 at offset 3 is not UTF-8; convert the file, as by iconv")
    folder = tmp_path / "folder"
    folder.mkdir()
    fails(folder, r"folder: no file in this folder matches \*\*/\*.txt; set data.files")
    fails(folder, r"data.files: '' is no pattern", files="")
    fails(file, r"data.length: 0 is below the limit of 1", length=0)
    for fractions in ({"val_fraction": -0.1}, {"test_fraction": 0}, {"val_fraction": 0.6, "test_fraction": 0.4}):
        fails(file, r"data.val_fraction, data.test_fraction: \S+, \S+ must be", **fractions)
    with pytest.raises(DataError, match=r"the val split holds 50 tokens, below the limit of 102.*raise data.val_frac"):
        build(file, length=100).modelled("val")


def test_a_prompt_outside_the_vocabulary_is_named() -> None:
    with pytest.raises(DataError, match=r"character '!' at position 2 is not among the 3 of the vocabulary: 'abc'"):
        Characters("abc").encode("ab!c")
    many = Characters("".join(map(chr, range(1000, 3000))))
    with pytest.raises(DataError) as error:
        many.encode("a")
    assert len(str(error.value)) < 500


def test_what_is_no_text_is_named_and_utf_16_is_read(tmp_path, caplog):
    for begin, said in (
        (b"PK\x03\x04", "zip"),
        (b"\x1f\x8b", "gzip"),
        (b"%PDF-1.4", "a PDF"),
        (b"version https://git-lfs", "LFS"),
    ):
        (tmp_path / "a.txt").write_bytes(begin + b" and more" * 100)
        with pytest.raises(DataError, match=f"a.txt: it is no text but .*{said}"):
            Text(path=tmp_path / "a.txt", vocabulary=FromCharacters()).describe()
    (tmp_path / "a.txt").write_bytes(("words " * 2000).encode("utf-16"))
    data = Text(path=tmp_path / "a.txt", vocabulary=FromCharacters(), length=8, context=4)
    assert data.content().vocabulary.decode(data.split("train").rows[:12]) == "words words "


def test_copies_and_splits_among_files_are_said(tmp_path, caplog):
    def read(*names: str) -> str:
        caplog.clear()
        folder = tmp_path / names[0]
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("the same " * 300 if "novel" in name else f"words {number} " * 300)
        Text(path=folder, vocabulary=FromCharacters(), length=8, context=4).describe()
        return caplog.text

    assert read("a.txt", "b.txt", "test.txt") == ""
    assert "novel.txt holds the same text as novel (1).txt (1 such files)" in read("novel.txt", "novel (1).txt")
    assert "test.txt, train.txt, valid.txt are called as splits are" in read("train.txt", "test.txt", "valid.txt")
    assert "test/b.txt, train/a.txt are called as splits are" in read("train/a.txt", "test/b.txt")
