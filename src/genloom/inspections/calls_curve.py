"""How near samples come to the data, by what they cost."""

import copy
from collections.abc import Callable, Sequence

from genloom import figures
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.errors import CapabilityError
from genloom.inspections.calls import CALLS
from genloom.inspections.denoising import DenoisingLook
from genloom.judging.candidate import candidates_of
from genloom.judging.judge import Judge
from genloom.judging.metric import Metric
from genloom.judging.verdict import Row
from genloom.limits import Count
from genloom.metrics.frechet import FrechetDistance
from genloom.models.abilities import Denoises
from genloom.samplers.dpm_solver import denoising_sampler_of
from genloom.samplers.fitting import give


class CallsCurve(DenoisingLook):
    """The Fréchet distance of samples to the training examples by the network calls that each took, beside that of as
    many held-out ones; the model's sampler draws.

    It costs the calls together for each sample: 63,000 network calls unless said otherwise.

    Args:
        judge: whose first extractor that can tell looks.
        calls: see :class:`~genloom.inspections.calls.CallsSweep`.
        num: samples, at most; there are as many as held-out examples.
        every_iterations: how often; None is the end only.
    """

    name = "calls_curve"

    def __init__(
        self, judge: Judge, *, calls: Sequence[Count] = CALLS, num: Count = 1000, every_iterations: Count | None = None
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        if not calls or min(calls) < 1:
            raise ValueError(f"calls: {list(calls)} is not at least one number from 1 on, as [1, 2, 4]")
        if num < 2:
            raise ValueError(f"num: {num} is below the limit of 2")
        only: list[Metric] = [FrechetDistance()]
        self.judge = copy.copy(judge)
        self.judge.metrics = only
        self.calls = calls
        self.num = num

    def picture(self, model: Denoises, data: Callable[[], InMemoryData]) -> Shown:
        """Draw and judge."""
        found = {}  # by what was really called
        for calls in self.calls:
            sampler = denoising_sampler_of(model).within(calls)
            drawing = model.using(model.weights)
            give(drawing, sampler)
            found[sampler.network_calls] = self._judged(drawing, data())
        points = [(calls, row.scores[model.weights].value) for calls, row in found.items()]
        row = next(iter(found.values()))
        floor = None if row.floor is None else ("held-out examples", row.floor.value)
        name = type(denoising_sampler_of(model)).__name__
        return figures.trends({name: points}, xlabel="network calls per sample", ylabel=row.metric, floor=floor)

    def _judged(self, model: Denoises, data: InMemoryData) -> Row:
        candidates = candidates_of(model, [model.weights], seed=model.seed, examples=lambda: data.split("val"))
        verdict = self.judge.judge(data, candidates, num_samples=self.num, device=model.device)
        if not verdict.rows:
            raise CapabilityError(
                "no extractor of metrics.extractors can tell a distance; genloom extractor makes one for your pictures"
            )
        return verdict.rows[0]
