"""All that a model with two latent numbers can draw, as one map."""

from collections.abc import Callable

import torch

from genloom import randomness
from genloom.batch import Given
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.errors import CapabilityError
from genloom.inspections.base import PictureLook, arranged
from genloom.limits import Count
from genloom.models.abilities import HasLatents, Model, checked


class Manifold(PictureLook):
    """The content of latents that lie at the quantiles of N(0, I), so that equal areas are equally probable.

    Kingma and Welling, Auto-Encoding Variational Bayes, 2014, figure 4. Of a conditional model, the first class.

    Args:
        rows: and as many columns.
        every_iterations: how often; None is the end only.
    """

    name = "manifold"
    requires = HasLatents

    def __init__(self, *, rows: Count = 20, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        if rows < 2:
            raise ValueError(f"rows: {rows} is below the limit of 2")
        self.rows = rows

    def check(self, model: Model) -> None:
        """Refuse also a model of more numbers than a map has directions."""
        self._plane(checked("it", HasLatents, model))

    def _plane(self, model: HasLatents) -> str:
        """Return the name of the latent.

        Raises:
            CapabilityError: it is not two numbers.
        """
        latent = model.draw_latent(1, randomness.generator(model.seed, "manifold"))
        shapes = {name: tuple(value.shape[1:]) for name, value in latent.items()}
        if list(shapes.values()) != [(2,)]:
            found = ", ".join(f"{name} of {'x'.join(map(str, shape))}" for name, shape in shapes.items())
            raise CapabilityError(
                f"it needs a latent of two numbers, as by model.bottleneck.dim=2; this model's is {found}"
            )
        return next(iter(shapes))

    def picture(self, model: HasLatents, data: Callable[[], InMemoryData]) -> Shown:
        """Draw the map, the first number rising to the right and the second upwards."""
        name = self._plane(model)
        quantiles = torch.special.ndtri((torch.arange(self.rows) + 0.5) / self.rows).to(model.device)
        z = torch.cartesian_prod(quantiles.flip(0), quantiles).flip(1)
        content = []
        for part in z.split(100):
            content.append(model.decode({name: part}, _first(model, len(part))).content)
        return arranged(model, torch.cat(content), columns=self.rows)


def _first(model: HasLatents, num: int) -> Given:
    """Return what gives all the same: the first of what has names, else one draw."""
    rng = randomness.generator(model.seed, "manifold", "given")
    named = {name: each for name, each in model.conditions.items() if each.names}
    first = {name: each.asked(each.names[:1], 1, name).to(model.device) for name, each in named.items()}
    return model.draw_given(1, rng, Given(first)).map(lambda values: values.expand(num, *values.shape[1:]))
