"""``genloom sample``: examples from a checkpoint alone."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig

from genloom import randomness
from genloom.commands import output
from genloom.commands.assembly import load_data_of, load_model
from genloom.contents.condition import dealt
from genloom.contents.partial import Partial
from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Vocabulary
from genloom.errors import ConfigError
from genloom.examples import Examples
from genloom.models.abilities import Completes, Continues, Samples, checked, offers
from genloom.models.generation import as_asked, complete_examples, draw_examples, taking
from genloom.printable import printable
from genloom.samplers.tokens import stream

_LENGTH = 500  # tokens of a text


def run(config: DictConfig) -> None:
    """Write pictures and an npz, or texts; the same seed gives the same bytes.

    Raises:
        GenloomError: the checkpoint cannot be used, or its model does not sample, or not as it is asked to.
    """
    model, file = load_model(config)
    drawing = checked("genloom sample", Samples, model).using(config.weights)
    asked = {name: _texts(value) for name, value in config.given.items()}
    known = [name for name, texts in asked.items() if texts is not None]
    drawing = taking(drawing, lambda: load_data_of(model, file, None, config.trust).split("test"), known=known)
    if config.length and not offers(drawing, Continues):
        raise ConfigError(
            f"length: {config.length} tokens are asked of a model of {model.spec.content.called}, which are all of one "
            "shape; leave length out"
        )
    _check_edited(config)
    form = drawing.spec.content.form(config.format)
    usual = Path("samples") / f"{file.stem}-seed{config.seed}"
    with output.folder(config.out, usual, keeps=False) as out:
        if config.images is not None:
            _edit(drawing, asked, config, out, form)
        elif offers(drawing, Continues):
            _write(drawing, TextContent.of(model.spec.content), asked, config, out)
        else:
            _draw(drawing, asked, config, out, form)


def _texts(value: Any) -> list[str] | None:
    """Return what is asked for as texts."""
    return None if value is None else [str(each) for each in (value if isinstance(value, ListConfig) else [value])]


def _draw(
    model: Samples, asked: Mapping[str, list[str] | None], config: DictConfig, out: Path, form: str | None
) -> None:
    """Write samples; in as many columns as something is asked for in turn."""
    examples = draw_examples(model, config.num, seed=config.seed, asked=asked, progress_bar=True)
    columns = max((len(texts) for texts in asked.values() if texts), default=None)
    _save(model, examples, config, out, form, columns)


def _edit(
    model: Samples, asked: Mapping[str, list[str] | None], config: DictConfig, out: Path, form: str | None
) -> None:
    """Write samples that are made of given examples, and both beside each other."""
    content = model.spec.content
    originals = dealt(content.read(Path(config.images).expanduser(), "images").content, config.num)
    if config.mask is None and config.box is None:
        partial = Partial(originals, torch.zeros_like(originals, dtype=torch.bool))
    else:
        model = checked("mask, box: what is to be kept", Completes, model)
        mask = None if config.mask is None else Path(config.mask).expanduser()
        partial = content.masked(originals, mask, config.box)
    examples = complete_examples(
        model,
        partial,
        seed=config.seed,
        strength=config.strength,
        resample=config.resample,
        asked=asked,
        progress_bar=True,
    )
    _save(model, examples, config, out, form)
    beside = content.show(examples.content).beside(content.show(originals)).save(out / "beside")
    print(f"beside:   {os.path.relpath(beside)} (the samples, then what they were made of)")


def _check_edited(config: DictConfig) -> None:
    named = [name for name in ("mask", "box") if config[name] is not None]
    if config.images is None and (named or config.strength < 1):
        name = named[0] if named else "strength"
        raise ConfigError(f"{name}: {config[name]} is of given pictures, and none are; set images=FOLDER")
    if len(named) > 1:
        raise ConfigError("mask, box: both say what is drawn; leave one of them out")
    if config.images is not None and not named and config.strength == 1:
        raise ConfigError(
            "images: with strength=1 nothing is left of them; set strength=0.6, say, or what is drawn by mask=FILE"
        )


def _save(
    model: Samples, examples: Examples, config: DictConfig, out: Path, form: str | None, columns: int | None = None
) -> None:
    """Write samples as their content is written."""
    content = model.spec.content
    print(f"{config.num} samples ({model.weights} weights, seed {config.seed})")
    print("\n".join(content.export(examples, out / "samples", form) + content.save(examples, out, columns=columns)))


def _write(
    model: Continues, content: TextContent, asked: Mapping[str, list[str] | None], config: DictConfig, out: Path
) -> None:
    """Write texts; the first one as it comes, the others, drawn beside it, after it."""
    rng = randomness.generator(config.seed, "sample")
    given = model.draw_given(config.num, rng, as_asked(model, config.num, asked))
    drawn = stream(model, given["prompt"], config.length or _LENGTH, rng=rng)
    columns: list[torch.Tensor] = []

    def first() -> Iterator[int]:
        for column in drawn:
            columns.append(column.cpu())
            yield int(column[0])

    print("--- 1 ---")
    shown = "".join(asked.get("prompt") or [])
    print(shown, end="")
    for piece in _decoded(content.vocabulary, first()):
        sys.stdout.write(printable(piece))
        sys.stdout.flush()
    texts = [shown + content.vocabulary.decode(row) for row in torch.stack(columns, dim=1)]
    print("".join(f"\n--- {number} ---\n{printable(text)}" for number, text in enumerate(texts[1:], 2)))
    print(f"\n{config.num} texts ({model.weights} weights, seed {config.seed})")
    print("\n".join(content.save_texts(texts, out)))


def _decoded(vocabulary: Vocabulary, tokens: Iterator[int]) -> Iterator[str]:
    """Yield text as soon as it is complete: a character may be several tokens."""
    waiting: list[int] = []
    for token in tokens:
        waiting.append(token)
        text = vocabulary.decode(torch.tensor(waiting))
        if not text.endswith("\N{REPLACEMENT CHARACTER}") or len(waiting) > 8:
            yield text
            waiting = []
    yield vocabulary.decode(torch.tensor(waiting, dtype=torch.int64))
