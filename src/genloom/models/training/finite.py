"""Values that are not finite: which they are, and which player's weights went astray."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
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
        parts: names of what it is the sum of.
        updated: the players of the update before it; none before the first.
        rows: where its values are, in the row of the iteration: the loss, its parts, and the largest weight of each
            player at that time.
    """

    iteration: int
    player: str
    parts: Sequence[str]
    updated: Sequence[str]
    rows: Float[Tensor, "iterations values"]


class Watch:
    """Remembers losses without waiting for them, whose update came last, and how large weights were: whom to blame.

    A GPU works behind the program that drives it, and whoever reads a number of it waits until it has caught up. So
    there losses are written down as they come, and read now and then, all at once; a CPU is never behind.

    Args:
        players: returns what is trained, by the name of its optimizer.
        optimizers: these names, in the order of the optimizers.
    """

    astray = 100.0  # times what the largest weight was at the start, or times one: no training needs such weights
    between = 100  # iterations that can be remembered

    def __init__(self, players: Callable[[], Mapping[str, nn.Module]], optimizers: Sequence[str]) -> None:
        self._players = players
        self._optimizers = optimizers
        self.updated: Sequence[str] = ()  # the players of this process's last update
        self.is_behind = False  # the device, behind this program
        self._iteration = 0
        self._turn = 0  # of the iteration, from loss to loss
        self._at_start: dict[str, float] = {}
        self._sizes: dict[str, Tensor] = {}
        self._rows: dict[Hashable, Tensor] = {}
        self._seen: list[Seen] = []  # since losses were read last

    def start(self, device: torch.device) -> None:
        """Measure the weights.

        Args:
            device: where they are trained.
        """
        self.is_behind = devices.works_behind(device)
        self._rows, self._seen = {}, []
        sizes = {name: largest_weight(player) for name, player in self._players().items()}
        self._at_start = {name: size.item() for name, size in sizes.items()}
        self._sizes = sizes if self.is_behind else {}

    def begin(self, iteration: int) -> None:
        """Begin an iteration."""
        self._iteration, self._turn = iteration, 0

    def see(
        self,
        player: str,
        total: Float[Tensor, ""],
        parts: Mapping[str, Float[Tensor, ""]],
        terms: Callable[[], Mapping[str, Tensor]],
        row: Callable[[], Int64[Tensor, ""]],
        also: Callable[[Callable[[], None]], None],
    ) -> None:
        """Look at a player's loss, or write it down if the device is behind.

        Args:
            player: whose loss it is.
            total: the loss, detached.
            parts: what it is the sum of.
            terms: what these consist of.
            row: returns where to write, a tensor of the iteration modulo :attr:`between`.
            also: has a function called whenever what the device does here is repeated.

        Raises:
            TrainingError: see :meth:`look`.
        """
        if not self.is_behind:
            if not total.isfinite():
                raise self._error(self._iteration, player, {**parts, **terms()}, self.updated, {})
            return
        line = torch.stack([value.to(total.dtype) for value in (total, *parts.values(), *self._sizes.values())])
        key = (self._turn, player, *parts)
        self._turn += 1
        if key not in self._rows:
            self._rows[key] = line.new_zeros(self.between, len(line))
        rows = self._rows[key]
        rows.index_copy_(0, row()[None], line[None])
        also(lambda: self._seen.append(Seen(self._iteration, player, tuple(parts), self.updated, rows)))

    def update(self, updated: Sequence[str], also: Callable[[Callable[[], None]], None]) -> None:
        """Remember who was just updated, and how large their weights are if the next updates could come before a look.

        Args:
            updated: names of players.
            also: see :meth:`see`.
        """
        for name in updated if self.is_behind else ():
            self._sizes[name].copy_(largest_weight(self._players()[name]))
        also(lambda: setattr(self, "updated", updated))

    def look(self) -> None:
        """Stop at the first loss that is NaN or infinite among those that were not read yet; waits for all of them.

        Raises:
            TrainingError: naming the iteration, the player, what is not finite, and whose update did it.
        """
        seen, self._seen = self._seen, []
        read = {id(each.rows): each.rows for each in seen}
        values = {key: rows.tolist() for key, rows in read.items()}
        for each in seen:
            total, *rest = values[id(each.rows)][each.iteration % self.between]
            if not math.isfinite(total):
                parts, sizes = rest[: len(each.parts)], rest[len(each.parts) :]
                named = {name: torch.tensor(value) for name, value in zip(each.parts, parts, strict=True)}
                kept = dict(zip(self._sizes, sizes, strict=True))
                raise self._error(each.iteration, each.player, named, each.updated, kept)

    def _error(
        self,
        iteration: int,
        player: str,
        values: Mapping[str, Tensor],
        updated: Sequence[str],
        sizes: Mapping[str, float],
    ) -> TrainingError:
        bad = ", ".join(f"{name} is {value.item()}" for name, value in values.items() if not value.isfinite().all())
        text = f"iteration {iteration}: the {player}'s loss is not finite ({bad})"
        return TrainingError(text + self._blame(None, updated, sizes))

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
        raise TrainingError(
            f"iteration {iteration}: {first}{more} is not finite and not saved" + self._blame(owner, self.updated, {})
        )

    def _blame(self, known: str | None, updated: Sequence[str], sizes: Mapping[str, float]) -> str:
        """Return whose update did it and the remedy, as the end of a sentence.

        Args:
            known: who did it; else the one whose weights went astray most, else the last to be updated.
            updated: who was, before what is not finite.
            sizes: the largest weight of each player at that time; of who is not there, as it is now.
        """
        if not updated:
            return "; no update came before it: look at the data and at the terms of model.objective"
        now = {name: largest_weight(player).item() for name, player in self._players().items()}
        found = {name: math.inf if math.isnan(size) else size for name, size in {**now, **sizes}.items()}
        growth = {name: size / max(1.0, self._at_start.get(name, 1.0)) for name, size in found.items()}
        worst = max(growth, key=growth.__getitem__)
        culprit = known or (worst if growth[worst] > self.astray else updated[0])
        size = f", whose weights reach {found[culprit]:.2g}" if growth[culprit] > self.astray else ""
        return f" after an update of the {culprit}{size}; lower optimizer.{culprit}.lr or set model.gradient_clip_norm"
