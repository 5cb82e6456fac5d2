"""What is judged: sets of examples by name, which somebody has made or a model makes with one of its weight sets."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from genloom.examples import Examples
from genloom.models.abilities import Model, Reconstructs, Samples, offers
from genloom.models.generation import draw_examples, reconstruct_examples, taking


@dataclass(frozen=True)
class Unpaired:
    """A set of as many examples as are wanted, each by itself.

    Args:
        make: returns so many, as they are stored.
        like: the role of the real set that it is as large as: ``heldout``, or ``reference``.
    """

    make: Callable[[int], Examples]
    like: str = "heldout"


@dataclass(frozen=True)
class Paired:
    """A set that has an example for each of some real ones.

    Args:
        make: returns what becomes of real examples, as a model sees them; in their order, as they are stored.
    """

    make: Callable[[Examples], Examples]


@dataclass(frozen=True)
class Candidate:
    """What is judged.

    Args:
        sets: by the name by which comparisons ask for them: ``samples``; ``substitutes``, samples that are used in the
            place of the reference; ``reconstructions``; or one of your own. What no comparison asks for is not made.
        model: with the weights that are judged; None for sets alone.
    """

    sets: Mapping[str, Unpaired | Paired]
    model: Model | None = None

    @classmethod
    def of_samples(cls, draw: Callable[[int], Examples]) -> "Candidate":
        """Return samples alone, of which ``draw`` returns as many as are wanted."""
        return cls(_drawn(draw))


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


def _drawn(draw: Callable[[int], Examples]) -> dict[str, Unpaired | Paired]:
    return {"samples": Unpaired(draw), "substitutes": Unpaired(draw, like="reference")}


def _candidate(model: Model, seed: int) -> Candidate:
    sets: dict[str, Unpaired | Paired] = {}
    if offers(model, Samples):
        sets |= _drawn(partial(draw_examples, model, seed=seed))
    if offers(model, Reconstructs):
        sets["reconstructions"] = Paired(partial(reconstruct_examples, model))
    return Candidate(sets, model)
