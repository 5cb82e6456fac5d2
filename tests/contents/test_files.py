"""What is data in a user's folder, for texts and for pictures of other programs alike."""

import logging
import os
import zipfile
from pathlib import Path, PurePath

import numpy as np
import pytest
from PIL import Image

from genloom.contents import files
from genloom.contents.files import matching, shown, walk
from genloom.contents.image import ImageContent
from genloom.data.texts.text import FromCharacters, Text
from genloom.errors import DataError

GREY = ImageContent(1, 4, 4)


def pictures(folder: Path, num: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(num):
        Image.new("L", (4, 4), number).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("**/*.txt", ["a.txt", "b/c/D.TXT", "É/ü.txt"], ["a.md", "b/txt", "txt"]),
        ("*.txt", ["a.txt"], ["b/a.txt"]),
        ("books/**/[ab]*.t?t", ["books/a.txt", "Books/x/y/B1.tot"], ["a.txt", "books/c.txt"]),
    ],
)
def test_patterns(pattern: str, inside: list[str], outside: list[str]) -> None:
    matches = matching(pattern)
    assert [matches(PurePath(path)) for path in (*inside, *outside)] == [True] * len(inside) + [False] * len(outside)


@pytest.mark.parametrize("pattern", ["", "/etc/*.txt", "**", "a**/b.txt"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"needed|stands for"):
        matching(pattern)


def test_hidden_and_left_behind_files_are_no_data_and_the_others_are_counted(tmp_path: Path) -> None:
    root = tmp_path / ".hidden root"
    for name in ("b.txt", "A/c.TXT", ".git/a.txt", "x/.ipynb_checkpoints/b.txt", "._b.txt", "__MACOSX/b.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name in ("Thumbs.db", "notes.md", "LICENSE", "x/other.md"):
        (root / name).touch()
    (root / "A" / "again").symlink_to(root)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "d.txt").touch()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    found = walk(root, matching("**/*.txt"))
    assert [file.relative_to(root).as_posix() for file in found.files] == ["A/c.TXT", "b.txt", "link/d.txt"]
    assert found.passed_over == "passed over 3 files of other kinds (2 .md, 1 without an ending)"
    assert walk(root / "A", matching("**/*")).passed_over is None


def test_names_that_are_no_utf8() -> None:
    assert shown("caf\udce9") == "caf\\xe9"
    assert shown(Path("фото/日本")) == "фото/日本"


def test_a_copy_that_a_notebook_keeps_is_no_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "novel.TXT").write_text("abcdefghij" * 40)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "novel-checkpoint.txt").write_text("X" * 400)
    (tmp_path / "._novel.txt").write_bytes(b"\0\5\x16\7\xff")
    (tmp_path / "notes.md").write_text("Y")
    data = Text(path=tmp_path, vocabulary=FromCharacters(), length=4, context=2)
    with caplog.at_level(logging.WARNING):
        assert data.content().vocabulary.symbols == "abcdefghij"  # pyright: ignore
    assert "passed over 1 files of other kinds (1 .md); data.files=**/*.txt reads 1" in caplog.text


def test_a_copy_that_a_notebook_keeps_is_no_sample(tmp_path: Path) -> None:
    pictures(tmp_path, 3)
    pictures(tmp_path / ".ipynb_checkpoints", 2)
    (tmp_path / "._0.png").write_bytes(b"\0\5\x16\7")
    assert len(GREY.read(tmp_path, "samples")) == 3


def test_damaged_samples_are_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    np.savez(whole, np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8))
    assert len(GREY.read(whole, "samples")) == 20
    content = whole.read_bytes()
    middle = content.index(b"NUMPY") + 150
    flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    np.savez(tmp_path / "objects.npz", np.array([{}], dtype=object))
    np.savez(tmp_path / "nothing.npz")
    for name, damaged in {"half": content[:200], "empty": b"", "flipped": flipped, "text": b"a,b\n"}.items():
        (tmp_path / f"{name}.npz").write_bytes(damaged)
    for name in ("half", "empty", "flipped", "text", "objects", "nothing"):
        with pytest.raises(DataError, match=rf"^samples: .*{name}.npz is damaged, or no npz.*; copy it again$"):
            GREY.read(tmp_path / f"{name}.npz", "samples")
    with pytest.raises(DataError, match=r"missing.npz does not exist"):
        GREY.read(tmp_path / "missing.npz", "samples")


def test_samples_that_would_wait_or_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match=r"^samples: .*pipe.npz .*it is no regular file"):
        GREY.read(tmp_path / "pipe.npz", "samples")
    monkeypatch.setattr(files, "_UNPACKED", 2**20)
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((2**20, 4, 4, 1), dtype=np.uint8))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**17
    with pytest.raises(DataError, match=r"^samples: .*bomb.npz .*unpacks to 0.0 GiB, far more"):
        GREY.read(tmp_path / "bomb.npz", "samples")
    np.savez_compressed(tmp_path / "grey.npz", np.random.default_rng(0).integers(0, 2, (2**17, 4, 4, 1), np.uint8))
    assert len(GREY.read(tmp_path / "grey.npz", "samples")) == 2**17
    with zipfile.ZipFile(tmp_path / "texts.npz", "w") as archive:
        archive.writestr("images.npy", "no array")
    with pytest.raises(DataError, match=r"^samples: .*texts.npz .*its first entry is no array"):
        GREY.read(tmp_path / "texts.npz", "samples")
