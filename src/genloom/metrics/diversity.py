"""How different the candidates are from each other: no target but the real images' own value, which is the floor."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from genloom import randomness
from genloom.contents.base import Content, why_not
from genloom.contents.image import ImageContent
from genloom.errors import ConfigError
from genloom.extractors.features import FeatureExtractor
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score
from genloom.limits import Count
from genloom.metrics.distances import mean_distance


@dataclass(frozen=True)
class FeatureDiversity(Comparison):
    """Mean feature distance of two pictures of one predicted class, classes weighted by their share.

    Without a classifier all pictures are one class.
    """

    quantities: ClassVar = {"diversity": Direction.NONE}
    serves_pixels: ClassVar[bool] = True

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``diversity``; the reference plays no part."""
        groups = [candidate.features.vectors[candidate.predicted == c] for c in candidate.predicted.unique()]
        groups = [group for group in groups if len(group) > 1]
        total = sum(len(group) for group in groups)
        return {"diversity": Score(sum(len(group) / total * mean_distance(group) for group in groups))}


@dataclass(frozen=True)
class StructuralSimilarity(Comparison):
    """Mean MS-SSIM of random pairs of one predicted class, as torchmetrics computes it: lower is more varied.

    Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, 2017.

    Args:
        num_pairs: pairs, drawn with a fixed key.
    """

    quantities: ClassVar = {"ms_ssim": Direction.NONE}
    serves_pixels: ClassVar[bool] = True
    kind: ClassVar[type[Content]] = ImageContent
    min_side: ClassVar[int] = 16 * 11  # pixels: five scales, each halved, with a window of 11

    num_pairs: Count = 1000

    def __post_init__(self) -> None:
        if self.num_pairs < 1:
            raise ConfigError(f"metrics.metrics.ms_ssim.num_pairs: {self.num_pairs} is below the limit of 1")

    def why_not(self, extractor: FeatureExtractor, evidence: Evidence) -> str | None:
        """Small pictures do not have five scales."""
        if reason := why_not(self, evidence.content):
            return reason
        content = ImageContent.of(evidence.content)
        side = min(content.height, content.width)
        if side < self.min_side:
            return f"five scales need pictures of at least {self.min_side} pixels, these have {side}; see diversity"
        return super().why_not(extractor, evidence)

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``ms_ssim``; the reference plays no part."""
        first, second = _pairs(candidate.predicted, self.num_pairs)
        content = candidate.images.content
        total = 0.0
        for i, j in zip(first.split(20), second.split(20), strict=True):
            pair = content[i].float(), content[j].float()
            similarity = multiscale_structural_similarity_index_measure(*pair, data_range=255.0, reduction="sum")
            total += float(similarity)
        return {"ms_ssim": Score(total / len(first))}


def _pairs(groups: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Draw ``num`` pairs of different members of one group: a random member, then a random other one of its group."""
    order = groups.argsort(stable=True)
    _, inverse, counts = groups.unique(return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts
    rng = randomness.generator("pairs of pictures")
    usable = (counts[inverse] > 1).nonzero().flatten()
    first = usable[torch.randint(len(usable), (num,), generator=rng)]
    position = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
    start, count = starts[inverse[first]], counts[inverse[first]]
    step = 1 + (torch.rand(num, generator=rng, dtype=torch.float64) * (count - 1)).long()
    return first, order[start + (position[first] - start + step) % count]
