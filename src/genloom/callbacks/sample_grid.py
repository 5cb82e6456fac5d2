"""The same latents, drawn again and again while the model learns, beside real images."""

from pytorch_lightning import Trainer

from genloom import render
from genloom.callbacks.base import Look, show
from genloom.families.base import Family
from genloom.families.pictures import draw_pictures


class SampleGrid(Look):
    """Samples on the left, as many training images on the right.

    Args:
        num: images on each side.
        every_iterations: how often; None is the end only.
    """

    def __init__(self, *, num: int = 64, every_iterations: int | None = 500) -> None:
        super().__init__(every_iterations=every_iterations)
        self.num = num

    def look(self, trainer: Trainer, model: Family) -> None:
        """Draw from fixed latents."""
        samples = draw_pictures(model, self.num, seed=model.seed)
        real = trainer.datamodule.split("train").content[: self.num]  # pyright: ignore[reportAttributeAccessIssue]
        show(trainer, "samples", render.beside(render.grid(samples), render.grid(real)))
