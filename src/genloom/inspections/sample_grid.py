"""The same latents, drawn again and again while the model learns, beside real examples."""

from collections.abc import Callable

from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.inspections.base import PictureLook
from genloom.limits import Count
from genloom.models.abilities import Samples
from genloom.models.generation import draw_examples


class SampleGrid(PictureLook):
    """Samples on the left, as many training examples on the right; of text, above and below.

    Args:
        num: examples on each side.
        every_iterations: how often; None is the end only.
    """

    name = "samples"

    def __init__(self, *, num: Count = 64, every_iterations: Count | None = 500) -> None:
        super().__init__(every_iterations=every_iterations)
        self.num = num

    def picture(self, model: Samples, data: Callable[[], InMemoryData]) -> Shown:
        """Draw from fixed latents."""
        content = model.spec.content
        samples = draw_examples(model, self.num, seed=model.seed).content
        real = data().split("train")[slice(0, self.num)].content
        return content.show(samples).beside(content.show(real))
