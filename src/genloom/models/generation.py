"""Draw many examples from a model in chunks, as they are stored in the user's world."""

from collections.abc import Iterator
from functools import partial
from typing import cast

import torch

from genloom import randomness
from genloom.batch import Batch, Code, Label
from genloom.contents.base import Content
from genloom.examples import Examples
from genloom.models.abilities import Conditions, Model, Reconstructs, Samples, Truncates

_AT_ONCE = 250  # examples per pass; what is drawn depends on it, so there is one for whoever draws


def draw_examples(
    model: Samples,
    num: int,
    *,
    seed: int,
    classes: list[str] | None = None,
    truncation: float | None = None,
) -> Examples:
    """Return ``num`` generated examples on the CPU, with the classes or codes that were asked for.

    The same seed, number and weights give the same examples, whoever asks: the judge and ``genloom sample`` alike.
    Numbers that are multiples of 250 begin with the same examples.

    Args:
        model: with the weights that shall draw.
        num: how many.
        seed: of the latents, which are drawn on the CPU, so that they are the same on every device.
        classes: names that are dealt to the examples in turn, of a model that offers Conditions; None asks for what is
            in the data.
        truncation: share of the distance from the mean latent that is kept, by a model that offers Truncates; None
            keeps all of it.
    """
    rng = randomness.generator(seed, "sample")
    asked = cast(Conditions, model).condition_on(classes, num) if classes is not None else None
    sample = model.sample if truncation is None else partial(cast(Truncates, model).sample, truncation=truncation)
    batches = []
    for first in range(0, num, _AT_ONCE):
        part = slice(first, min(first + _AT_ONCE, num))
        condition = None if asked is None else asked.map(lambda index, part=part: index[part])
        batches.append(sample(part.stop - first, rng=rng, condition=condition))
    return _stored(model, batches)


def reconstruct_examples(model: Reconstructs, examples: Examples, *, batch_size: int = _AT_ONCE) -> Examples:
    """Return what is left of examples after encoding and decoding, on the CPU, with their classes.

    Args:
        model: with the weights that shall reconstruct.
        examples: as the model sees them.
        batch_size: examples per pass through the networks.
    """
    batches = batches_of(examples, model.spec.content, batch_size)
    content = [model.spec.content.decode(model.reconstruct(batch).content).cpu() for batch in batches]
    return type(examples)(torch.cat(content), examples.labels)


def batches_of(examples: Examples, content: Content, size: int) -> Iterator[Batch]:
    """Yield examples as a model sees them, ``size`` at a time."""
    for index in torch.arange(len(examples)).split(size):
        yield content.batch(examples, index)


def _stored(model: Model, batches: list[Batch]) -> Examples:
    content = torch.cat([model.spec.content.decode(batch.content).cpu() for batch in batches])
    conditions = [batch.condition for batch in batches]
    labels = [condition.index.cpu() for condition in conditions if isinstance(condition, Label)]
    codes = [condition.index.cpu() for condition in conditions if isinstance(condition, Code)]
    kind = model.spec.content.examples
    return kind(content, torch.cat(labels) if labels else None, torch.cat(codes) if codes else None)
