"""Ends a program after its first training step and reports the CPU seconds used until then."""

import os
import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class FirstStep(Callback):
    """Writes process time to the file that FIRST_STEP_REPORT names."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report and leave."""
        with open(os.environ["FIRST_STEP_REPORT"], "w", encoding="utf-8") as file:
            file.write(str(time.process_time()))
        os._exit(0)
