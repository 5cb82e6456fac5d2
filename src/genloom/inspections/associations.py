"""How the columns of a table go together, in samples and in real rows."""

from collections.abc import Callable
from itertools import combinations

from jaxtyping import Float64
from torch import Tensor

from genloom import figures
from genloom.contents.shown import Shown
from genloom.contents.table import TableContent
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook
from genloom.limits import Count
from genloom.metrics.association import associations
from genloom.models.abilities import Samples
from genloom.models.generation import draw_examples

_PAIRS = 4  # that go together most in real rows
_POINTS = 500  # of each pair, at most


class Associations(PictureLook):
    """The association of each two columns in training rows, in samples, and the difference; and scattered cells of the
    columns of numbers or dates that go together most.

    Args:
        num: rows of each.
        every_iterations: how often; None is the end only.
    """

    name = "associations"
    kind = TableContent

    def __init__(self, *, num: Count = 2000, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        self.num = num

    def picture(self, model: Samples, data: Callable[[], InMemoryData]) -> Shown:
        """Draw from fixed latents."""
        content = TableContent.of(model.spec.content)
        real = data().split("train")[slice(0, self.num)].content
        samples = draw_examples(model, self.num, seed=model.seed).content
        of_real, of_samples = (associations(content.columns, rows) for rows in (real, samples))
        measured = [place for place, column in enumerate(content.columns) if column.is_measured]
        chosen = sorted(combinations(measured, 2), key=lambda pair: -abs(of_real[pair]))[:_PAIRS]
        few = min(len(real), len(samples), _POINTS)  # as many of either, or one would cover the other
        pairs = {
            (content.names[one], content.names[other]): {
                called: _cells(content, rows[:few], one, other)
                for called, rows in (("samples", samples), ("real", real))
            }
            for one, other in chosen
        }
        return figures.associations(content.names, of_real, of_samples, pairs)


def _cells(
    content: TableContent, rows: Float64[Tensor, "rows columns"], one: int, other: int
) -> tuple[figures.Cells, figures.Cells]:
    """Return the cells of two columns in the rows that have both."""
    both = rows[~rows[:, [one, other]].isnan().any(dim=1)]
    return content.columns[one].drawn(both[:, one]), content.columns[other].drawn(both[:, other])
