"""Which device a word means here."""

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
