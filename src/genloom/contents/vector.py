"""Points of a vector space."""

import os
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from genloom.contents.base import Values
from genloom.contents.shown import Picture, scatter
from genloom.errors import DataError
from genloom.examples import Examples


@dataclass(frozen=True)
class VectorContent(Values):
    """Points of a vector space, modelled and kept as they are.

    Args:
        dim: coordinates of a point.
        domain: what the points are, where a metric depends on it (``ring``), else None.
    """

    called = "points"
    array = "points"
    seen_at_once = 2000

    dim: int
    domain: str | None = None

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise DataError(f"vectors of {self.dim} coordinates: at least 1 is needed")

    @property
    def shape(self) -> tuple[int]:
        """``(dim,)``."""
        return (self.dim,)

    def show(self, stored: Float[Tensor, "num dim"], *, columns: int | None = None) -> Picture:
        """Draw the points as dots by their first two coordinates."""
        return scatter(stored)

    def save(self, examples: Examples, out: Path, *, columns: int | None = None) -> list[str]:
        """Write ``scatter.png`` and ``samples.npz``."""
        picture = self.show(examples.content).save(out / "scatter")
        return [f"scatter:  {os.path.relpath(picture)}", self.save_arrays(examples, out / "samples.npz")]
