"""The same latents, drawn again and again while the model learns, beside real examples."""

from collections.abc import Callable

from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook
from genloom.limits import Count
from genloom.models.abilities import Samples
from genloom.models.generation import draw_examples


class SampleGrid(PictureLook):
    """Samples beside as many training examples, as their content is compared: pictures left and right, text above and
    below, columns of a table in the same panels.

    Args:
        num: examples on each side; None is what is enough to judge such content by.
        every_iterations: how often; None is the end only.
    """

    name = "samples"

    def __init__(self, *, num: Count | None = None, every_iterations: Count | None = 500) -> None:
        super().__init__(every_iterations=every_iterations)
        self.num = num

    def picture(self, model: Samples, data: Callable[[], InMemoryData]) -> Shown:
        """Draw from fixed latents."""
        content = model.spec.content
        num = self.num or content.seen_at_once
        samples = draw_examples(model, num, seed=model.seed).content
        return content.compared(samples, data().split("train")[slice(0, num)].content)
