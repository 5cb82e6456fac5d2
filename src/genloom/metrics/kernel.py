"""The kernel distance: the unbiased squared maximum mean discrepancy with the kernel k(x, y) = (x·y/d + 1)³.

    MMD² = Σ_{i≠j} k(x_i, x_j)/(n(n−1)) + Σ_{i≠j} k(y_i, y_j)/(m(m−1)) − 2 Σ_{ij} k(x_i, y_j)/(nm)

Bińkowski et al., Demystifying MMD GANs, 2018, https://arxiv.org/abs/1801.01401. It is called KID only when the features
are Inception's. Unlike the Fréchet distance it is unbiased, so it also serves few images.

The cubic kernel is a dot product of finitely many features, k(x, y) = φ(x)·φ(y) with
φ(x) = (1, √(3/d) x, √(3/d²) x⊗x, √(1/d³) x⊗x⊗x), so sums over pairs are dot products of sums: exact, and far cheaper
than n² kernels while d is small. With many features the pairs are summed directly.

Both sets are cut into blocks. Sums of the kernel between blocks give MMD² of everything, and of everything but one
block each: their spread, by the jackknife, gives the interval.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from genloom.intervals import NUM_BLOCKS, jackknife
from genloom.judging.evidence import Evidence, View
from genloom.judging.metric import Comparison, Direction, Score

_MAX_EMBEDDED = 64  # features up to which φ, of d³ numbers, is the cheaper way

Blocks = tuple[Float[Tensor, "_num features"], ...]


def embedded_sum(vectors: Float[Tensor, "num features"]) -> Float64[Tensor, " embedding"]:
    """Return Σ φ(x) over the set; the embedding has 1 + d + d² + d³ dimensions."""
    x, d = vectors.double(), vectors.shape[1]
    second, third = x.T @ x, torch.zeros(d * d, d, dtype=torch.float64)
    for part in x.split(500):
        third += (part[:, :, None] * part[:, None, :]).flatten(1).T @ part
    num = torch.full((1,), float(len(x)), dtype=torch.float64)
    return torch.cat([num, (3 / d) ** 0.5 * x.sum(dim=0), 3**0.5 / d * second.flatten(), d**-1.5 * third.flatten()])


def direct_sum(first: Float[Tensor, "n features"], second: Float[Tensor, "m features"]) -> float:
    """Return Σ k(x_i, y_j) over all pairs."""
    y, scale = second.double().T, 1 / first.shape[1]
    return sum((x.double() @ y).mul_(scale).add_(1).pow_(3).sum().item() for x in first.split(500))


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums of the kernel over pairs, by block.

    Args:
        within_x: Σ k(x_i, x_j) for x_i of one block and x_j of another.
        within_y: the same for y.
        cross: the same for x and y.
        equal_x: Σ k(x_i, x_i) of each block.
        equal_y: the same for y.
        num_x: size of each block of x.
        num_y: the same for y.
    """

    within_x: Float64[Tensor, "blocks blocks"]
    within_y: Float64[Tensor, "blocks blocks"]
    cross: Float64[Tensor, "blocks blocks"]
    equal_x: Float64[Tensor, " blocks"]
    equal_y: Float64[Tensor, " blocks"]
    num_x: Float64[Tensor, " blocks"]
    num_y: Float64[Tensor, " blocks"]

    def mmd(self, keep: Bool[Tensor, " blocks"]) -> float:
        """Return MMD² of the blocks to ``keep``."""
        n, m = self.num_x[keep].sum(), self.num_y[keep].sum()
        within_x, within_y, cross = (sums[keep][:, keep].sum() for sums in (self.within_x, self.within_y, self.cross))
        x = (within_x - self.equal_x[keep].sum()) / (n * (n - 1))
        y = (within_y - self.equal_y[keep].sum()) / (m * (m - 1))
        return (x + y - 2 * cross / (n * m)).item()

    def score(self) -> Score:
        """Return MMD² of all blocks, and its 95 % interval by the delete-one-block jackknife."""
        num_blocks = len(self.num_x)
        value = self.mmd(torch.ones(num_blocks, dtype=torch.bool))
        return Score(value, jackknife(value, [self.mmd(torch.arange(num_blocks) != b) for b in range(num_blocks)]))


class _Summed:
    """One view's sums: those within it are kept with it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.blocks: Blocks = view.features.vectors.tensor_split(NUM_BLOCKS)
        self.embeds = view.features.vectors.shape[1] <= _MAX_EMBEDDED
        self.num = torch.tensor([float(len(block)) for block in self.blocks], dtype=torch.float64)

    @property
    def equal(self) -> Float64[Tensor, " blocks"]:
        return torch.stack([(x.double().square().mean(dim=1) + 1).pow(3).sum() for x in self.blocks])

    @property
    def embedding(self) -> Float64[Tensor, "blocks embedding"]:
        def compute() -> dict[str, Tensor]:
            return {"sums": torch.stack([embedded_sum(block) for block in self.blocks])}

        return self.view.derived("cubic_kernel_embedding", compute, blocks=NUM_BLOCKS)["sums"]

    @property
    def within(self) -> Float64[Tensor, "blocks blocks"]:
        def compute() -> dict[str, Tensor]:
            return {"sums": self.cross(self)}

        return self.view.derived("cubic_kernel_within", compute, blocks=NUM_BLOCKS)["sums"]

    def cross(self, other: "_Summed") -> Float64[Tensor, "blocks blocks"]:
        if self.embeds:
            return self.embedding @ other.embedding.T
        rows = [[direct_sum(x, y) for y in other.blocks] for x in self.blocks]
        return torch.tensor(rows, dtype=torch.float64)


@dataclass(frozen=True)
class KernelDistance(Comparison):
    """MMD² on all images, with a 95 % interval from 20 disjoint blocks."""

    quantities: ClassVar = {"kd": Direction.LOWER}

    def compare(self, reference: View, candidate: View, evidence: Evidence) -> dict[str, Score]:
        """Return ``kd``."""
        x, y = _Summed(reference), _Summed(candidate)
        sums = BlockSums(x.within, y.within, x.cross(y), x.equal, y.equal, x.num, y.num)
        return {"kd": sums.score()}
