"""Distances during training, on validation data and a small sample: to choose by, not to report."""

from typing import Any

from pytorch_lightning import Trainer

from genloom.inspections.base import Look
from genloom.judging.candidate import candidates_of
from genloom.judging.judge import Judge
from genloom.limits import Count
from genloom.models.abilities import Model


class Evaluation(Look):
    """Judges the model's default weights against the validation split every so often.

    Args:
        judge: the metrics; the run's.
        num_samples: generated images, and at most as many real ones.
        every_iterations: how often.
    """

    def __init__(self, judge: Judge, *, num_samples: Count = 1000, every_iterations: Count = 1000) -> None:
        super().__init__(every_iterations=every_iterations)
        self.judge = judge
        self.num_samples = num_samples

    def on_fit_end(self, trainer: Trainer, pl_module: object) -> None:
        """Nothing: the end is judged by the full protocol."""

    def look(self, trainer: Trainer, model: Model) -> None:
        """Log ``val/METRIC``."""
        data: Any = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        verdict = self.judge.judge(
            data,
            candidates_of(model, model.weight_sets[:1], seed=model.seed, examples=lambda: data.split("val")),
            reference_split="val",
            heldout_split=None,
            num_samples=self.num_samples,
            device=model.device,
        )
        values = {f"val/{name}": value for name, value in verdict.scalars(model.weight_sets[0]).items()}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step)
