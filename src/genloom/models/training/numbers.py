"""Numbers that are others in each iteration, held where the weights are.

A GPU works behind the program that drives it, and an iteration that was captured as a CUDA graph is repeated without
any program. Neither can be told by Python what has become of a rate or of a share: they read it from a tensor, which is
written before each iteration.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.optim import Optimizer


class Numbers:
    """What is told of each iteration, by name; see :meth:`write`."""

    def __init__(self) -> None:
        self._held: dict[tuple[Hashable, torch.device], tuple[Callable[[], float], Tensor]] = {}

    def held(
        self, name: Hashable, now: Callable[[], float], device: torch.device, dtype: torch.dtype = torch.float32
    ) -> Shaped[Tensor, ""]:
        """Return the tensor of a number: always the same one.

        Args:
            name: of the number; the same name is always of the same number.
            now: returns what it is in this iteration.
            device: where it is held.
            dtype: of the tensor.
        """
        if (name, device) not in self._held:
            self._held[name, device] = now, torch.full((), now(), dtype=dtype, device=device)
        return self._held[name, device][1]

    def write(self) -> None:
        """Have all tensors hold what their numbers are now, for whatever reads them from here on."""
        for now, tensor in self._held.values():
            tensor.fill_(now())


def reads_rates(optimizer: Optimizer) -> bool:
    """Return whether an optimizer reads its rates where the weights are, and counts its updates there."""
    return all(group.get("capturable") or group.get("fused") for group in optimizer.param_groups)


@contextmanager
def rates(optimizer: Optimizer, of_groups: Sequence[float | Tensor]) -> Iterator[None]:
    """Have an optimizer step at these rates, one of each group of its parameters; its schedule knows but its own."""
    own = [group["lr"] for group in optimizer.param_groups]
    for group, rate in zip(optimizer.param_groups, of_groups, strict=True):
        group["lr"] = rate
    try:
        yield
    finally:
        for group, rate in zip(optimizer.param_groups, own, strict=True):
            group["lr"] = rate
