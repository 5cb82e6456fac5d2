"""Sets of pictures as extractors see them: each thing that a metric needs is computed once, and shared.

The real sets are named by their role: ``reference`` (what candidates are compared with), ``heldout`` (real pictures
that stand in for a candidate, which gives the floor) and ``train`` (all that the model may have copied).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

import torch
from jaxtyping import Int64
from torch import Tensor

from genloom.contents.base import Content
from genloom.examples import Examples
from genloom.extractors.features import FeatureExtractor, Features
from genloom.extractors.reference_cache import ReferenceCache, canonical_json, gathered


class View:
    """One set of pictures through one extractor.

    Args:
        images: the pictures.
        extractor: what looks at them.
        device: where it runs.
        cache: where derived things are kept; None for candidates, which are judged once.
    """

    def __init__(
        self,
        images: Examples,
        extractor: FeatureExtractor,
        *,
        device: torch.device | str = "cpu",
        cache: ReferenceCache | None = None,
    ) -> None:
        self.images = images
        self.extractor = extractor
        self._device = device
        self._cache = cache
        self._derived: dict[str, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def key(self) -> dict[str, object]:
        """All that the features depend on: the pixels in their order, the extractor, the kind of device."""
        return {
            "images": self.images.fingerprint,
            "num": len(self),
            "extractor": self.extractor.protocol,
            "device": torch.device(self._device).type,
        }

    def derived(
        self, name: str, compute: Callable[[], dict[str, Tensor]], **parameters: int | float | str
    ) -> dict[str, Tensor]:
        """Return what ``compute`` gives, computed once per ``name`` and ``parameters``.

        Args:
            name: what it is; unique among all that is derived from a view.
            compute: derives it from this view.
            **parameters: whatever else the result depends on.
        """
        memo = canonical_json([name, parameters])
        if memo not in self._derived:
            key = {"derived": name, "parameters": parameters}
            self._derived[memo] = compute() if self._cache is None else self._cache.tensors(key | self.key, compute)
        return self._derived[memo]

    @cached_property
    def features(self) -> Features:
        """Vectors and logits of all pictures."""

        def parts() -> Iterator[dict[str, Tensor]]:
            for pictures in self.images.parts(self.extractor.chunk_size):
                yield vars(self.extractor(pictures, device=self._device))

        if self._cache is None:
            return Features(**gathered(len(self), parts()))
        return Features(**self._cache.gathered({"derived": "features"} | self.key, len(self), parts))

    @property
    def labels(self) -> Int64[Tensor, " num"]:
        """Class of each example: real ones' own, generated ones' as asked."""
        if self.images.labels is None:
            raise ValueError("a metric that needs labels was given examples without")
        return self.images.labels

    @cached_property
    def predicted(self) -> Int64[Tensor, " num"]:
        """Predicted class of each picture; all zero if the extractor does not know the data's classes."""
        if not self.extractor.classes:
            return torch.zeros(len(self), dtype=torch.int64)
        return self.features.logits.argmax(dim=1)


class Evidence:
    """All sets of one evaluation.

    Args:
        content: what the pictures are.
        classes: what labels mean; None for unlabelled data.
        real: real sets by role; what is derived from them is kept in ``cache``.
        sets: what is judged: by the name of the set (``samples``, ``reconstructions`` …) and by candidate.
        cache: of what is derived from the real sets.
        device: where extractors run.
    """

    def __init__(
        self,
        content: Content,
        real: Mapping[str, Examples],
        sets: Mapping[str, Mapping[str, Examples]],
        *,
        classes: tuple[str, ...] | None = None,
        cache: ReferenceCache | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.content = content
        self.classes = classes
        self._real = real
        self._sets = sets
        self._cache = cache
        self._device = device
        self._views: dict[tuple[str, str, str], View] = {}

    def has(self, role: str) -> bool:
        """Return whether there is a real set of that role."""
        return role in self._real

    def given(self, kind: str, condition: str) -> bool:
        """Return whether each candidate's ``kind`` of set says what its examples were given by that name."""
        return all(condition in examples.given for examples in self._sets.get(kind, {}).values())

    def can_stand_in(self, role: str, conditions: Iterable[str]) -> bool:
        """Return whether a real set can take a candidate's place for a floor where such conditions are looked at."""
        return self.has("heldout") and all(name in self._real[role].given for name in conditions)

    def num_smallest(self, kind: str) -> int:
        """Return the size of the smallest set that is compared where candidates' ``kind`` of set is."""
        compared = [images for role, images in self._real.items() if role != "train"]
        return min(len(images) for images in (*compared, *self._sets.get(kind, {}).values()))

    def real(self, role: str, extractor: FeatureExtractor) -> View:
        """Return the view of a real set: ``reference``, ``heldout`` or ``train``."""
        return self._view(self._real, ("real", role), extractor, self._cache)

    def candidates(self, kind: str) -> list[str]:
        """Return the names of candidates that have such a set."""
        return list(self._sets.get(kind, ()))

    def candidate(self, name: str, extractor: FeatureExtractor, kind: str = "samples") -> View:
        """Return the view of a candidate's set."""
        return self._view(self._sets[kind], (f"candidate's {kind}", name), extractor)

    def _view(
        self,
        sets: Mapping[str, Examples],
        place: tuple[str, str],
        extractor: FeatureExtractor,
        cache: ReferenceCache | None = None,
    ) -> View:
        key = (*place, extractor.name)
        if key not in self._views:
            self._views[key] = View(sets[place[1]], extractor, device=self._device, cache=cache)
        return self._views[key]
