"""genloom: config-driven experiments for generative models.

What Python code begins with is here: ``genloom.load(checkpoint)``; the families ``GAN``, ``VAE``, ``PCA``,
``SequenceModel`` and ``SequenceBaseline``; ``Spec`` and the kinds of content. Each is imported when it is first used.
"""

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("genloom")

_HOMES = {
    "load": "runs.loading",
    "GAN": "models.gan",
    "VAE": "models.vae",
    "PCA": "models.pca",
    "SequenceModel": "models.sequence",
    "SequenceBaseline": "models.sequence",
    "Spec": "spec",
    "ImageContent": "contents.image",
    "VectorContent": "contents.vector",
    "TextContent": "contents.text",
    "SeriesContent": "contents.series",
    "LabelContent": "contents.label",
    "Given": "batch",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # they import torch, so only when they are wanted
        return getattr(importlib.import_module(f"genloom.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'genloom' has no attribute {name!r}")
