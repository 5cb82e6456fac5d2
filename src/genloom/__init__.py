"""genloom: config-driven experiments for generative models."""

from importlib.metadata import version
from typing import Any

__version__ = version("genloom")


def __getattr__(name: str) -> Any:
    if name == "load":  # imports torch, so only when it is wanted
        from genloom.runs.checkpoint import load

        return load
    raise AttributeError(f"module 'genloom' has no attribute {name!r}")
