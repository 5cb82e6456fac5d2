"""Distances between all pairs of two sets of vectors, some rows at a time, so that no full matrix is ever held.

    ‖q − p‖² = ‖q‖² + ‖p‖² − 2 q·p

is one matrix product. In single precision it loses about 1e-7 of ‖q‖² + ‖p‖², so both sets are centred first, and
the distance to a nearest neighbour, which may be zero, is computed again from the pair itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

_ENTRIES = 1_000_000  # of one chunk of distances: what a CPU's cache holds
_POINTS = 8192  # that are searched at a time
_GROUP = 16  # columns that are searched together


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows of a matrix of squared distances; valid until the next chunk is taken.

    Args:
        rows: which rows of the queries.
        squared: squared distances from these queries to all points.
    """

    rows: slice
    squared: Float32[Tensor, "rows points"]


def squared_distances(
    queries: Float32[Tensor, "queries features"], points: Float32[Tensor, "points features"]
) -> Iterator[Chunk]:
    """Yield all squared distances from ``queries`` to ``points``; rounding may leave them slightly below zero."""
    centre = points.mean(dim=0)
    queries, points = queries - centre, points - centre
    squared_norms = points.square().sum(dim=1)
    size = max(1, _ENTRIES // len(points))
    buffer = torch.empty(min(size, len(queries)), len(points), dtype=torch.float32)
    for first in range(0, len(queries), size):
        part = queries[first : first + size]
        squared = torch.addmm(squared_norms, part, points.T, alpha=-2, out=buffer[: len(part)])
        yield Chunk(slice(first, first + len(part)), squared.add_(part.square().sum(dim=1, keepdim=True)))


def smallest(matrix: Float32[Tensor, "rows columns"], num: int) -> Int64[Tensor, "rows num"]:
    """Return the columns of the ``num`` smallest entries of each row, ascending.

    They lie in the ``num`` groups of columns whose minima are smallest, and minima of groups are cheap: this takes a
    fifth of the time of ``torch.topk``.
    """
    rows, columns = matrix.shape
    groups = columns // _GROUP
    if groups < num:
        return matrix.topk(num, dim=1, largest=False).indices
    grouped = matrix[:, : groups * _GROUP].unflatten(1, (_GROUP, groups))  # group g holds columns g, g + groups, …
    chosen = grouped.amin(dim=1).topk(num, dim=1, largest=False).indices
    strides = torch.arange(_GROUP, device=matrix.device) * groups
    rest = torch.arange(groups * _GROUP, columns, device=matrix.device).expand(rows, -1)
    candidates = torch.cat([(chosen.unsqueeze(2) + strides).flatten(1), rest], dim=1)
    best = matrix.gather(1, candidates).topk(num, dim=1, largest=False).indices
    return candidates.gather(1, best)


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest point of each query.

    Args:
        distance: Euclidean.
        index: position among the points.
    """

    distance: Float32[Tensor, " queries"]
    index: Int64[Tensor, " queries"]


def nearest(
    queries: Float32[Tensor, "queries features"],
    points: Float32[Tensor, "points features"],
    *,
    other_than: Int64[Tensor, " queries"] | None = None,
) -> Nearest:
    """Return the nearest of ``points`` to each query.

    Args:
        queries: where to look from.
        points: where to look; at least 2.
        other_than: the point that each query must not find: itself, where it is one of them.
    """
    found = Nearest(
        torch.full((len(queries),), torch.inf, dtype=torch.float32), torch.zeros(len(queries), dtype=torch.int64)
    )
    for first in range(0, len(points), _POINTS):
        part = points[first : first + _POINTS]
        index = torch.empty_like(found.index)
        for chunk in squared_distances(queries, part):
            if other_than is not None:
                _exclude(chunk, other_than[chunk.rows] - first)
            index[chunk.rows] = smallest(chunk.squared, 1).squeeze(1)
        distance = (queries - part[index]).norm(dim=1)
        if other_than is not None:  # where a part holds nothing but that point
            distance[index + first == other_than] = torch.inf
        nearer = distance < found.distance
        found = Nearest(torch.where(nearer, distance, found.distance), torch.where(nearer, index + first, found.index))
    return found


def squared_radii(points: Float32[Tensor, "points features"], num: int) -> Float32[Tensor, "points num"]:
    """Return the squared distances from each point to its ``num`` nearest others, ascending."""
    radii = torch.empty(len(points), num, dtype=torch.float32)
    for chunk in squared_distances(points, points):
        _exclude(chunk, torch.arange(chunk.rows.start, chunk.rows.stop))
        radii[chunk.rows] = chunk.squared.gather(1, smallest(chunk.squared, num))
    return radii


def mean_distance(points: Float32[Tensor, "points features"]) -> float:
    """Return the mean Euclidean distance between two different points."""
    total = 0.0
    for chunk in squared_distances(points, points):
        diagonal = chunk.squared[:, chunk.rows].diagonal()
        total += chunk.squared.clamp_(min=0).sqrt_().sum(dtype=torch.float64).item() - diagonal.sum().item()
    return total / (len(points) * (len(points) - 1))


def _exclude(chunk: Chunk, columns: Int64[Tensor, " rows"]) -> None:
    """Set the distance of each query to the point in one column to infinity; columns outside are of no point here."""
    inside = ((columns >= 0) & (columns < chunk.squared.shape[1])).nonzero().squeeze(1)
    chunk.squared[inside, columns[inside]] = torch.inf
