"""What every metric is, and the contract of comparisons of samples with real examples.

Measurements of a model on real examples are in :mod:`genloom.judging.measuring`. The floor of a comparison is the same
with real test images as the candidate, so it needs no code of its own.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from genloom.contents.base import Content, why_not
from genloom.extractors.features import FeatureExtractor
from genloom.judging.evidence import Evidence, View
from genloom.models.abilities import Samples
from genloom.part import Part


class Direction(StrEnum):
    """Which values are better."""

    LOWER = "lower"  # a distance: its ratio to the floor is meaningful
    HIGHER = "higher"
    NONE = "none"  # as close as possible to what real images give


@dataclass(frozen=True)
class Score:
    """The value of one quantity.

    Args:
        value: the number.
        interval: 95 % interval, where the metric has one.
        details: plain data behind the number, for whoever looks closer.
    """

    value: float
    interval: tuple[float, float] | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, with None for a value that is undefined, and the reason among the details."""
        is_known = self.interval is not None and all(map(math.isfinite, self.interval))
        interval = list(self.interval) if self.interval is not None and is_known else None
        if not math.isfinite(self.value):
            return {"value": None, "interval": interval, "details": {**self.details, "reason": f"it is {self.value}"}}
        return {"value": self.value, "interval": interval, "details": self.details}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Score":
        """Rebuild a score from :meth:`to_dict`'s result."""
        value, interval = plain["value"], plain["interval"]
        return cls(math.nan if value is None else value, interval and (interval[0], interval[1]), plain["details"])


class Metric(Part, ABC):
    """What gives one or several quantities. Subclasses are frozen dataclasses of their parameters.

    Attributes:
        kind: of content that it is made for.
        requires: the ability that a model must offer.
        quantities: the names that it returns, and which values are better.
    """

    kind: ClassVar[type[Content]] = Content
    requires: ClassVar[type] = Samples
    quantities: ClassVar[dict[str, Direction]]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that its numbers depend on, as plain data."""
        return asdict(self)  # pyright: ignore[reportArgumentType, reportCallIssue]


class Comparison(Metric):
    """A comparison of a candidate set with a reference set, as one extractor sees them.

    Attributes:
        compares: which of a candidate's sets, by its name.
        against: the role of the real set that it is held against: ``reference``; ``heldout`` are the originals of a
            set that is paired with them.
        also: roles of the real sets that it looks at besides.
        stand_in: the role of the real set that takes the candidate's place for the floor; there is none if that is
            what is compared with.
        given: names of the conditions that each example must have been given; examples that stand in must have them.
        needs_logits: the extractor must be a classifier.
        needs_classes: the extractor must know the data's own classes.
        serves_pixels: it may be taken on pixels where no trained extractor applies.
        min_images: of each set.
    """

    compares: ClassVar[str] = "samples"
    against: ClassVar[str] = "reference"
    also: ClassVar[tuple[str, ...]] = ()
    stand_in: ClassVar[str] = "heldout"
    given: ClassVar[tuple[str, ...]] = ()
    needs_logits: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False
    serves_pixels: ClassVar[bool] = False
    min_images: ClassVar[int] = 20

    @abstractmethod
    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return a score for each of ``quantities``.

        Args:
            reference: the real pictures that it is held against.
            candidate: pictures to judge, seen by the same extractor.
            evidence: further sets, by role.
        """

    def why_not(self, extractor: FeatureExtractor, evidence: Evidence) -> str | None:
        """Return None if it can be computed, else the reason why not and what to do about it."""
        if reason := why_not(self, evidence.content) or extractor.why_not(evidence.content):
            return reason
        if not extractor.trained and not self.serves_pixels:
            return "pixels do not compare distributions; metrics=inception brings an extractor that does"
        if self.needs_classes and not extractor.classes:
            return "needs an extractor that knows the data's own classes"
        if self.needs_logits and not extractor.num_logits:
            return "needs an extractor that is a classifier"
        for name in self.given:
            if not evidence.given(self.compares, name):
                return f"the {self.compares} were not asked for a {name}; those of a model that is told one are"
        if "label" in self.given and evidence.classes != extractor.classes:
            return "the extractor's classes are not those of the data"
        if "train" in self.also and extractor.costly:
            return "the whole training split is too much for this extractor"
        if not all(map(evidence.has, (self.against, *self.also))):
            return "needs held-out images besides the reference; the final evaluation has them"
        if (num := evidence.num_smallest(self.compares)) < self.min_images:
            return f"{num} images are below the limit of {self.min_images}; give more images"
        return None

    def has_floor(self, evidence: Evidence) -> bool:
        """Return whether real examples can stand in for a candidate."""
        return self.against != self.stand_in and evidence.can_stand_in(self.stand_in, self.given)
