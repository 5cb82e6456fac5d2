"""Lightning's trainer, told what it does not ask."""

from typing import Any, Literal

import pytorch_lightning


class Trainer(pytorch_lightning.Trainer):
    """Trains.

    Args:
        capture: ``auto`` replays iterations as CUDA graphs on one GPU, where they can be captured; ``off`` launches
            their operations one by one, for what ought to happen in Python within each.
        **trainer: see :class:`pytorch_lightning.Trainer`.
    """

    def __init__(self, *, capture: Literal["auto", "off"] = "auto", **trainer: Any) -> None:
        super().__init__(**trainer)
        self.capture = capture
