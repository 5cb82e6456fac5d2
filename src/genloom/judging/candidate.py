"""What is judged: samples alone, or a model with one of its weight sets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from genloom.examples import Examples
from genloom.models.abilities import Model, Reconstructs, Samples, offers
from genloom.models.generation import draw_examples, reconstruct_examples, taking

Draw = Callable[[int], Examples]
Reconstruct = Callable[[Examples], Examples]


@dataclass(frozen=True)
class Candidate:
    """What is judged.

    Args:
        draw: returns so many samples; None for a model that has none.
        reconstruct: returns what is left of examples that a model sees; None for one that reconstructs nothing.
        model: with the weights that are judged; None for samples alone.
    """

    draw: Draw | None
    reconstruct: Reconstruct | None = None
    model: Model | None = None


def candidates_of(
    model: Model, weight_sets: Iterable[str], *, seed: int, examples: Callable[[], Examples]
) -> dict[str, Candidate]:
    """Return the model with each of these weight sets, by name.

    Args:
        model: with the weights that it has.
        weight_sets: names of those that are judged.
        seed: of what they draw.
        examples: returns held-out ones, whose conditions samples are given where they cannot be drawn.
    """
    if offers(model, Samples):
        model = taking(model, examples)
    return {weights: _candidate(model.using(weights), seed) for weights in weight_sets}


def _candidate(model: Model, seed: int) -> Candidate:
    return Candidate(
        partial(draw_examples, model, seed=seed) if offers(model, Samples) else None,
        partial(reconstruct_examples, model) if offers(model, Reconstructs) else None,
        model,
    )
