"""Draw many examples from a model in chunks, as they are stored in the user's world."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from genloom import randomness
from genloom.batch import Batch, Given
from genloom.contents.partial import Partial
from genloom.devices import main_memory
from genloom.errors import CapabilityError, ConfigError
from genloom.examples import Examples
from genloom.models.abilities import Completes, Editing, Reconstructs, Samples, checked, offers
from genloom.printable import in_bytes
from genloom.progress import bar

#: By a condition's name, texts; None is to be told nothing.
Asked = Mapping[str, Sequence[str] | None]
_Sampling = TypeVar("_Sampling", bound=Samples)
_AT_ONCE = 250  # examples per pass; what is drawn depends on it, so there is one for whoever draws


def draw(model: Samples, num: int, *, rng: torch.Generator, given: Given | None = None) -> Batch:
    """Return ``num`` examples as the model's sampler draws them, in evaluation mode.

    Args:
        model: with the weights that shall draw.
        num: how many.
        rng: on the CPU, so that the same numbers are drawn on every device.
        given: what each of them is given; what is missing is as it is in the data.
    """
    if model.sampler is None:
        return model.sample(num, rng=rng, given=given)
    return model.sampler.draw(model, num, rng=rng, given=given)


def draw_examples(
    model: Samples, num: int, *, seed: int, asked: Asked | None = None, progress_bar: bool = False
) -> Examples:
    """Return ``num`` examples as the model's sampler draws them, on the CPU, with what they were given.

    The same seed, number and weights give the same examples, whoever asks: the judge and ``genloom sample`` alike.
    Numbers that are multiples of 250 begin with the same examples.

    Args:
        model: with the weights that shall draw.
        num: how many.
        seed: of the latents, which are drawn on the CPU, so that they are the same on every device.
        asked: by a condition's name, texts that are dealt to the examples in turn, or None, to tell the model nothing;
            what is not asked for is as it is in the data.
        progress_bar: show one if it takes longer than two seconds.

    Raises:
        ConfigError: the model has no such condition, or cannot be asked so; or so many do not fit into memory.
    """
    content = model.spec.content
    asked = asked or {}
    parts = {name: texts or [] for name, texts in asked.items() if name not in model.conditions}
    if parts and offers(model, Completes) and set(parts) <= set(content.parts):
        _check_enough(parts, num)
        partial, told = content.in_part(parts, num), {name: each for name, each in asked.items() if name not in parts}
        return complete_examples(model, partial, seed=seed, asked=told, progress_bar=progress_bar)
    rng = randomness.generator(seed, "sample")
    _check_memory(num, 8 * num)
    given = as_asked(model, num, asked)
    batches = []
    for first in _passes(num, "sampling", progress_bar):
        part = slice(first, min(first + _AT_ONCE, num))
        own = given.map(lambda values, part=part: values[part].to(model.device))
        batches.append(draw(model, part.stop - first, rng=rng, given=own))
        if not first:
            _check_memory(num, batches[0].content.nbytes * num // part.stop)
    return _stored(model, batches)


def complete_examples(
    model: Samples,
    partial: Partial,
    *,
    seed: int,
    strength: float = 1.0,
    resample: int | None = None,
    asked: Asked | None = None,
    progress_bar: bool = False,
) -> Examples:
    """Return examples of which a part is known, completed by draws, on the CPU, with what they were given.

    A sampler that edits completes by itself; else the model's own distribution is drawn from.

    Args:
        model: with the weights that shall draw.
        partial: what is known; it stays bit for bit.
        seed: of the draws.
        strength: how much of what is not known is drawn anew, above 0; with 1 nothing is left of it.
        resample: how often a sampler takes each step, so that the rest fits what is known; None is what is usual.
        asked: see :func:`draw_examples`.
        progress_bar: show one if it takes longer than two seconds.

    Raises:
        CapabilityError: the model does not complete, or its sampler draws whole examples only.
    """
    rng, content = randomness.generator(seed, "sample"), model.spec.content
    given = as_asked(model, len(partial), asked or {})
    batches = []
    draw = _completing(model, strength, resample)
    for first in _passes(len(partial), "completing", progress_bar):
        rows = slice(first, min(first + _AT_ONCE, len(partial)))
        values, known, allowed = (each.to(model.device) for each in content.to_complete(partial[rows]))
        own = given.map(lambda each, rows=rows: each[rows].to(model.device))
        batches.append(draw(values, known, rng=rng, allowed=allowed, given=own))
    drawn = _stored(model, batches)
    return replace(drawn, content=content.kept(drawn.content, partial))


def _completing(model: Samples, strength: float, resample: int | None) -> Callable[..., Batch]:
    """Return what completes the examples of a model."""
    sampler = model.sampler
    if isinstance(sampler, Editing):
        values = {} if resample is None else {"resample": resample}
        return functools.partial(sampler.edit, model, strength=strength, **values)
    name = "the model's own distribution" if sampler is None else type(sampler).__name__
    if strength < 1:
        raise CapabilityError(
            f"strength: {strength} needs a sampler that begins at given examples, and {name} begins at none; choose "
            "sampler=heun, of a model that denoises, or leave strength out"
        )
    if sampler is not None and not sampler.protocol["plain"]:
        raise CapabilityError(f"sampler: {name} draws whole examples, and completes none; choose sampler=plain")
    return checked("what is known of an example", Completes, model).complete


def _passes(num: int, what: str, progress_bar: bool) -> Iterator[int]:
    """Yield the first example of each pass."""
    with bar(num, what, " examples", shown=progress_bar, delay=2, leave=False) as shown:
        for first in range(0, num, _AT_ONCE):
            yield first
            shown.update(min(_AT_ONCE, num - first))


def as_asked(model: Samples, num: int, asked: Asked) -> Given:
    """Return what ``num`` samples are given by what is asked for, on the CPU; see :func:`draw_examples`."""
    given = Given({name: _asked(model, name, texts, num) for name, texts in asked.items() if texts is not None})
    given.dropped = {name: _untold(model, name, num) for name, texts in asked.items() if texts is None}
    return given


def _check_memory(num: int, num_bytes: int) -> None:
    if num_bytes > (memory := main_memory()):
        raise ConfigError(
            f"num: {num:,} samples take at least {in_bytes(num_bytes)}, and this machine has {in_bytes(memory)} of "
            "memory; lower it, and draw the others by further seeds"
        )


def _check_told(model: Samples, name: str) -> None:
    if name not in model.conditions:
        parts = model.spec.content.parts
        known = ", ".join([*model.conditions, *(parts if offers(model, Completes) else ())]) or "nothing"
        if name in parts:
            known += "; name it in data.given before training, or train a model that completes, for any column"
        raise ConfigError(f"given.{name}: the model is told no {name}; it can be given {known}")


def _check_enough(asked: Mapping[str, Sequence[str]], num: int) -> None:
    for name, texts in asked.items():
        if len(texts) > num:
            raise ConfigError(
                f"given.{name}: {len(texts)} are asked for, which num={num} leaves without a sample each; set "
                f"num={len(texts)} or more"
            )


def _asked(model: Samples, name: str, texts: Sequence[str], num: int) -> Tensor:
    _check_told(model, name)
    _check_enough({name: texts}, num)
    return model.conditions[name].asked(texts, num, f"given.{name}")


def _is_untold(batch: Batch, name: str) -> bool:
    return name in batch.given.dropped and bool(batch.given.dropped[name].all())


def _untold(model: Samples, name: str, num: int) -> Tensor:
    _check_told(model, name)
    if name not in model.drop_given:
        raise ConfigError(
            f"given.{name}: null tells the model no {name}, which it was not trained for; train with "
            f"model.drop_given.{name}=0.1, say"
        )
    return torch.ones(num, dtype=torch.bool)


def taking(model: _Sampling, examples: Callable[[], Examples], *, known: Collection[str] = ()) -> _Sampling:
    """Return the model, with real examples to take conditions from if there are some that cannot be drawn.

    Args:
        model: draws.
        examples: returns them; called only if they are needed.
        known: names of the conditions that will be given.
    """
    if all(condition.is_drawn or name in known for name, condition in model.conditions.items()):
        return model
    return model.taking(examples())


def reconstruct_examples(model: Reconstructs, examples: Examples, *, batch_size: int = _AT_ONCE) -> Examples:
    """Return what is left of examples after encoding and decoding, on the CPU, with their classes.

    Args:
        model: with the weights that shall reconstruct.
        examples: as the model sees them.
        batch_size: examples per pass through the networks.
    """
    batches = model.spec.batches(examples, batch_size)
    content = [model.spec.content.decode(model.reconstruct(batch).content).cpu() for batch in batches]
    return type(examples)(torch.cat(content), examples.given)


def _stored(model: Samples, batches: list[Batch]) -> Examples:
    content = torch.cat([model.spec.content.decode(batch.content).cpu() for batch in batches])
    given = {
        name: condition.decode(torch.cat([batch.given[name] for batch in batches])).cpu()
        for name, condition in model.conditions.items()
        if all(name in batch.given and not _is_untold(batch, name) for batch in batches)
    }
    return model.spec.content.examples(content, given)
