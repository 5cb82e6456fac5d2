"""What a model understands by each class."""

from collections.abc import Callable, Sequence

import torch

from genloom import randomness
from genloom.batch import Given
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.errors import CapabilityError
from genloom.inspections.base import PictureLook, arranged
from genloom.limits import Count
from genloom.models.abilities import Conditions, Model, checked
from genloom.models.generation import draw


class Classes(PictureLook):
    """A column is a class, or a value of a learned code; a row is one latent, so that only the class differs in it.

    Args:
        per_class: rows.
        classes: names of the columns; None is all that the model knows.
        every_iterations: how often; None is the end only.
    """

    name = "classes"
    requires = Conditions

    def __init__(
        self, *, per_class: Count = 6, classes: Sequence[str] | None = None, every_iterations: Count | None = None
    ) -> None:
        super().__init__(every_iterations=every_iterations)
        if per_class < 1:
            raise ValueError(f"per_class: {per_class} is below the limit of 1")
        self.per_class = per_class
        self.classes = classes

    def check(self, model: Model) -> None:
        """Refuse also a model that is told nothing with names."""
        if not any(condition.names for condition in checked("it", Conditions, model).conditions.values()):
            told = ", ".join(model.conditions)
            raise CapabilityError(f"it needs a condition with names, as classes have; this model is told {told}")

    def picture(self, model: Conditions, data: Callable[[], InMemoryData]) -> Shown:
        """Draw the same latents for each class."""
        known, condition = next((name, each) for name, each in model.conditions.items() if each.names)
        names = condition.names if self.classes is None else self.classes
        columns = []
        for name in names:
            rng = randomness.generator(model.seed, self.name)  # anew for each class: the same latents
            asked = condition.asked([name], self.per_class, known).to(model.device)
            columns.append(draw(model, self.per_class, rng=rng, given=Given({known: asked})).content)
        rows = torch.stack(columns, dim=1).flatten(0, 1)
        return arranged(model, rows, columns=len(columns))
