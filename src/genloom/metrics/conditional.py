"""Whether samples are what they were asked to be, and as varied; what a learned code means; how many modes appear."""

from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from genloom.intervals import NUM_BLOCKS, jackknife
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.limits import Ge
from genloom.metrics.frechet import distance, distances_without_blocks, moments


@dataclass(frozen=True)
class AskedClass(Comparison):
    """Share of samples that the classifier takes for the class that was asked for; real images have their labels."""

    quantities: ClassVar = {"as_asked": Direction.HIGHER}
    needs_classes: ClassVar[bool] = True
    given: ClassVar[tuple[str, ...]] = ("label",)

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``as_asked``, with the share per class as details; the reference plays no part."""
        labels = candidate.labels
        right = (candidate.predicted == labels).double()
        names = candidate.extractor.classes
        shares = {name: right[labels == i].mean().item() for i, name in enumerate(names) if (labels == i).any()}
        return {"as_asked": Score(right.mean().item(), details={"by_class": shares})}


@dataclass(frozen=True)
class FrechetWithinClass(Comparison):
    """Fréchet distance between the samples of a class and its real images, averaged over the classes.

    The number of images per class is a tenth of all for ten classes, so the bias is larger: compare with the floor.

    Args:
        min_per_class: images of a class on each side below which it is left out; details list those.
    """

    quantities: ClassVar = {"fd_within_class": Direction.LOWER}
    needs_classes: ClassVar[bool] = True
    given: ClassVar[tuple[str, ...]] = ("label",)

    min_per_class: Annotated[int, Ge(3)] = 20

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``fd_within_class``, with the distance per class as details."""
        distances: dict[str, float] = {}
        without: list[list[float]] = []
        num_blocks = min(NUM_BLOCKS, self.min_per_class)
        left_out: list[str] = []
        for index, name in enumerate(reference.extractor.classes):
            real, ours = (view.features.vectors[view.labels == index] for view in (reference, candidate))
            if min(len(real), len(ours)) < self.min_per_class:
                left_out.append(name)
            else:
                first, second = moments(real), moments(ours)
                distances[name] = distance(first, second)
                without.append(distances_without_blocks(real, ours, first, second, num_blocks))
        details = {"by_class": distances, "left_out": left_out}
        if not distances:
            return {"fd_within_class": Score(float("nan"), details=details)}
        mean, means = fmean(distances.values()), [fmean(each) for each in zip(*without, strict=True)]
        return {"fd_within_class": Score(mean, jackknife(mean, means, is_square=True), details)}


@dataclass(frozen=True)
class CodeMeaning(Comparison):
    """Mutual information between the generator's categorical code and the class that the classifier sees, in nats.

    I(c; y) = Σ p(c, y) log (p(c, y) / (p(c) p(y))) of the observed frequencies; its bias is at most
    (codes − 1)(classes − 1)/(2 N) nats. At most log of the number of codes.
    """

    quantities: ClassVar = {"code_information": Direction.HIGHER}
    needs_classes: ClassVar[bool] = True
    given: ClassVar[tuple[str, ...]] = ("code",)

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``code_information``, with the table of counts as details; the reference plays no part."""
        codes = candidate.images.codes
        assert codes is not None  # why_not() has seen to it
        num_codes, num_classes = int(codes.max()) + 1, len(candidate.extractor.classes)
        flat = torch.bincount(codes * num_classes + candidate.predicted, minlength=num_codes * num_classes)
        counts = flat.view(num_codes, num_classes)
        details = {"counts": counts.tolist(), "classes": list(candidate.extractor.classes)}
        return {"code_information": Score(mutual_information(counts), details=details)}


def mutual_information(counts: Int[Tensor, "first second"]) -> float:
    """Return the mutual information of two variables, in nats, from the table of their joint counts."""
    joint: Float64[Tensor, "first second"] = counts.double() / counts.sum()
    entropies = [torch.special.entr(p).sum() for p in (joint.sum(0), joint.sum(1), joint)]
    return (entropies[0] + entropies[1] - entropies[2]).item()


@dataclass(frozen=True)
class Modes(Comparison):
    """How many of the classes appear among the samples, and how evenly.

    ``modes`` counts the classes that at least one sample is taken for; ``mode_kl`` is KL(samples ‖ reference) of the
    predicted classes' frequencies, in nats. Metz et al., Unrolled GANs, 2017, section 3.3.1, for stacked digits.
    """

    quantities: ClassVar = {"modes": Direction.HIGHER, "mode_kl": Direction.LOWER}
    needs_classes: ClassVar[bool] = True

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return both; classes that the reference lacks are given half a count there."""
        num = len(reference.extractor.classes)
        real, ours = (
            torch.stack([torch.bincount(part, minlength=num) for part in view.predicted.tensor_split(NUM_BLOCKS)])
            for view in (reference, candidate)
        )
        divergence = mode_divergence(real.sum(0), ours.sum(0))
        without = [mode_divergence(real.sum(0) - a, ours.sum(0) - b) for a, b in zip(real, ours, strict=True)]
        modes = int((ours.sum(0) > 0).sum())
        return {
            "modes": Score(modes, details={"of": num}),
            "mode_kl": Score(divergence, jackknife(divergence, without, is_square=True)),
        }


def mode_divergence(reference: Int[Tensor, " classes"], candidate: Int[Tensor, " classes"]) -> float:
    """Return KL(candidate ‖ reference) of the frequencies behind two sets of counts, in nats."""
    q = reference.double().clamp_min(0.5) / reference.double().clamp_min(0.5).sum()
    p = candidate.double() / candidate.sum()
    return torch.special.xlogy(p, p / q).sum().item()
