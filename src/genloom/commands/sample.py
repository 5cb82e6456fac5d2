"""``genloom sample``: examples from a checkpoint alone."""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from omegaconf import DictConfig

from genloom import randomness
from genloom.commands.assembly import load_data_of, load_model
from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Vocabulary
from genloom.errors import ConfigError, DataError
from genloom.models.abilities import Conditions, Continues, Model, Samples, offers, require
from genloom.models.generation import draw_examples, taking
from genloom.samplers.tokens import stream


def run(config: DictConfig) -> None:
    """Write pictures and an npz, or texts; the same seed gives the same bytes.

    Raises:
        GenloomError: the checkpoint cannot be used, or its model does not sample, or not as it is asked to.
    """
    model, file = load_model(config)
    drawing = _checked(config, model).using(config.weights)
    drawing = taking(drawing, lambda: load_data_of(model, file, None, config.trust).split("test"))
    out = Path(config.out) if config.out else Path("samples") / f"{file.stem}-seed{config.seed}"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"out: {out} cannot be written ({error.strerror})") from error
    if offers(drawing, Continues):
        _write(drawing, TextContent.of(model.spec.content), config, out)
    else:
        _draw(drawing, config, out)


def _draw(model: Samples, config: DictConfig, out: Path) -> None:
    """Write samples as their content is written."""
    classes = None if config.classes is None else list(config.classes)
    named = next((name for name, condition in model.conditions.items() if condition.names), "classes")
    asked = {} if classes is None else {named: classes}
    examples = draw_examples(model, config.num, seed=config.seed, asked=asked)
    print(f"{config.num} samples ({model.weights} weights, seed {config.seed})")
    print("\n".join(model.spec.content.save(examples, out, columns=len(classes) if classes else None)))


def _checked(config: DictConfig, model: Model) -> Samples:
    """Return the model, which offers all that it is asked for."""
    drawing = require("genloom sample", Samples, model)
    if config.classes is not None:
        require(f"classes: choosing {','.join(config.classes)}", Conditions, model)
    if config.prompt is not None:
        require(f"prompt: {config.prompt!r}", Continues, model)
    return drawing


def _write(model: Continues, content: TextContent, config: DictConfig, out: Path) -> None:
    """Write texts; the first one as it comes, the others, drawn beside it, after it."""
    prompt = content.vocabulary.beginning if config.prompt is None else config.prompt
    try:
        tokens = content.vocabulary.encode(prompt)
    except DataError as error:
        raise ConfigError(f"prompt: {error}") from error
    if not len(tokens):
        raise ConfigError("prompt: it is empty; leave it out, and texts begin after a line's end")
    rng = randomness.generator(config.seed, "sample")
    drawn = stream(model, tokens.expand(config.num, -1), config.length, rng=rng)
    columns: list[torch.Tensor] = []

    def first() -> Iterator[int]:
        for column in drawn:
            columns.append(column.cpu())
            yield int(column[0])

    print("--- 1 ---")
    if config.prompt is not None:
        print(prompt, end="")
    for piece in _decoded(content.vocabulary, first()):
        sys.stdout.write(piece)
        sys.stdout.flush()
    shown = "" if config.prompt is None else prompt
    texts = [shown + content.vocabulary.decode(row) for row in torch.stack(columns, dim=1)]
    print("".join(f"\n--- {number} ---\n{text}" for number, text in enumerate(texts[1:], 2)))
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
