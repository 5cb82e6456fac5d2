"""The bar: losses and the rate at which examples are used."""

import math
import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from tqdm import tqdm

from genloom.inspections.base import Look
from genloom.progress import bar


class Throughput(Callback):
    """Logs examples per second, all devices together, since the last log: data, updates and checkpoints included, the
    looks that other callbacks take at the model not.
    """

    def __init__(self) -> None:
        self.examples = 0
        self.seconds = 0.0
        self._window_examples = 0
        self._window_start = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run goes on counting from."""
        return {"examples": self.examples, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting: the time of a run is that of all its parts."""
        self.examples, self.seconds = state_dict["examples"], state_dict["seconds"]

    @staticmethod
    def _clock(trainer: Trainer) -> float:
        looks = (callback.seconds for callback in trainer.callbacks if isinstance(callback, Look))  # pyright: ignore
        return time.perf_counter() - sum(looks)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._window_start = self._clock(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the rate when the losses are logged."""
        self._window_examples += len(batch) * trainer.world_size
        if trainer.global_step % trainer.log_every_n_steps == 0:  # pyright: ignore[reportAttributeAccessIssue]
            pl_module.log("train/examples_per_second", self._close_window(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count what came after the last log."""
        self._close_window(trainer)

    def _close_window(self, trainer: Trainer) -> float:
        now = self._clock(trainer)
        examples, seconds = self._window_examples, now - self._window_start
        self._window_examples, self._window_start = 0, now
        self.examples += examples
        self.seconds += seconds
        return examples / seconds


class Progress(Callback):
    """One bar for the whole run: iterations, time left, each player's loss, examples per second."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar where the run stands."""
        if not trainer.is_global_zero:
            return
        total = trainer.estimated_stepping_batches
        known = None if math.isinf(total) else int(total)
        self._bar = bar(known, "training", "it", initial=trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance."""
        if self._bar is None:
            return
        if trainer.global_step % trainer.log_every_n_steps == 0:  # pyright: ignore[reportAttributeAccessIssue]
            self._bar.set_postfix(self.newest(trainer), refresh=False)
        self._bar.update(trainer.global_step - self._bar.n)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar before the error is printed."""
        self._close(trainer)

    def _close(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._bar.set_postfix(self.newest(trainer), refresh=False)
            self._bar.close()
            self._bar = None

    @staticmethod
    def newest(trainer: Trainer) -> dict[str, str]:
        """Return the newest losses and the rate, in short names."""
        logged = trainer.callback_metrics
        shown = {
            f"{name.split('/')[1]} loss": f"{value.item():.3f}"
            for name, value in logged.items()
            if name.startswith("train/") and name.endswith("/loss")
        }
        if "train/examples_per_second" in logged:
            shown["examples/s"] = f"{logged['train/examples_per_second'].item():.0f}"
        return shown
