"""Which device a word means here."""

import contextlib
import os
import re
import sys
from pathlib import Path

import torch

from genloom.errors import ConfigError


def device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda`` or ``mps`` means here.

    Raises:
        ConfigError: it is not available.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available.get(name, False):
        usable = ", ".join(kind for kind, here in available.items() if here)
        raise ConfigError(f"device: {name!r} is not available here; use auto or one of {usable}")
    return torch.device(name)


def described(place: torch.device) -> str:
    """Return what a device is called, a GPU by its maker's name too."""
    return f"{torch.cuda.get_device_name(place)} ({place})" if place.type == "cuda" else str(place)


def works_behind(place: torch.device) -> bool:
    """Return whether a device works behind the program that drives it, so that who reads a number of it waits."""
    return place.type != "cpu"


def captures(place: torch.device) -> bool:
    """Return whether a device can be given many operations at once, as a graph."""
    return place.type == "cuda"


def main_memory() -> int:
    """Return the bytes of the machine's main memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_memory(place: torch.device) -> int | None:
    """Return the bytes that a program may still take of a GPU's memory; None of a device that works in main memory."""
    if place.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)  # by PyTorch, for what comes
    return torch.cuda.mem_get_info(place)[0] + kept


def reset_peak_memory(place: torch.device) -> None:
    """Forget how much memory was used so far, where the system can."""
    if place.type == "cuda":
        if torch.cuda.is_initialized():  # before, there is nothing to forget, and asking fails
            torch.cuda.reset_peak_memory_stats(place)
    else:
        with contextlib.suppress(OSError):  # Linux only
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory(place: torch.device) -> int:
    """Return the most memory used since :func:`reset_peak_memory`, in bytes: of the GPU, or else of this process.

    Where the system cannot forget, it is the most since the process started.
    """
    if place.type == "cuda":
        return torch.cuda.max_memory_allocated(place)
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])
    except (OSError, IndexError):
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
