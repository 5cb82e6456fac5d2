"""TensorBoard's embedding projector: real examples where a model's latents put them."""

import math
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from genloom.inspections.base import Look
from genloom.limits import Count
from genloom.models.abilities import Encodes

_MIN_DIM = 3  # numbers below which TensorBoard shows nothing; zeros are added
_MAX_SPRITE = 8192  # pixels a side that TensorBoard loads


class Projector(Look):
    """Writes the first latent of held-out examples, with their classes and, of pictures, their thumbnails.

    Other loggers have no projector; then nothing is written.

    Args:
        num_examples: of the validation split.
        every_iterations: how often; None is the end only.
    """

    requires = Encodes

    def __init__(self, *, num_examples: Count = 1000, every_iterations: Count | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        if num_examples < 3:
            raise ValueError(f"num_examples: {num_examples} is below the limit of 3")
        self.num_examples = num_examples

    def look(self, trainer: Trainer, model: Encodes) -> None:
        """Write the vectors, and what is known of each."""
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if not boards:
            return
        data: Any = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        examples = data.split("val")[: self.num_examples]  # grey, where the model sees black and white
        batches = model.spec.batches(data.modelled("val")[: self.num_examples], 500)
        codes = torch.cat([next(iter(model.encode(batch).values())).flatten(1).float().cpu() for batch in batches])
        codes = torch.nn.functional.pad(codes, (0, max(0, _MIN_DIM - codes.shape[1])))
        names = model.spec.labels.classes if model.spec.labels is not None else None
        labelled = None if names is None or examples.labels is None else [names[label] for label in examples.labels]
        most = _MAX_SPRITE // math.ceil(math.sqrt(len(examples)))
        thumbnails = model.spec.content.thumbnails(examples.content, most)
        for board in boards:
            board.experiment.add_embedding(codes, labelled, thumbnails, global_step=trainer.global_step, tag="latents")
