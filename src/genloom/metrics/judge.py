"""The protocol of an evaluation: which pictures are compared with which, by what, and what real pictures score.

- Reference: up to ``num_samples`` images of one split, a fixed selection.
- Candidates: as many pictures as there are held-out images, up to ``num_samples``.
- Floor: the same comparison with that many held-out real images as the candidate.

It knows no model: a candidate is a function from a number to so many pictures. The same protocol serves a model's
averaged and raw weights, and a folder of someone else's samples.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from genloom import randomness
from genloom.data.base import ImageData, Images, Split
from genloom.errors import ConfigError, DataError
from genloom.metrics.evidence import Evidence
from genloom.metrics.features import FeatureExtractor
from genloom.metrics.metric import Metric, Score
from genloom.metrics.reference_cache import ReferenceCache, library_versions
from genloom.metrics.verdict import NotApplicable, Row, Verdict
from genloom.spec import ImageContent

FEW_IMAGES = 5000  # below this the bias of the Fréchet distance outweighs it

Draw = Callable[[int], UInt8[Tensor, "num channels height width"]]

__all__ = ["Draw", "Judge", "Verdict"]


class Judge:
    """A suite of metrics and the extractors that they look through.

    Args:
        extractors: by name; untrained ones stand in where no trained one can look.
        metrics: by name; in the order of the table.
        num_samples: pictures on each side, at most.
        cache_dir: where reference statistics are kept; None is ``GENLOOM_CACHE``, or else the user's cache folder.
    """

    def __init__(
        self,
        extractors: Mapping[str, FeatureExtractor],
        metrics: Mapping[str, Metric],
        num_samples: int = 10_000,
        cache_dir: str | Path | None = None,
    ) -> None:
        if num_samples < 2:
            raise ConfigError(f"metrics.num_samples: {num_samples} is below the limit of 2")
        self.extractors = list(extractors.values())
        self.metrics = list(metrics.values())
        self.num_samples = num_samples
        self.cache = ReferenceCache(cache_dir)

    def prepare(self, content: ImageContent) -> None:
        """Fetch the weights of every extractor that serves ``content``, so that what is missing shows before training.

        Raises:
            CheckpointError: if weights are missing, damaged or cannot be downloaded.
        """
        for extractor in self.extractors:
            if extractor.applies_to(content) is None:
                assert extractor.weights_sha256

    def judge(
        self,
        data: ImageData,
        candidates: Mapping[str, Draw],
        *,
        reference_split: Split = "train",
        heldout_split: Split | None = "test",
        num_samples: int | None = None,
        device: torch.device | str = "cpu",
    ) -> Verdict:
        """Compare every candidate with the data. No global random state changes.

        Args:
            data: the real images.
            candidates: functions that draw pictures; one that holds
                fewer or more than asked for returns what it has, and a fixed random selection is judged.
            reference_split: what candidates are compared with.
            heldout_split: what gives the floor; None for a quick check, which has none.
            num_samples: pictures on each side, at most; None is the suite's own number.
            device: where extractors run.

        Raises:
            DataError: if a candidate's pictures are not of the data's shape.
            CheckpointError: if an extractor's weights are missing or damaged.
        """
        if not candidates:
            raise ConfigError("there are no pictures to judge; give at least one candidate")
        with randomness.untouched(), torch.no_grad():
            num = num_samples or self.num_samples
            content = data.describe().content
            reference = selection(data, reference_split, num)
            wanted = min(num, len(data.split(heldout_split or reference_split)))
            drawn = {name: _draw(name, draw, wanted, content) for name, draw in candidates.items()}
            num_fake = min(wanted, *(len(images) for images in drawn.values()))
            real = {"train": data.split("train"), "reference": reference}
            if heldout_split is not None:
                real["heldout"] = selection(data, heldout_split, num_fake)
            generated = {name: _shuffled(images, "candidate")[:num_fake] for name, images in drawn.items()}
            evidence = Evidence(content, real, generated, cache=self.cache, device=device)
            protocol = {
                "data": {"name": data.name, "fingerprint": data.fingerprint, "content": vars(content).copy()},
                "reference": {"split": reference_split, "fingerprint": reference.fingerprint},
                "heldout": heldout_split and {"split": heldout_split, "fingerprint": real["heldout"].fingerprint},
                "n_reference": len(reference),
                "n_fake": num_fake,
                "device": torch.device(device).type,
                "versions": library_versions(),
            }
            return self._compare(evidence, list(candidates), protocol, wanted)

    def _compare(self, evidence: Evidence, names: list[str], protocol: dict[str, Any], wanted: int) -> Verdict:
        rows: list[Row] = []
        missing: list[NotApplicable] = []
        used: dict[str, FeatureExtractor] = {}
        headlines: dict[str, str] = {}
        for metric in self.metrics:
            chosen, refused = self._extractors_for(metric, evidence)
            missing += refused
            for extractor in chosen:
                used[extractor.name] = extractor
                scores, floor = self._scores(metric, extractor, evidence, names)
                for quantity, direction in metric.quantities.items():
                    label = extractor.label(quantity)
                    headlines.setdefault(quantity, label)
                    by_candidate = {name: scores[name][quantity] for name in names}
                    rows.append(Row(label, direction, by_candidate, floor[quantity] if floor else None))
        smallest = min(protocol["n_reference"], protocol["n_fake"])
        headline = headlines.get("kd" if smallest < FEW_IMAGES else "fd")
        warnings = [extractor.caution for extractor in used.values() if extractor.caution]
        if smallest < FEW_IMAGES and headline:
            warnings.append(
                f"{protocol['n_reference']:,} real and {protocol['n_fake']:,} judged images, below the {FEW_IMAGES:,} "
                f"from which a Fréchet distance is steady: read {headline} first"
            )
        if protocol["n_fake"] < wanted:
            warnings.append(f"{protocol['n_fake']:,} pictures were there to judge; the protocol asks for {wanted:,}")
        protocol |= {
            "extractors": {name: extractor.protocol for name, extractor in used.items()},
            "metrics": {type(metric).__name__: metric.parameters for metric in self.metrics},
        }
        return Verdict(rows, protocol, missing, warnings, headline)

    def _extractors_for(self, metric: Metric, evidence: Evidence) -> tuple[list[FeatureExtractor], list[NotApplicable]]:
        """Return who can look for ``metric``; if there is nobody, why not. Untrained extractors only stand in."""
        reasons = {extractor: metric.applies(extractor, evidence) for extractor in self.extractors}
        able = [extractor for extractor, reason in reasons.items() if reason is None]
        if able:
            return [extractor for extractor in able if extractor.trained] or able[:1], []
        if len(set(reasons.values())) == 1:  # it is not about the extractor
            return [], [NotApplicable(quantity, str(*set(reasons.values()))) for quantity in metric.quantities]
        trained = [extractor for extractor in self.extractors if extractor.trained] or self.extractors
        return [], [
            NotApplicable(extractor.label(quantity), str(reasons[extractor]))
            for extractor in trained
            for quantity in metric.quantities
        ]

    def _scores(
        self, metric: Metric, extractor: FeatureExtractor, evidence: Evidence, names: list[str]
    ) -> tuple[dict[str, dict[str, Score]], dict[str, Score] | None]:
        reference = evidence.real("reference", extractor)
        scores = {name: metric.compare(reference, evidence.generated(name, extractor), evidence) for name in names}
        if not evidence.has_heldout:
            return scores, None
        heldout, train = (evidence.real(role, extractor) for role in ("heldout", "train"))
        key = {
            "floor": type(metric).__name__,
            "parameters": metric.parameters,
            "reference": reference.key,
            "heldout": heldout.key,
            "train": train.images.fingerprint,
        }
        floor = self.cache.plain(
            key,
            lambda: {name: score.to_dict() for name, score in metric.compare(reference, heldout, evidence).items()},
        )
        return scores, {name: Score.from_dict(plain) for name, plain in floor.items()}


def selection(data: ImageData, split: Split, num: int) -> Images:
    """Return up to ``num`` images of a split, those of every protocol: a fixed random choice in a fixed order."""
    return _shuffled(data.split(split), split)[:num]


def _shuffled(images: Images, name: str) -> Images:
    return images[randomness.permutation(len(images), "judged images", name)]


def _draw(name: str, draw: Draw, num: int, content: ImageContent) -> Images:
    pictures = draw(num)
    if pictures.dtype != torch.uint8 or pictures.ndim != 4:
        raise DataError(
            f"{name}: {pictures.dtype} of {tuple(pictures.shape)} are no pictures; "
            "give uint8 of (num, channels, height, width)"
        )
    if tuple(pictures.shape[1:]) != content.shape:
        raise DataError(
            f"{name}: pictures of {_shape(pictures.shape[1:])} cannot be judged against data of "
            f"{_shape(content.shape)} (channels x height x width); set data.size and data.channels to theirs"
        )
    if len(pictures) < 2:
        raise DataError(f"{name}: {len(pictures)} pictures are below the limit of 2; give more")
    return Images(pictures.cpu())


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape)
