"""What every callback that looks at a model shares: it names an ability, works now and then, and shows pictures."""

import functools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor

from genloom import randomness
from genloom.contents.base import Content, why_not
from genloom.contents.shown import Shown
from genloom.data.base import InMemoryData
from genloom.errors import reason
from genloom.limits import Count
from genloom.models.abilities import Model, Samples, checked, offers
from genloom.models.generation import taking


class Look(Callback, ABC):
    """Looks at the model every so many iterations and once at the end, without disturbing the random state.

    A look that fails is a warning; training goes on, and it is tried again the next time.

    Attributes:
        requires: the ability that a model must offer; None asks for nothing.

    Args:
        every_iterations: how often; None is the end only.
    """

    requires: type | None = None

    def __init__(self, *, every_iterations: Count | None = None) -> None:
        if every_iterations is not None and every_iterations < 1:
            raise ValueError(f"every_iterations: {every_iterations} is below the limit of 1")
        self.every_iterations = every_iterations
        self.seconds = 0.0  # spent looking
        self._last = -1
        self._warned = False  # that it failed; once is enough

    def check(self, model: Model) -> None:
        """Refuse a model that cannot be looked at so.

        Raises:
            CapabilityError: it lacks what the look requires.
        """
        if self.requires is not None:
            checked("it", self.requires, model)

    @abstractmethod
    def look(self, trainer: Trainer, model: Model) -> None:
        """Do it; called on rank 0 only."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look if it is time."""
        if self.every_iterations and trainer.global_step % self.every_iterations == 0:
            self._look_once(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the result, with all that the model does at the end of its training."""
        self._look_once(trainer, pl_module)

    def _look_once(self, trainer: Trainer, model: LightningModule) -> None:
        if trainer.global_step == self._last or not trainer.is_global_zero:
            return
        self._last = trainer.global_step
        start = time.perf_counter()
        try:
            with randomness.untouched():
                self.look(trainer, cast(Model, model))
        except Exception as error:  # a picture is no reason to lose the weights
            if not self._warned:
                self._warned = True
                print(
                    f"warning: {type(self).__name__}: {reason(error)}; training goes on without this look", flush=True
                )
        self.seconds += time.perf_counter() - start


class PictureLook(Look):
    """A look that is one picture: it serves during training, and for ``genloom explore`` from a checkpoint.

    Attributes:
        name: of the picture.
        kind: of content that it can show.
    """

    name: str
    requires: type | None = Samples
    kind: ClassVar[type[Content]] = Content

    @abstractmethod
    def picture(self, model: Model, data: Callable[[], InMemoryData]) -> Shown:
        """Draw it; the same for the same weights and seed.

        Args:
            model: one that offers what the look requires, of content that it can show.
            data: returns what the model was trained on; called only by a look that shows real examples.

        Raises:
            DataError: the data is not there.
        """

    def drawn(self, model: Model, data: Callable[[], InMemoryData]) -> Shown:
        """Draw it; conditions that cannot be drawn are those of validation examples. See :meth:`picture`."""
        return self.picture(taking(model, lambda: data().split("val")) if offers(model, Samples) else model, data)

    def why_not(self, content: Content) -> str | None:
        """Return None if the look can show ``content``, else the reason why not."""
        return why_not(self, content)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Say that nothing will be drawn of content that can't be shown."""
        if (reason := self.why_not(cast(Model, pl_module).spec.content)) and trainer.is_global_zero:
            print(f"{self.name}: not drawn: {reason}", flush=True)

    def look(self, trainer: Trainer, model: Model) -> None:
        """Show the picture."""
        if self.why_not(model.spec.content) is None:
            data: Any = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
            show(trainer, self.name, self.drawn(model, lambda: data))


def arranged(model: Model, content: Tensor, *, columns: int) -> Shown:
    """Return what a model generated as its kind of content is shown, in rows where it has some.

    Args:
        model: of the content.
        content: as the model sees it, a row after another.
        columns: of a row.
    """
    return model.spec.content.show(model.spec.content.decode(content).cpu(), columns=columns)


def side_by_side(model: Model, contents: Sequence[Tensor]) -> Shown:
    """Return what a model generated in several ways, as its kind of content is shown: a column for each.

    Args:
        model: of the content.
        contents: as the model sees it, by the ways.
    """
    columns = [arranged(model, content, columns=1) for content in contents]
    return functools.reduce(lambda left, right: left.beside(right), columns)


def show(trainer: Trainer, name: str, shown: Shown) -> None:
    """Write something to look at to the run's samples/ folder and to every logger that takes it.

    Args:
        trainer: its default_root_dir is the run's directory.
        name: of what is shown; the file is samples/NAME-ITERATION.png, or .txt.
        shown: a picture or a text.
    """
    step = trainer.global_step
    shown.save(Path(trainer.default_root_dir) / "samples" / f"{name}-{step:07d}")
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            shown.to_tensorboard(logger.experiment, name, step)
        elif isinstance(logger, WandbLogger):
            shown.to_wandb(logger, name, step)
