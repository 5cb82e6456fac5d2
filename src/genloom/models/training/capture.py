"""An iteration as one CUDA graph: captured once for each of its kinds, and replayed.

A small iteration keeps a GPU busy for less time than Python needs to launch its hundreds of operations. A graph
launches them all at once. What Python computes beside them is not computed again: so whatever is another in each
iteration is read from tensors, and what decides which operations there are is a kind, each with a graph of its own.

PyTorch, CUDA semantics, "CUDA Graphs", 2026, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

import warnings
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from genloom.batch import Batch
from genloom.errors import GenloomError, TrainingError, reason


@runtime_checkable
class Graph(Protocol):
    """The operations of a function, to be repeated on the same memory."""

    def rehearse(self, function: Callable[[], Any]) -> tuple[Any, list[str]]:
        """Return what ``function`` returns, carried out as always, and where the program waited for the device."""
        ...

    def record(self, function: Callable[[], Any], generators: Collection[torch.Generator]) -> Any:
        """Return what ``function`` returns, whose operations are remembered rather than carried out.

        Args:
            function: see :meth:`replay`.
            generators: those that it draws from, beside the global one.
        """
        ...

    def replay(self) -> None:
        """Carry them out; the tensors that the function returned hold the results."""
        ...


class CudaGraph:
    """A :class:`Graph` of CUDA.

    Args:
        stream: on which is rehearsed and captured.
        pool: of memory, as :func:`torch.cuda.graph_pool_handle` returns one; graphs that are never replayed at once may
            share theirs.
    """

    def __init__(self, stream: torch.cuda.Stream, pool: Any) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._stream = stream
        self._pool = pool

    def rehearse(self, function: Callable[[], Any]) -> tuple[Any, list[str]]:
        """Run beside the current stream, as a capture does, so that all that is made once has been made before it."""
        current, before = torch.cuda.current_stream(), torch.cuda.get_sync_debug_mode()
        self._stream.wait_stream(current)
        with warnings.catch_warnings(record=True) as caught, torch.cuda.stream(self._stream):
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                result = function()
            finally:
                torch.cuda.set_sync_debug_mode(before)
        current.wait_stream(self._stream)
        waits = [f"{each.filename}:{each.lineno}" for each in caught if "synchronizing CUDA" in str(each.message)]
        return result, waits

    def record(self, function: Callable[[], Any], generators: Collection[torch.Generator]) -> Any:
        """Capture."""
        for generator in generators:
            self._graph.register_generator_state(generator)
        # thread_local: other threads, as one that fetches batches, may go on allocating memory
        with torch.cuda.graph(self._graph, self._pool, self._stream, capture_error_mode="thread_local"):
            return function()

    def replay(self) -> None:
        """Launch."""
        self._graph.replay()


def cuda_graphs() -> Callable[[], Graph]:
    """Return what makes graphs that share a stream and their memory."""
    return partial(CudaGraph, torch.cuda.Stream(), torch.cuda.graph_pool_handle())


@dataclass(frozen=True)
class _Captured:
    graph: Graph
    batch: Batch  # whose tensors the graph reads
    logged: dict[str, Tensor]  # and writes
    also: list[Callable[[], None]]  # see Capture.also


class Capture:
    """Carries out iterations; each kind of them is captured once it has been met a few times, and then replayed.

    Args:
        iterate: an iteration, on the device alone; what Python does in it with a lasting effect, it does by
            :meth:`also`.
        generators: returns what it draws from, beside the global generator.
        graph: makes a graph.
    """

    rehearsals = 3  # of the first kind; then what all have in common has been made
    most_kinds = 24  # of iterations that are others each time, nothing is worth capturing

    def __init__(
        self,
        iterate: Callable[[Batch], dict[str, Tensor]],
        generators: Callable[[], Collection[torch.Generator]],
        graph: Callable[[], Graph],
    ) -> None:
        self._iterate = iterate
        self._generators = generators
        self._graph = graph
        self._rehearsed: dict[Hashable, int] = {}
        self._captured: dict[Hashable, _Captured] = {}
        self._also: list[Callable[[], None]] = []  # of the iteration under way
        self._is_recording = False
        self.why_not: str | None = None  # kinds that are not captured yet never are

    def __call__(self, kind: Hashable, batch: Batch) -> dict[str, Tensor]:
        """Carry out an iteration, and return what it returns: tensors that the next one of its kind overwrites.

        Args:
            kind: what decides which operations it consists of, beside the form of the batch.
            batch: what it is called with.
        """
        kind, self._also = (kind, _form(batch)), []
        if kind in self._captured:
            return self._replay(self._captured[kind], batch)
        if self.why_not is None and self._rehearsed.get(kind, 0) >= (1 if self._captured else self.rehearsals):
            if len(self._captured) < self.most_kinds:
                return self._record(kind, batch)
            self._give_up(f"it is another one each time: {self.most_kinds} kinds of it are captured already")
        if self.why_not is None:
            self._rehearsed[kind] = self._rehearsed.get(kind, 0) + 1
            logged, waits = self._graph().rehearse(lambda: self._iterate(batch))
            if waits:
                self._give_up(f"Python waits for the device at {waits[0]}")
            return logged
        return self._iterate(batch)

    @property
    def num(self) -> int:
        """Kinds that are captured."""
        return len(self._captured)

    @property
    def summary(self) -> str:
        """How much is captured, in words."""
        return f"{self.num} kinds of iterations" + (f"; no more: {self.why_not}" if self.why_not else "")

    def also(self, function: Callable[[], None]) -> None:
        """Have a function called in this iteration, and whenever it is replayed."""
        self._also.append(function)
        if not self._is_recording:
            function()

    def _record(self, kind: Hashable, batch: Batch) -> dict[str, Tensor]:
        graph, own = self._graph(), batch.map(Tensor.clone)
        self._is_recording = True
        try:
            logged = graph.record(lambda: self._iterate(own), self._generators())
        except (GenloomError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # the device is in no state to go on
            raise TrainingError(
                f"trainer.capture: the iteration can't be captured as a CUDA graph ({reason(error)}); set "
                "trainer.capture=off, and resume=auto to go on from the last checkpoint"
            ) from error
        finally:
            self._is_recording = False
        self._captured[kind] = _Captured(graph, own, logged, self._also)
        return self._replay(self._captured[kind], batch)

    def _replay(self, captured: _Captured, batch: Batch) -> dict[str, Tensor]:
        for to, origin in zip(_tensors(captured.batch), _tensors(batch), strict=True):
            to.copy_(origin, non_blocking=True)
        captured.graph.replay()
        for function in captured.also:
            function()
        return captured.logged

    def _give_up(self, why: str) -> None:
        self.why_not = why
        print(f"{'no further' if self._captured else 'no'} iterations are captured as CUDA graphs: {why}", flush=True)


def _tensors(batch: Batch) -> list[Tensor]:
    found: list[Tensor] = []
    batch.map(lambda tensor: found.append(tensor) or tensor)
    return found


def _form(batch: Batch) -> Hashable:
    """Return what two batches have in common that one graph can do for."""
    tensors = tuple((tensor.shape, tensor.dtype) for tensor in _tensors(batch))
    return tuple(batch.given), tuple(batch.given.dropped), batch.mask is None, tensors
