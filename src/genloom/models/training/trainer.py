"""Lightning's trainer, told what it does not ask."""

from typing import Any, Literal

import pytorch_lightning

from genloom import precision


class Trainer(pytorch_lightning.Trainer):
    """Trains.

    Args:
        capture: ``auto`` replays iterations as CUDA graphs on one GPU, where they can be captured; ``off`` launches
            their operations one by one, for what ought to happen in Python within each.
        tf32: whether a GPU may multiply numbers of single precision by 11 of their 24 bits while it trains.
        **trainer: see :class:`pytorch_lightning.Trainer`.
    """

    def __init__(self, *, capture: Literal["auto", "off"] = "auto", tf32: bool = True, **trainer: Any) -> None:
        super().__init__(**trainer)
        self.capture = capture
        self.tf32 = tf32

    def fit(self, *given: Any, **named: Any) -> None:
        """Train; see :meth:`pytorch_lightning.Trainer.fit`."""
        with precision.tf32(self.tf32):
            super().fit(*given, **named)
