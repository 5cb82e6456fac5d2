"""What each unit of a latent stands for."""

from collections.abc import Callable

import torch

from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook, arranged
from genloom.limits import Count, Positive
from genloom.models.abilities import Encodes


class Traversal(PictureLook):
    """One unit a row, the most active first, moved through the range that real examples give it; the rest stays.

    A unit's activity is the variance of its posterior mean over real examples; Burda et al., Importance Weighted
    Autoencoders, 2016, section 5. A walk starts from a real example's latent.

    Args:
        rows: units.
        steps: examples per unit.
        limit: standard deviations of the unit to each side of its mean.
        num_examples: by which activity is measured.
        every_iterations: how often; None is the end only.
    """

    name = "traversal"
    requires = Encodes

    def __init__(
        self,
        *,
        rows: Count = 10,
        steps: Count = 10,
        limit: Positive = 2.5,
        num_examples: Count = 500,
        every_iterations: Count | None = None,
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        for name, value in (("rows", rows), ("steps", steps), ("num_examples", num_examples)):
            if value < 1:
                raise ValueError(f"{name}: {value} is below the limit of 1")
        self.rows = rows
        self.steps = steps
        self.limit = limit
        self.num_examples = num_examples

    def picture(self, model: Encodes, data: Callable[[], InMemoryData]) -> Shown:
        """Move the most active units of the first latent."""
        real = data().modelled("val")[slice(0, self.num_examples)]
        batch = next(model.spec.batches(real, len(real)))
        latent = model.encode(batch)
        name, codes = next(iter(latent.items()))
        mean, deviation = codes.mean(0), codes.std(0)
        units = deviation.argsort(descending=True)[: self.rows]
        start = {
            key: value[:1].repeat(len(units) * self.steps, *[1] * (value.ndim - 1)) for key, value in latent.items()
        }
        offsets = torch.linspace(-self.limit, self.limit, self.steps, device=codes.device)
        row = torch.arange(len(units) * self.steps, device=codes.device)
        moved = units.repeat_interleave(self.steps)
        start[name][row, moved] = mean[moved] + offsets.repeat(len(units)) * deviation[moved]
        given = batch.given.map(lambda values: values[:1].expand(len(row), *values.shape[1:]).to(codes.device))
        content = model.decode(start, given).content
        return arranged(model, content, columns=self.steps)
