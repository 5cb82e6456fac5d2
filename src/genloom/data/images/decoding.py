"""Many pictures decoded at once, in their order, with a bounded number of them in memory.

Threads suffice for some: Pillow lets others run while it decompresses and resizes. What it does not, opening a file and
telling its kind, is half of the time of a small picture, so of many pictures processes should decode more;
``scripts/bench/disk.py --only decode`` measures it.
"""

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from genloom.contents.decoder import UnusableFileError
from genloom.errors import DataError

Pixels = UInt8[np.ndarray, "_height _width *_colour"]  # sizes may differ among those of one list

_TOGETHER = 32  # pictures that one worker decodes at a time
_MANY = 5000  # from which on processes earn the second that they take to start


def decode(
    items: Iterable[Any], num: int, decoder: Callable[[Any], Pixels], decoders: int | None
) -> Generator[Pixels | str]:
    """Yield what ``decoder`` makes of each item, in their order; of one that it refuses, the reason.

    Args:
        items: what it takes.
        num: how many there are.
        decoder: returns pixels, or raises UnusableFileError.
        decoders: processes; 0 is threads of this one; None is threads for few items, a process per CPU for many.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = decoders if decoders is not None else cpus if num >= _MANY and cpus > 1 else 0
    with warnings.catch_warnings():
        _check_bombs()
        with _pool(processes, min(8, cpus)) as pool:
            yield from _in_order(pool, iter(items), decoder, ahead=2 * (processes or min(8, cpus)))


def _pool(processes: int, threads: int) -> Executor:
    if not processes:
        return ThreadPoolExecutor(threads)
    # new processes rather than forks: torch has threads, which do not survive one
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Prepare a process that decodes: it ends with the one that started it, which also answers Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _check_bombs()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_order(
    pool: Executor, items: Iterator[Any], decoder: Callable[[Any], Pixels], ahead: int
) -> Iterator[Pixels | str]:
    waiting: deque[Future[list[Pixels | str]]] = deque()
    try:
        while True:
            while len(waiting) < ahead and (together := list(islice(items, _TOGETHER))):
                waiting.append(pool.submit(_decode_each, decoder, together))
            if not waiting:
                return
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "data.decoders: a process that decodes pictures ended (out of memory, or ended by somebody); set "
            "data.decoders=0 to decode within this one"
        ) from error
    finally:
        for future in waiting:
            future.cancel()


def _decode_each(decoder: Callable[[Any], Pixels], items: Sequence[Any]) -> list[Pixels | str]:
    # the error as a value, so that one bad file does not end a parallel map
    decoded: list[Pixels | str] = []
    for item in items:
        try:
            decoded.append(decoder(item))
        except UnusableFileError as problem:
            decoded.append(str(problem))
    return decoded


def _check_bombs() -> None:
    warnings.simplefilter("error", Image.DecompressionBombWarning)
