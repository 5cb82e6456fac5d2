"""The contract of measurements: what a model makes of held-out examples, rather than how its samples look."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from genloom.contents.base import Content, why_not
from genloom.examples import Examples
from genloom.extractors.reference_cache import ReferenceCache
from genloom.judging.candidate import Candidate
from genloom.judging.metric import Metric, Score
from genloom.judging.protocol import Protocol
from genloom.judging.verdict import NotApplicable, Row, Verdict
from genloom.models import abilities
from genloom.models.abilities import Model


@dataclass(frozen=True)
class Held:
    """What a model is measured on.

    Args:
        split: where the examples are from.
        examples: held out, as the model sees them.
        train: returns the training examples as the model sees them when it is measured.
        cache: of what depends on the data alone.
        progress_bar: show one where a measurement takes long.
    """

    split: str
    examples: Examples
    train: Callable[[], Examples]
    cache: ReferenceCache
    progress_bar: bool = False


class Measurement(Metric):
    """A number of a model and held-out examples."""

    @abstractmethod
    def measure(self, model: Model, held: Held) -> dict[str, Score]:
        """Return a score for each of ``quantities`` that the model has.

        Args:
            model: one that offers what is required, with the weights that are measured.
            held: the examples.
        """

    def quick(self) -> "Measurement":
        """Return what stands in for it in a check during training: itself, unless that takes long."""
        return self

    def why_not(self, model: Model, examples: Examples) -> str | None:
        """Return None if it can be taken of ``model`` on ``examples``, else the reason why not."""
        content = model.spec.content
        if reason := why_not(self, content):
            return f"{reason}; metrics={content.suite} measures them" if content.suite else reason
        lacking = abilities.why_not(model, self.requires)
        return lacking and f"it {lacking}"

    def floor(self, content: Content, held: Held) -> dict[str, Score]:
        """Return what real examples score, of quantities that they have.

        Args:
            content: what the examples are.
            held: the examples.
        """
        return {}

    def warnings(self, scores: Mapping[str, Score]) -> list[str]:
        """Return what a reader of the scores has to know."""
        return []


def measure(
    metrics: Sequence[Measurement],
    candidates: Mapping[str, Candidate],
    content: Content,
    held: Held,
    protocol: Protocol,
) -> Verdict:
    """Return what was measured of each candidate that is a model; its protocol says so, too."""
    rows: list[Row] = []
    missing: list[NotApplicable] = []
    warnings: dict[str, None] = {}  # without repetitions, in their order
    for metric in metrics:
        scores: dict[str, dict[str, Score]] = {}
        reasons: dict[str, None] = {}
        for name, candidate in candidates.items():
            assert candidate.model is not None
            if reason := metric.why_not(candidate.model, held.examples):
                reasons[reason] = None
            else:
                scores[name] = metric.measure(candidate.model, held)
                warnings |= dict.fromkeys(metric.warnings(scores[name]))
        floor = metric.floor(content, held) if scores else {}
        for quantity, direction in metric.quantities.items():
            found = {name: values[quantity] for name, values in scores.items() if quantity in values}
            if found:
                rows.append(Row(quantity, direction, found, floor.get(quantity)))
        missing += [NotApplicable(quantity, reason) for reason in reasons for quantity in metric.quantities]
    protocol = replace(
        protocol,
        measured={"split": held.split, "num": len(held.examples), "fingerprint": held.examples.content_fingerprint},
        metrics={**protocol.metrics, **{type(metric).__name__: metric.parameters for metric in metrics}},
    )
    return Verdict(rows, protocol, missing, list(warnings), rows[0].metric if rows else None)
