"""Whether samples are copies: each beside the training images that are most like it."""

from collections.abc import Callable

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from genloom.contents.base import Content
from genloom.contents.image import ImageContent
from genloom.contents.shown import Shown, grid
from genloom.data.base import InMemoryData
from genloom.extractors.features import FeatureExtractor
from genloom.inspections.base import PictureLook
from genloom.judging.evidence import View
from genloom.judging.judge import Judge
from genloom.limits import Count
from genloom.metrics.distances import smallest, squared_distances
from genloom.models.abilities import Samples
from genloom.models.generation import draw_examples


class Neighbours(PictureLook):
    """Samples on the left; on the right, in the same row, the training images nearest to each, the nearest first.

    Args:
        judge: its first trained extractor that can look at all training images decides what is near, pixels where
            there is none; its cache keeps what the extractor saw.
        num: samples, one a row.
        k: neighbours of each, at most.
        every_iterations: how often; None is the end only.
    """

    name = "neighbours"
    kind = ImageContent

    def __init__(self, judge: Judge, *, num: Count = 8, k: Count = 3, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        for name, value in (("num", num), ("k", k)):
            if value < 1:
                raise ValueError(f"{name}: {value} is below the limit of 1")
        self.judge = judge
        self.num = num
        self.k = k

    def why_not(self, content: Content) -> str | None:
        """Return why the training examples can't be looked up, if so."""
        if reason := super().why_not(content):
            return reason
        if not self._extractors(content):
            return "no extractor of metrics.extractors can look at all training images; metrics=images has one that can"
        return None

    def _extractors(self, content: Content) -> list[FeatureExtractor]:
        able = [each for each in self.judge.extractors if each.why_not(content) is None and not each.costly]
        return sorted(able, key=lambda each: not each.trained)

    def picture(self, model: Samples, data: Callable[[], InMemoryData]) -> Shown:
        """Look the samples up among the training images."""
        extractor = self._extractors(model.spec.content)[0]
        samples, real = draw_examples(model, self.num, seed=model.seed), data().split("train")
        seen = View(samples, extractor, device=model.device).features.vectors
        known = View(real, extractor, device=model.device, cache=self.judge.cache).features.vectors
        index = nearest(seen, known, min(self.k, len(real)))
        return grid(samples.content, columns=1).beside(grid(real[index.flatten()].content, columns=index.shape[1]))


def nearest(
    queries: Float32[Tensor, "queries features"], points: Float32[Tensor, "points features"], num: int
) -> Int64[Tensor, "queries num"]:
    """Return the positions of the ``num`` points nearest to each query, the nearest first."""
    firsts = range(0, len(points), _POINTS)  # a part at a time, since points may be more than memory holds
    parts = [points[first : first + _POINTS] for first in firsts]
    found = [
        torch.cat([smallest(chunk.squared, min(num, len(part))) for chunk in squared_distances(queries, part)]) + first
        for first, part in zip(firsts, parts, strict=True)
    ]
    able = torch.cat(found, dim=1)
    distance = (points[able] - queries.unsqueeze(1)).norm(dim=2)
    return able.gather(1, distance.topk(num, largest=False).indices)


_POINTS = 8192  # that are searched at a time
