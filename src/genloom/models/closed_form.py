"""Models whose best parameters have a closed form: one iteration arrives at them."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genloom.batch import Batch
from genloom.errors import ConfigError
from genloom.limits import Whole
from genloom.models.training.family import Family, OptimizerFactory
from genloom.models.training.passes import Loaded
from genloom.objectives.loss import Loss
from genloom.spec import Spec


class ClosedForm(Family):
    """Minimises ½ ‖θ − θ*‖², θ* the solution, by gradient descent at a rate of 1: one step arrives, and training ends.

    Parameters that start at zero arrive exactly. The batches are not looked at: the solution comes from all examples.

    Args:
        spec: the data's.
        optimizer: a factory, ``parameters``: ``torch.optim.SGD`` with ``lr`` 1.
        scheduler: None; a rate of 1 has no schedule.
        seed: the run's.

    Raises:
        ConfigError: a schedule.
    """

    counted_player = "parameters"

    def __init__(
        self,
        spec: Spec,
        *,
        optimizer: Mapping[str, OptimizerFactory],
        scheduler: Any = None,
        seed: Whole = 0,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        if scheduler is not None:
            raise ConfigError(
                f"scheduler: {type(self).__name__} has a closed form, reached in one iteration at a rate of 1; set "
                "scheduler=null"
            )
        super().__init__(spec, optimizer=optimizer, seed=seed, identity=identity)
        self._solution: dict[str, Tensor] = {}

    @property
    @abstractmethod
    def solved(self) -> nn.Module:
        """The module whose parameters are θ."""

    @abstractmethod
    def solution(self) -> Mapping[str, Tensor]:
        """Return θ*, by the names of :attr:`solved`'s parameters; called once, with the trainer's data at hand.

        Raises:
            ConfigError: the data has none.
        """

    def players(self) -> dict[str, nn.Module]:
        """What is solved for."""
        return {"parameters": self.solved}

    def on_train_start(self) -> None:
        """Solve, on the CPU: not every device has double precision."""
        super().on_train_start()
        found = self.solution()
        self._solution = {name: found[name].to(parameter) for name, parameter in self.solved.named_parameters()}

    def iterate(self, batch: Batch) -> dict[str, Tensor]:
        """Move towards the solution."""
        return self.step("parameters", [{"distance": self._distance()}])

    def on_train_batch_end(self, outputs: Any, batch: Loaded, batch_idx: int) -> None:
        """Stop where the solution is reached."""
        self.trainer.should_stop = self._arrived

    def _distance(self) -> Loss:
        parameters = self.solved.named_parameters()
        squares = [(parameter - self._solution[name]).square().sum() for name, parameter in parameters]
        return Loss(0.5 * torch.stack(squares).sum())

    @property
    def _arrived(self) -> bool:
        pairs = ((parameter, self._solution[name]) for name, parameter in self.solved.named_parameters())
        return all(torch.allclose(parameter, solution, rtol=1e-3, atol=1e-6) for parameter, solution in pairs)

    def on_train_end(self) -> None:
        """Refuse to pass off anything else as the solution.

        Raises:
            ConfigError: the optimizer did not arrive.
        """
        super().on_train_end()
        if not self._arrived:
            raise ConfigError(
                f"optimizer: after {self.trainer.global_step} iterations it has not arrived at the closed form; set "
                "optimizer=closed_form, which arrives in one"
            )
