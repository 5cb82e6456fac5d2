"""The protocol of an evaluation: which pictures are compared with which, by what, and what real pictures score.

- Reference: up to ``num_samples`` images of one split, a fixed selection.
- Candidates: as many pictures as there are held-out images, up to ``num_samples``.
- Floor: the same comparison with that many held-out real images as the candidate.
- What is used in the place of the reference (to train a classifier, say) is as large as it; its floor is the reference.
- By the published protocol: ``num_samples`` candidates against the whole training set; there is no floor, which would
  need as many held-out images.

A candidate draws pictures and may be a model with one of its weight sets. The same comparison serves both weight sets
and a folder of someone else's samples; what only a model can be asked is measured on held-out examples.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from genloom import randomness
from genloom.contents.base import Content, why_not
from genloom.data.base import InMemoryData, Split
from genloom.errors import ConfigError, DataError
from genloom.examples import Examples
from genloom.extractors.features import FeatureExtractor
from genloom.extractors.reference_cache import ReferenceCache, library_versions
from genloom.extractors.trained import TrainedExtractor
from genloom.judging.candidate import Candidate, Paired, Unpaired
from genloom.judging.comparing import compare
from genloom.judging.evidence import Evidence
from genloom.judging.measuring import Held, Measurement, measure
from genloom.judging.metric import Comparison, Metric
from genloom.judging.protocol import Protocol
from genloom.judging.verdict import Verdict
from genloom.limits import Count
from genloom.models.abilities import Forecasts, Samples
from genloom.part import Part
from genloom.samplers.plain import Plain

PUBLISHED_SAMPLES = 50_000
_BY_SAMPLER = frozenset({Samples, Forecasts})  # what a model is asked by way of its sampler

__all__ = ["Candidate", "Judge", "Verdict"]


class Judge(Part):
    """A suite of metrics and the extractors that they look through.

    Args:
        extractors: by name; untrained ones stand in where no trained one can look.
        metrics: by name; in the order of the table.
        num_samples: pictures on each side, at most.
        whole_training_set: compare with all images that others train on, those set aside for validation included, and
            draw ``num_samples`` however many are held out; with fewer than 50,000, which is a check and no published
            protocol, the reference is no larger than that either.
        cache_dir: where reference statistics are kept; None is ``GENLOOM_CACHE``, or else the user's cache folder.
        extractor: a file of ``genloom extractor``, which looks first; those that give way to a user's own are left
            out, so the same quantity does not stand there twice.

    Raises:
        CheckpointError: ``extractor`` is missing, damaged or no such file.
    """

    def __init__(
        self,
        extractors: Mapping[str, FeatureExtractor],
        metrics: Mapping[str, Metric],
        num_samples: Count = 10_000,
        whole_training_set: bool = False,
        cache_dir: str | Path | None = None,
        extractor: str | Path | None = None,
    ) -> None:
        if num_samples < 2:
            raise ConfigError(f"metrics.num_samples: {num_samples} is below the limit of 2")
        self.own = None if extractor is None else TrainedExtractor(extractor)
        self.extractors = list(extractors.values())
        if self.own is not None:
            self.extractors = [self.own, *(other for other in self.extractors if not other.gives_way)]
        names = [extractor.name for extractor in self.extractors]
        if twice := {name for name in names if names.count(name) > 1}:  # views and files are told apart by name
            raise ConfigError(f"metrics.extractors: two are called {twice.pop()}; train yours with another name=…")
        self.metrics = list(metrics.values())
        self.num_samples = num_samples
        self.whole_training_set = whole_training_set
        self.cache = ReferenceCache(cache_dir)

    def prepare(self, content: Content) -> None:
        """Fetch the weights of every extractor that serves ``content``, so that what is missing shows before training.

        Raises:
            CheckpointError: if weights are missing, damaged or cannot be downloaded.
            ConfigError: if the user's own extractor was made for other pictures.
        """
        self._check_own(content)
        for extractor in self.extractors:
            if extractor.why_not(content) is None:
                assert extractor.weights_sha256

    def _check_own(self, content: Content) -> None:
        if self.own is not None and (reason := self.own.why_not(content)):
            raise ConfigError(f"metrics.extractor: {self.own.path}: {reason}")

    def judge(
        self,
        data: InMemoryData,
        candidates: Mapping[str, Candidate],
        *,
        reference_split: Split = "train",
        heldout_split: Split | None = "test",
        num_samples: int | None = None,
        device: torch.device | str = "cpu",
        progress_bar: bool = False,
    ) -> Verdict:
        """Compare every candidate with the data, and measure models. No global random state changes.

        Args:
            data: the real images.
            candidates: by name; of samples that are fewer or more than asked for, a fixed random selection is judged.
            reference_split: what candidates are compared with.
            heldout_split: what gives the floor; None for a quick check, which has none.
            num_samples: pictures on each side, at most; None is the suite's own number.
            device: where extractors run.
            progress_bar: show one where a measurement takes long.

        Raises:
            DataError: if a candidate's pictures are not of the data's shape.
            CheckpointError: if an extractor's weights are missing or damaged.
            ConfigError: if the user's own extractor was made for other pictures.
        """
        if not candidates:
            raise ConfigError("there are no pictures to judge; give at least one candidate")
        with randomness.untouched(), torch.no_grad():
            num = num_samples or self.num_samples
            content = data.describe().content
            self._check_own(content)
            comparisons = [metric for metric in self.metrics if isinstance(metric, Comparison)]
            # nothing is drawn where nobody would look at it
            compares = bool(comparisons) and any(each.why_not(content) is None for each in self.extractors)
            shown = candidates if compares else {}
            whole = self.whole_training_set and heldout_split is not None  # a quick check is not by the full protocol
            floor_split = None if whole else heldout_split
            at_most = num if whole else min(num, len(data.split(heldout_split or reference_split)))
            wanted = at_most if compares else 0
            real: dict[str, Examples] = {}
            if compares:
                num_reference = None if whole and num >= PUBLISHED_SAMPLES else num
                reference = data.whole_training_set() if whole else data.split(reference_split)
                real = {
                    "train": data.split("train"),
                    "reference": _chosen(reference, reference_split, num_reference),
                }
            sizes = {"heldout": wanted, "reference": len(real.get("reference", ()))}
            roles = {*real, *(() if floor_split is None else ("heldout",))}
            asked = {
                metric.compares
                for metric in comparisons
                if roles.issuperset((metric.against, *metric.also)) and why_not(metric, content) is None
            }
            drawn = {
                like: {
                    (kind, name): _draw(name, made, size, content)
                    for name, each in shown.items()
                    for kind, made in each.sets.items()
                    if isinstance(made, Unpaired) and made.like == like and kind in asked
                }
                for like, size in sizes.items()
            }
            found = {
                like: min(sizes[like], *map(len, images.values())) if images else 0 for like, images in drawn.items()
            }
            num_fake = found["heldout"]
            if compares and floor_split is not None:
                real["heldout"] = selection(data, floor_split, num_fake or wanted)
            sets: dict[str, dict[str, Examples]] = {}
            for like, images in drawn.items():
                for (kind, name), each in images.items():
                    sets.setdefault(kind, {})[name] = _chosen(each, "candidate", found[like])
            labels = data.describe().labels
            classes = labels.classes if labels is not None else None
            split = heldout_split or reference_split
            held = Held(
                split,
                _chosen(data.modelled(split), split, num),
                lambda: data.modelled("train"),
                self.cache,
                progress_bar=progress_bar,
            )
            for name, each in shown.items() if floor_split is not None else ():
                for kind, made in each.sets.items():
                    if isinstance(made, Paired) and kind in asked:
                        sets.setdefault(kind, {})[name] = made.make(held.examples[: num_fake or wanted])
            evidence = Evidence(content, real, sets, classes=classes, cache=self.cache, device=device)
            protocol = Protocol(
                data={"name": data.name, "fingerprint": data.fingerprint, "content": content.facts()},
                reference=_named("whole training" if whole else reference_split, real.get("reference")),
                heldout=_named(floor_split, real.get("heldout")),
                n_reference=len(real.get("reference", ())),
                n_fake=num_fake,
                sampler=_sampler(candidates) if self._draws(num_fake) else None,
                device=torch.device(device).type,
                versions=library_versions(),
                metrics={type(metric).__name__: metric.parameters for metric in comparisons},
                n_substitutes=found["reference"],
            )
            extractors = [extractor.for_data(data) for extractor in self.extractors]
            compared = compare(comparisons, extractors, evidence, protocol, wanted=wanted, cache=self.cache)
            measurements = [metric for metric in self.metrics if isinstance(metric, Measurement)]
            if heldout_split is None:
                measurements = [metric.quick() for metric in measurements]
            models = {name: each for name, each in candidates.items() if each.model is not None}
            if not measurements or not models:
                return compared
            return compared.joined(measure(measurements, models, content, held, compared.protocol))

    def _draws(self, num_fake: int) -> bool:
        """Whether any number is of what models draw: of samples that are compared, or that a measurement asks for."""
        measured = (metric for metric in self.metrics if isinstance(metric, Measurement))
        return num_fake > 0 or any(metric.requires in _BY_SAMPLER for metric in measured)


def selection(data: InMemoryData, split: Split, num: int) -> Examples:
    """Return up to ``num`` images of a split, those of every protocol: a fixed random choice in a fixed order."""
    return _chosen(data.split(split), split, num)


def _chosen(images: Examples, name: str, num: int | None) -> Examples:
    return images[randomness.permutation(len(images), "judged images", name)[:num]]


def _draw(name: str, made: Unpaired, num: int, content: Content) -> Examples:
    examples = made.make(num)
    content.check(examples.content, name)
    if len(examples) < 2:
        raise DataError(f"{name}: {len(examples)} examples are below the limit of 2; give more")
    return examples


def _sampler(candidates: Mapping[str, Candidate]) -> dict[str, Any] | None:
    """Return how the models among the candidates are drawn from; None if none of them is.

    Raises:
        ConfigError: they are drawn from in different ways, and so would not compare.
    """
    models = [each.model for each in candidates.values() if each.model and _BY_SAMPLER & each.model.abilities]
    found = [(model.sampler or Plain()).protocol for model in models]
    if any(each != found[0] for each in found):
        raise ConfigError("sampler: the candidates are drawn from in different ways; judge each by itself")
    return found[0] if found else None


def _named(split: str | None, examples: Examples | None) -> dict[str, Any] | None:
    return None if examples is None else {"split": split, "fingerprint": examples.fingerprint}
