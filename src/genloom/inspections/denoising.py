"""What looks share that draw from a model by denoising."""

from genloom.inspections.base import PictureLook
from genloom.models.abilities import Denoises, Model, Samples, checked


class DenoisingLook(PictureLook):
    """A look at what a model that denoises draws; one that only forecasts draws nothing by itself."""

    requires = Denoises

    def check(self, model: Model) -> None:
        """Refuse also a model that denoises what it can't draw."""
        super().check(model)
        checked("it", Samples, model)
