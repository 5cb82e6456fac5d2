"""A stand-in for a GPU where there is none: PyTorch's device ``meta``, whose tensors have shapes and hold no numbers.

Nobody can read a number of it, and what works there would not wait for a GPU either, but for what must know numbers to
tell the size of its result, and for copies from or to the CPU. These are refused by :class:`NeverWaits`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from genloom.errors import GenloomError
from genloom.models.first_stage import FirstStage
from genloom.models.training.finite import Watch, largest_weight

aten = torch.ops.aten
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
#: How large what they return is depends on numbers, or they look at all of them on the CPU.
SIZES = {
    aten.bincount,
    aten.equal,
    aten.histc,
    aten.masked_select,
    aten.nonzero,
    aten.repeat_interleave,
    aten._unique,
    aten._unique2,
    aten.unique_consecutive,
    aten.unique_dim,
}


class Waits(GenloomError):
    """What a GPU would have been waited for; a family lets it through as its own."""


class NeverWaits(TorchDispatchMode):
    """Refuses what waits for a device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, kind = kwargs or {}, func.overloadpacket
        before = {tensor.device.type for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        if "meta" in before and kind is aten._local_scalar_dense:
            raise Waits("a number is read, as by item(), float() or if")
        if "meta" in before and kind in SIZES:
            raise Waits(f"{func}: the size of its result has to be known")
        if (
            "meta" in before
            and kind in INDEXING
            and any(each is not None and each.dtype == torch.bool for each in args[1])
        ):
            raise Waits(f"{func} by a mask: how many it is has to be known; use torch.where or masked_fill")
        if "meta" in before and kind is aten.lift_fresh:
            raise Waits("a tensor is made of Python's numbers, as by torch.tensor or new_tensor; keep it in a buffer")
        to = kwargs.get("device") if kind is aten._to_copy else None
        result = None if to and before != {to.type} else func(*args, **kwargs)
        after = {tensor.device.type for tensor in tree_leaves(result) if isinstance(tensor, Tensor)}
        if (result is None and to) or (before and len(before | after) > 1):
            raise Waits(f"{func}: tensors of the CPU go to the device, or the other way round; keep them in buffers")
        return result


class _Generator(torch.Generator):
    """One of any device; on ``meta`` there is none, and no need of it."""

    def __new__(cls, device: torch.device | str = "cpu") -> "_Generator":
        return super().__new__(cls)

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.place = torch.device(device)

    device = property(lambda self: self.place)  # pyright: ignore[reportAssignmentType]


class _Autocast(torch.autocast):
    """One of any device."""

    def __init__(self, device_type: str, *arguments: Any, **more: Any) -> None:
        super().__init__("cpu" if device_type == "meta" else device_type, *arguments, **more)


class _Anything(CPUAccelerator):
    def setup_device(self, device: torch.device) -> None:
        """Take it."""


class _Strategy(SingleDeviceStrategy):
    """On ``meta``; as if there were data, the amount of which Lightning would add up there."""

    def reduce(self, tensor: Any, *arguments: Any, **more: Any) -> Any:
        return torch.ones(())

    def teardown(self) -> None:
        """Leave the model there."""


def _start(watch: Watch, device: torch.device) -> None:
    """Start, without reading how large the weights are."""
    watch.is_behind = True
    watch._sizes = {name: largest_weight(player) for name, player in watch._players().items()}


def train(model: LightningModule, data: Any, fit: Callable[..., Any], patch: pytest.MonkeyPatch, *, steps: int) -> None:
    """Train a model on a device that holds no numbers, where no iteration may wait for it, with what is logged of it.

    What may wait is left out: before, weights and a first stage's latents are measured, in the end all is looked at. So
    are optimizers, which are PyTorch's; plain descent takes their place.

    Args:
        model: is left on that device.
        data: its own.
        fit: the fixture.
        patch: what is changed for it.
        steps: iterations.
    """
    patch.setattr(torch, "Generator", _Generator)
    patch.setattr(torch, "autocast", _Autocast)
    patch.setattr(FirstStage, "fit", lambda stage, batches: None)
    patch.setattr(Watch, "start", _start)
    patch.setattr(Watch, "look", lambda watch: None)
    patch.setattr(model, "_log", lambda logged: None)
    patch.setattr(model, "on_train_end", lambda: None)
    descent = partial(torch.optim.SGD, lr=1e-3, foreach=True)
    patch.setattr(model, "_optimizer_factories", dict.fromkeys(model.players(), descent))  # pyright: ignore
    step = model.training_step

    def watched(batch: Any, batch_idx: int) -> None:
        with NeverWaits():
            step(batch, batch_idx)

    patch.setattr(model, "training_step", watched)
    strategy = _Strategy("meta", accelerator=_Anything())
    fit(model, data, accelerator="auto", strategy=strategy, max_steps=steps, log_every_n_steps=1)
    assert model.global_step == steps and next(model.parameters()).device.type == "meta"
