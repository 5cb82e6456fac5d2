"""A stand-in for a CUDA graph on a CPU: it remembers the operations of a call, with the tensors that they used, and
repeats them on the same memory.

As of a CUDA graph, nothing that Python computed beside the operations happens again: a number that changed since is the
old one, and a branch is the one that was taken. Unlike one it carries the operations out while it remembers them, so it
puts back afterwards what they changed.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map_only

#: What a GPU can't be asked while a graph is captured, since the answer would have to be waited for.
WAITS = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "equal",
    "is_nonzero", "repeat_interleave.Tensor", "bincount",
}  # fmt: skip


class Waited(RuntimeError):
    """An operation whose result the host would wait for."""


class RecordedGraph:
    """Remembers the operations of a function."""

    def __init__(self) -> None:
        #: operation, arguments, further ones by name, results, and in what mode: of gradients, of inference
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any, tuple[bool, bool]]] = []

    def rehearse(self, function: Callable[[], Any]) -> tuple[Any, list[str]]:
        """Return what ``function`` returns, and what would have waited."""
        with _Rehearsal() as rehearsal:
            return function(), rehearsal.waits

    def record(self, function: Callable[[], Any], generators: Iterable[torch.Generator]) -> Any:
        """Return what ``function`` returns; nothing that was there before has another value afterwards."""
        states = [(generator, generator.get_state()) for generator in (torch.default_generator, *generators)]
        with _Recorder(self.calls) as recorder:
            result = function()
        with torch.inference_mode():
            for changed, before in recorder.before.values():
                changed.copy_(before)
        for generator, state in states:
            generator.set_state(state)
        return result

    def replay(self) -> None:
        """Repeat them."""
        for operation, arguments, named, results, (has_gradients, is_inference) in self.calls:
            with torch.inference_mode(is_inference), torch.set_grad_enabled(has_gradients):
                again = operation(*arguments, **named)
            with torch.inference_mode():
                for old, new in zip(tree_iter(results), tree_iter(again), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class _Recorder(TorchDispatchMode):
    def __init__(self, calls: list[Any]) -> None:
        super().__init__()
        self.calls = calls
        self.before: dict[int, tuple[Tensor, Tensor]] = {}  # by storage: all of it, and its values
        self._own: dict[int, Any] = {}  # storages made meanwhile, kept, so that no address is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _waits(func, args):
            raise Waited(f"{func}: the host would wait for its result")
        for place, argument in enumerate(func._schema.arguments):
            statistics = argument.name in ("running_mean", "running_var")  # which batch norm writes without saying so
            if statistics or (argument.alias_info is not None and argument.alias_info.is_write):
                value = args[place] if place < len(args) else kwargs.get(argument.name)
                self._remember(value)
        results = func(*args, **kwargs)
        for tensor in tree_iter(results):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if not any(
                    isinstance(other, Tensor) and other.untyped_storage().data_ptr() == storage.data_ptr()
                    for other in tree_iter((args, kwargs))
                ):
                    self._own[storage.data_ptr()] = storage
        keep = lambda value: tree_map_only(Tensor, Tensor.detach, value)  # noqa: E731
        modes = (torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        self.calls.append((func, keep(args), keep(kwargs), keep(results), modes))
        return results

    def _remember(self, value: Any) -> None:
        for tensor in tree_iter(value):
            if not isinstance(tensor, Tensor):
                continue
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._own and storage.data_ptr() not in self.before:
                whole = torch.empty(0, dtype=torch.uint8).set_(storage)  # pyright: ignore
                self.before[storage.data_ptr()] = (whole, whole.clone())


class _Rehearsal(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _waits(func, args):
            self.waits.append(str(func))
        return func(*args, **(kwargs or {}))


def _waits(operation: Any, args: tuple[Any, ...]) -> bool:
    """Whether the host would wait for the result of an operation on a GPU, were it but to know its shape."""
    name = operation._schema.name.removeprefix("aten::")
    if name in ("index", "index_put_", "index_put", "_index_put_impl_"):  # by a mask: as large as its number of trues
        return any(isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    return name in WAITS or f"{name}.{operation._overloadname}" in WAITS
