"""Examples of which only a part is known, which a model that completes is asked for."""

from dataclasses import dataclass, replace

from jaxtyping import Bool, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Partial:
    """Stored examples of which some values are known.

    Args:
        stored: the examples; whatever it is where nothing is known.
        known: of the same shape.
        gaps: whether what is not known may turn out to be missing, as often as it does in the data.
    """

    stored: Shaped[Tensor, "num ..."]
    known: Bool[Tensor, "num ..."]
    gaps: bool = True

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: slice) -> "Partial":
        return replace(self, stored=self.stored[rows], known=self.known[rows])

    def times(self, num: int) -> "Partial":
        """Return each example ``num`` times, one after the other."""
        stored, known = (each.repeat_interleave(num, dim=0) for each in (self.stored, self.known))
        return replace(self, stored=stored, known=known)
