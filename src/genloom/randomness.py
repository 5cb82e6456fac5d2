"""Keyed randomness: every stream is a function of names, never of how much was drawn before it.

``torch.Generator(seed)`` objects are made where they are needed from the run's seed and the names of the thing being
drawn (epoch, iteration, purpose). No random state has to be stored, so a resumed run repeats an uninterrupted one
and an evaluation in between changes nothing.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch


def key(*names: int | str) -> int:
    """Return a 63-bit seed that depends on all ``names`` and their order."""
    digest = hashlib.sha256(repr(names).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*names: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator on ``device``, seeded by ``names``."""
    return torch.Generator(device=device).manual_seed(key(*names))


class Generators:
    """The generators of one iteration after another: those of :func:`generator`, and objects that stay.

    What is captured in a CUDA graph goes on drawing from the objects that it was captured with, so these live as long
    as this one does, and begin anew with each iteration. A name that is asked for again within an iteration has another
    object with the same numbers.
    """

    def __init__(self) -> None:
        self.iteration: int | None = None
        #: by device, what is drawn, and how often it was asked for before in an iteration
        self._kept: dict[tuple[Any, ...], torch.Generator] = {}
        self._asked: dict[tuple[Any, ...], int] = {}  # how often in this iteration

    @property
    def kept(self) -> list[torch.Generator]:
        """All that were asked for so far."""
        return list(self._kept.values())

    def begin(self, seed: int, iteration: int) -> None:
        """Seed all of them for an iteration."""
        self.iteration = iteration
        self._asked.clear()
        for (_, purpose, *names, _), kept in self._kept.items():
            kept.manual_seed(key(seed, purpose, iteration, *names))

    def __call__(
        self, seed: int, purpose: str, iteration: int, *names: int | str, device: torch.device
    ) -> torch.Generator:
        """Return what ``generator(seed, purpose, iteration, *names)`` would, on ``device``."""
        if iteration != self.iteration:
            self.begin(seed, iteration)
        known = (device, purpose, *names)
        self._asked[known] = again = self._asked.get(known, -1) + 1
        if (*known, again) not in self._kept:
            self._kept[*known, again] = generator(seed, purpose, iteration, *names, device=device)
        return self._kept[*known, again]


def permutation(num: int, *names: int | str) -> torch.Tensor:
    """Return a permutation of ``range(num)`` that depends on ``names`` only, with shape ``(num,)``."""
    return torch.randperm(num, generator=generator(*names))


def seed_globally(*names: int | str) -> None:
    """Seed the global generators of Python, numpy and torch by ``names``."""
    seed = key(*names)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    # not torch.manual_seed, which notes down the whole call stack for each kind of device that is not in use
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(seed)


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """Restore the global random state of Python, numpy and torch (all devices) on exit."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    mps_state = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    # a GPU on which nothing was started yet has nothing to restore, and to ask it would start it
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(gpus):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            if mps_state is not None:
                torch.mps.set_rng_state(mps_state)
