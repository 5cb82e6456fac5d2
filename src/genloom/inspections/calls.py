"""What is gained by more calls of the network."""

from collections.abc import Callable, Sequence

from genloom import randomness
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import side_by_side
from genloom.inspections.denoising import DenoisingLook
from genloom.limits import Count
from genloom.models.abilities import Denoises
from genloom.samplers.dpm_solver import denoising_sampler_of

CALLS = (1, 2, 4, 8, 16, 32)


class CallsSweep(DenoisingLook):
    """A column is drawn in so many network calls by the model's sampler; a row is one noise.

    It costs as many calls as the columns have together, 63 unless said otherwise.

    Args:
        calls: of each column; a sampler that needs several for a step takes as many steps as they allow, at least one.
        num: rows; None is what is enough to judge such content by, an eighth of it.
        every_iterations: how often; None is the end only.
    """

    name = "calls"

    def __init__(
        self, *, calls: Sequence[Count] = CALLS, num: Count | None = None, every_iterations: Count | None = None
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        if not calls or min(calls) < 1:
            raise ValueError(f"calls: {list(calls)} is not at least one number from 1 on, as [1, 2, 4]")
        self.calls = calls
        self.num = num

    def picture(self, model: Denoises, data: Callable[[], InMemoryData]) -> Shown:
        """Draw from the same noise again and again."""
        num = self.num or max(1, model.spec.content.seen_at_once // 8)
        sampler = denoising_sampler_of(model)
        columns = []
        for calls in self.calls:
            rng = randomness.generator(model.seed, self.name)  # anew for each column: the same noise
            columns.append(sampler.within(calls).draw(model, num, rng=rng).content)
        return side_by_side(model, columns)
