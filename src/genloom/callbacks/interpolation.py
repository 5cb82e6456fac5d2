"""Walks through the latent space."""

import torch
from pytorch_lightning import Trainer

from genloom import randomness, render
from genloom.callbacks.base import Look, show
from genloom.capabilities import Capability
from genloom.families.base import Family


class Interpolation(Look):
    """Each row goes from one latent to another; a model that memorises jumps, one that has learned moves smoothly.

    Args:
        rows: walks.
        steps: images per walk.
        every_iterations: how often; None is the end only.
    """

    requires = Capability.LATENT

    def __init__(self, *, rows: int = 6, steps: int = 10, every_iterations: int | None = None) -> None:
        super().__init__(every_iterations=every_iterations)
        self.rows = rows
        self.steps = steps

    def look(self, trainer: Trainer, model: Family) -> None:
        """Interpolate as the model's latent distribution wants it."""
        rng = randomness.generator(model.seed, "interpolation")
        start, end = model.draw_latent(self.rows, rng), model.draw_latent(self.rows, rng)
        weights = torch.linspace(0, 1, self.steps, device=model.device)
        walks = [model.interpolate(start, end, weight.item()) for weight in weights]
        latent = {name: torch.stack([walk[name] for walk in walks], dim=1).flatten(0, 1) for name in start}
        images = model.spec.content.decode(model.decode(latent).content).cpu()
        show(trainer, "interpolation", render.grid(images, columns=self.steps))
