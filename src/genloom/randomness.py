"""Keyed randomness: every stream is a function of names, never of how much was drawn before it.

``torch.Generator(seed)`` objects are made where they are needed from the run's seed and the names of the thing being
drawn (epoch, iteration, purpose). No random state has to be stored, so a resumed run repeats an uninterrupted one
and an evaluation in between changes nothing.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch


def key(*names: int | str) -> int:
    """Return a 63-bit seed that depends on all ``names`` and their order."""
    digest = hashlib.sha256(repr(names).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*names: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator on ``device``, seeded by ``names``."""
    return torch.Generator(device=device).manual_seed(key(*names))


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
