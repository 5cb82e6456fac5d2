"""How variety is given up for what is asked."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from genloom import randomness
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import side_by_side
from genloom.inspections.denoising import DenoisingLook
from genloom.limits import Count, NonNegative
from genloom.models.abilities import Denoises, Model, checked
from genloom.samplers.dpm_solver import denoising_sampler_of


class GuidanceSweep(DenoisingLook):
    """A column has a guidance; a row is one noise and what its samples are given, the same in each column.

    Args:
        guidances: of the columns; 0 is what the model says when told nothing, 1 what it says when told.
        num: rows; None is what is enough to judge such content by, an eighth of it.
        every_iterations: how often; None is the end only.
    """

    name = "guidance"

    def __init__(
        self,
        *,
        guidances: Sequence[NonNegative] = (0, 1, 2, 4, 8),
        num: Count | None = None,
        every_iterations: Count | None = None,
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        if not guidances or min(guidances) < 0:
            raise ValueError(f"guidances: {list(guidances)} is not at least one number from 0 on, as [0, 1, 2]")
        self.guidances = guidances
        self.num = num

    def check(self, model: Model) -> None:
        """Refuse also a model that can't be guided."""
        super().check(model)
        able = checked("it", Denoises, model)
        for guidance in self.guidances:
            replace(denoising_sampler_of(able), guidance=guidance).denoiser(able)

    def picture(self, model: Denoises, data: Callable[[], InMemoryData]) -> Shown:
        """Draw from the same noise under each guidance."""
        num = self.num or max(1, model.spec.content.seen_at_once // 8)
        sampler = denoising_sampler_of(model)
        columns = []
        for guidance in self.guidances:
            rng = randomness.generator(model.seed, self.name)  # anew for each column: the same noise
            columns.append(replace(sampler, guidance=guidance).draw(model, num, rng=rng).content)
        return side_by_side(model, columns)
