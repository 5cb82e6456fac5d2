"""Values that are not finite: which they are, and which player's weights went astray."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def not_finite(node: Any, name: str, *, infinite_is_well: bool = False) -> Iterator[str]:
    """Yield the names of NaN and infinite values in nested mappings and lists of tensors and numbers.

    Args:
        node: what to look through; on another device than the CPU, each tensor is waited for.
        name: of ``node``.
        infinite_is_well: yield NaN only.
    """
    if isinstance(node, Tensor):
        if node.is_floating_point() or node.is_complex():
            good = ~node.isnan() if infinite_is_well else node.isfinite()
            if not good.all():
                yield name
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from not_finite(value, f"{name}.{key}", infinite_is_well=infinite_is_well)
    elif isinstance(node, list | tuple):
        for place, value in enumerate(node):
            yield from not_finite(value, f"{name}.{place}", infinite_is_well=infinite_is_well)
    elif isinstance(node, float) and (math.isnan(node) if infinite_is_well else not math.isfinite(node)):
        yield name


@torch.no_grad()
def largest_weight(module: nn.Module) -> float:
    """Return the largest magnitude among a module's parameters; infinity if one is NaN, 0 if it has none."""
    sizes = [parameter.abs().max() for parameter in module.parameters() if parameter.numel()]
    return torch.stack([size.float() for size in sizes]).nan_to_num(math.inf).max().item() if sizes else 0.0


class Watch:
    """Knows whose update came last and how large weights were at the start, and so whom to blame."""

    astray = 100.0  # times what the largest weight was at the start, or times one: no training needs such weights

    def __init__(self) -> None:
        self.updated: Sequence[str] = ()  # the players of this process's last update
        self._at_start: dict[str, float] = {}

    def start(self, players: Mapping[str, nn.Module]) -> None:
        """Measure the weights."""
        self._at_start = {name: largest_weight(player) for name, player in players.items()}

    def blame(self, players: Mapping[str, nn.Module], known: str | None = None) -> str:
        """Return whose update did it and the remedy, as the end of a sentence.

        Args:
            players: by name.
            known: who did it; else the one whose weights went astray most, else the last to be updated.
        """
        if not self.updated:
            return "; no update came before it: look at the data and at the terms of model.objective"
        sizes = {name: largest_weight(player) for name, player in players.items()}
        growth = {name: size / max(1.0, self._at_start.get(name, 1.0)) for name, size in sizes.items()}
        worst = max(growth, key=growth.__getitem__)
        culprit = known or (worst if growth[worst] > self.astray else self.updated[0])
        size = f", whose weights reach {sizes[culprit]:.2g}" if growth[culprit] > self.astray else ""
        return f" after an update of the {culprit}{size}; lower optimizer.{culprit}.lr or set model.gradient_clip_norm"
