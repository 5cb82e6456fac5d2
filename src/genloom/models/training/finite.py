"""Values that are not finite: which they are, and which player's weights went astray."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genloom import devices
from genloom.errors import TrainingError


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
def largest_weight(module: nn.Module) -> Tensor:
    """Return the largest magnitude among a module's parameters, where they are; NaN if one is, 0 if it has none."""
    parameters = [parameter for parameter in module.parameters() if parameter.numel()]
    if not parameters:
        return torch.zeros(())
    return torch.stack([size.float() for size in torch._foreach_norm(parameters, math.inf)]).max()  # pyright: ignore


@dataclass(frozen=True)
class Seen:
    """The loss of one update.

    Args:
        iteration: when.
        player: whose loss it is.
        total: the loss, a scalar that may still be under way on its device, like all that follow.
        parts: what it is the sum of, by name.
        updated: the players of the update before it; none before the first.
        sizes: by player, the largest weight when the loss was computed; none where they were not kept.
    """

    iteration: int
    player: str
    total: Tensor
    parts: Mapping[str, Tensor]
    updated: Sequence[str]
    sizes: Mapping[str, Tensor]


class Watch:
    """Remembers losses without waiting for them, whose update came last, and how large weights were: whom to blame.

    A GPU works behind the program that drives it, and whoever reads a number of it waits until it has caught up. So
    there losses are kept as they are, and read now and then, all at once; a CPU is never behind.

    Args:
        players: returns what is trained, by the name of its optimizer.
        optimizers: these names, in the order of the optimizers.
    """

    astray = 100.0  # times what the largest weight was at the start, or times one: no training needs such weights

    def __init__(self, players: Callable[[], Mapping[str, nn.Module]], optimizers: Sequence[str]) -> None:
        self._players = players
        self._optimizers = optimizers
        self.updated: Sequence[str] = ()  # the players of this process's last update
        self.is_behind = False  # the device, behind this program
        self._at_start: dict[str, float] = {}
        self._sizes: dict[str, Tensor] = {}
        self._seen: list[Seen] = []  # since losses were read last

    def start(self, device: torch.device) -> None:
        """Measure the weights.

        Args:
            device: where they are trained.
        """
        self.is_behind = devices.works_behind(device)
        self._seen = []
        sizes = {name: largest_weight(player) for name, player in self._players().items()}
        self._at_start = {name: size.item() for name, size in sizes.items()}
        self._sizes = sizes if self.is_behind else {}

    def see(self, iteration: int, player: str, total: Tensor, parts: Mapping[str, Tensor]) -> None:
        """Remember a player's loss, detached, and what it is the sum of."""
        self._seen.append(Seen(iteration, player, total, parts, self.updated, dict(self._sizes)))

    def update(self, updated: Sequence[str]) -> None:
        """Remember who was just updated, and how large their weights are if the next updates could come before a look.

        Args:
            updated: names of players.
        """
        self.updated = updated
        if self.is_behind:
            players = self._players()
            self._sizes |= {name: largest_weight(players[name]) for name in updated}

    def look(self, terms: Sequence[Callable[[], Mapping[str, Tensor]]] = ()) -> None:
        """Stop at the first loss that is NaN or infinite among those that were not read yet; waits for all of them.

        Args:
            terms: of the last of them, if they can still be told.

        Raises:
            TrainingError: naming the iteration, the player, what is not finite, and whose update did it.
        """
        seen, self._seen = self._seen, []
        if not seen:
            return
        good = torch.stack([each.total.isfinite() for each in seen])
        if good.all():
            return
        first = seen[good.tolist().index(False)]
        values = dict(first.parts)
        for each in terms if first is seen[-1] else ():
            values |= each()
        bad = ", ".join(f"{name} is {value.item()}" for name, value in values.items() if not value.isfinite().all())
        raise TrainingError(
            f"iteration {first.iteration}: the {first.player}'s loss is not finite ({bad})" + self._blame(seen=first)
        )

    def check_finite(self, content: Mapping[str, Any], iteration: int, also: Iterable[str] = ()) -> None:
        """Refuse what is not worth keeping.

        Args:
            content: what is going to be saved, by name; ``optimizer_states`` in the order of the optimizers.
            iteration: when.
            also: names of what else is not finite.

        Raises:
            TrainingError: naming the first value that is NaN or infinite, and whose update did it.
        """
        bad = [name for key, value in content.items() for name in not_finite(value, key)] + list(also)
        if not bad:
            return
        first, owner = bad[0], None
        for place, player in enumerate(self._optimizers):
            if first.startswith(f"optimizer_states.{place}."):
                first, owner = first.replace(f"optimizer_states.{place}", f"optimizer.{player}", 1), player
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise TrainingError(f"iteration {iteration}: {first}{more} is not finite and not saved" + self._blame(owner))

    def _blame(self, known: str | None = None, *, seen: Seen | None = None) -> str:
        """Return whose update did it and the remedy, as the end of a sentence.

        Args:
            known: who did it; else the one whose weights went astray most, else the last to be updated.
            seen: the loss that was not finite; None to judge by the weights as they are now.
        """
        updated = self.updated if seen is None else seen.updated
        if not updated:
            return "; no update came before it: look at the data and at the terms of model.objective"
        kept = {} if seen is None else seen.sizes
        found = {
            name: kept[name] if name in kept else largest_weight(player) for name, player in self._players().items()
        }
        sizes = {name: size.nan_to_num(math.inf).item() for name, size in found.items()}
        growth = {name: size / max(1.0, self._at_start.get(name, 1.0)) for name, size in sizes.items()}
        worst = max(growth, key=growth.__getitem__)
        culprit = known or (worst if growth[worst] > self.astray else updated[0])
        size = f", whose weights reach {sizes[culprit]:.2g}" if growth[culprit] > self.astray else ""
        return f" after an update of the {culprit}{size}; lower optimizer.{culprit}.lr or set model.gradient_clip_norm"
