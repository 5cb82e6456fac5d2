"""What is judged: samples alone, or a model with one of its weight sets."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from genloom.capabilities import Capability
from genloom.examples import Examples
from genloom.models.generation import draw_examples, reconstruct_examples
from genloom.models.training.family import Family

Draw = Callable[[int], Examples]
Reconstruct = Callable[[Examples], Examples]


@dataclass(frozen=True)
class Candidate:
    """What is judged.

    Args:
        draw: returns so many samples; None for a model that has none.
        reconstruct: returns what is left of examples that a model sees; None for one that reconstructs nothing.
        model: None for samples alone.
        weights: which of its weight sets.
    """

    draw: Draw | None
    reconstruct: Reconstruct | None = None
    model: Family | None = None
    weights: str | None = None


def candidates_of(model: Family, weight_sets: Iterable[str], *, seed: int) -> dict[str, Candidate]:
    """Return the model with each of these weight sets, by name; what they draw depends on ``seed``."""

    def draw(num: int, weights: str) -> Examples:
        return draw_examples(model, num, seed=seed, weights=weights)

    offered = model.capabilities
    return {
        weights: Candidate(
            partial(draw, weights=weights) if Capability.SAMPLE in offered else None,
            partial(reconstruct_examples, model, weights=weights) if Capability.RECONSTRUCT in offered else None,
            model,
            weights,
        )
        for weights in weight_sets
    }
