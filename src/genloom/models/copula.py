"""The Gaussian copula: each column as it is distributed, and correlated normal numbers behind them; in closed form."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from genloom.batch import NOTHING, Batch, Given, Latent
from genloom.contents.table import TableContent
from genloom.distributions.latents import StandardNormal
from genloom.distributions.within import draw_within
from genloom.limits import Count
from genloom.models.abilities import Completes, HasLatents, Samples
from genloom.models.closed_form import ClosedForm
from genloom.models.completing import check_asked_later
from genloom.models.from_latents import FromFixedLatents
from genloom.models.training.passes import Passes
from genloom.spec import Spec


class NormalScores(nn.Module):
    """x_j = F_j⁻¹(Φ(u_j)), u = L ε, ε ~ N(0, I); F_j is the distribution function of variable j.

    Args:
        variables: how many.
        knots: levels at which each F⁻¹ is kept, equally far from each other.
    """

    def __init__(self, variables: int, knots: Count) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(variables, variables))  # L
        self.quantiles = nn.Parameter(torch.zeros(variables, knots))  # F⁻¹, each variable's range being 0 to 1

    def forward(self, z: Float[Tensor, "batch variables"]) -> Float[Tensor, "batch variables"]:
        """Return Φ(u), levels between 0 and 1."""
        return torch.special.ndtr(z @ self.factor.T)


class GaussianCopula(FromFixedLatents, ClosedForm):
    """The Gaussian copula of the training rows, in closed form; Nelsen, An Introduction to Copulas, 2006.

    A row is as many correlated normal numbers as it has columns; each becomes the quantile of its column at its level,
    by thresholds where those are categories. A column that may miss cells has one number more, whose threshold says
    whether the cell is there. The correlation of two columns is cov / (v v'), with the covariance of their normal
    scores and the variances of these, which are below 1 where rows share a value: right to first order for thresholds
    as well; Olsson, Drasgow and Dorans, The Polyserial Correlation Coefficient, 1982.

    Args:
        spec: the data's.
        knots: levels at which each column's quantiles are kept.
        **closed_form: see :class:`~genloom.models.closed_form.ClosedForm`.

    Raises:
        ConfigError: the data gives columns, which the model is not told.
    """

    kind = TableContent

    def __init__(self, spec: Spec, *, knots: Count = 1000, **closed_form: Any) -> None:
        super().__init__(spec, **closed_form)
        check_asked_later(spec)
        columns = TableContent.of(spec.content).columns
        self.optional = [place for place, column in enumerate(columns) if column.optional]
        self.latent = StandardNormal(len(columns) + len(self.optional))
        self.scores = NormalScores(self.latent.dim, knots)

    @property
    def solved(self) -> nn.Module:
        """L and the quantiles."""
        return self.scores

    @property
    def abilities(self) -> frozenset[type]:
        """It draws and completes, and its latents can be walked."""
        return frozenset({Samples, Completes, HasLatents})

    # Training

    def solution(self) -> Mapping[str, Tensor]:
        """Return the quantiles and the factor of the correlations, by all training rows."""
        content = TableContent.of(self.spec.content)
        stored = torch.cat([content.decode(batch.content) for batch in Passes(self.trainer, self.spec, "train")])
        variables = torch.cat([stored, stored[:, self.optional].isnan().double()], dim=1)
        low, high = self._ranges()
        num = self.scores.quantiles.shape[1]
        levels = (torch.arange(num, dtype=torch.float64) + 0.5) / num
        quantiles, scores = [], []
        for place, values in enumerate(variables.unbind(1)):
            known = values[~values.isnan()]
            known = known if len(known) else low[place : place + 1]
            quantiles.append((known.sort().values[(levels * len(known)).long()] - low[place]) / (high - low)[place])
            scores.append(_scores(values))
        return {"quantiles": torch.stack(quantiles), "factor": _factor(torch.stack(scores, dim=1))}

    def _ranges(self) -> tuple[Float64[Tensor, " variables"], Float64[Tensor, " variables"]]:
        bounds = [column.bounds for column in TableContent.of(self.spec.content).columns]
        low, high = torch.tensor([*bounds, *[(0.0, 1.0)] * len(self.optional)], dtype=torch.float64).unbind(1)
        return low, torch.where(high > low, high, low + 1)

    # Use

    def decode(self, latent: Latent, given: Given = NOTHING) -> Batch:
        """Return the row of each latent."""
        with self.evaluating(self.scores) as scores:
            return self.generated(self._rows(scores(latent["z"])), given)

    def _rows(self, levels: Float[Tensor, "batch variables"]) -> Float[Tensor, "batch width"]:
        """Return the rows whose variables have these levels."""
        content = TableContent.of(self.spec.content)
        levels, quantiles = levels.cpu().double(), self.scores.quantiles.detach().cpu().double()
        low, high = self._ranges()
        num = len(content.columns)
        steps = [column.blocks[0].chosen for column in content.columns] + [True] * len(self.optional)
        cells = [
            low[place] + (high - low)[place] * _at(own, quantiles[place], steps=steps[place])
            for place, own in enumerate(levels.unbind(1))
        ]
        for column, absent in zip(self.optional, cells[num:], strict=True):
            cells[column] = cells[column].masked_fill(absent > 0.5, torch.nan)
        rows = [column.nearest(own) for column, own in zip(content.columns, cells[:num], strict=True)]
        return content.encode(torch.stack(rows, dim=1)).to(self.device)

    def complete(
        self,
        content: Float[Tensor, "batch width"],
        known: Bool[Tensor, "batch width"],
        *,
        rng: torch.Generator,
        allowed: Bool[Tensor, "batch width"] | None = None,
        given: Given | None = None,
    ) -> Batch:
        """Return the rows with what is not known drawn given what is: normal numbers within the levels of known cells,
        and the others given these.
        """
        content, known = content.to(self.device), known.to(self.device)
        floor, ceiling = self._levels(content, known, torch.ones_like(known) if allowed is None else allowed)
        factor = self.scores.factor.detach().cpu().double()
        # as if as many rows as there are variables had shown no correlation: columns that all but tell each other would
        # magnify what is not known of them
        share = len(factor) / (len(factor) + (self.spec.num_examples or len(factor)))
        shrunk = torch.lerp(factor @ factor.T, torch.eye(len(factor), dtype=factor.dtype), share)
        scores = draw_within(shrunk, torch.special.ndtri(floor), torch.special.ndtri(ceiling), rng)
        drawn = self._rows(torch.special.ndtr(scores))
        return self.generated(torch.where(known, content, drawn), Given())

    def _levels(
        self, content: Float[Tensor, "batch width"], known: Bool[Tensor, "batch width"], allowed: Bool[Tensor, "..."]
    ) -> tuple[Float64[Tensor, "batch variables"], Float64[Tensor, "batch variables"]]:
        """Return between which levels each variable lies by what is known and allowed; where nothing is, 0 and 1."""
        table = TableContent.of(self.spec.content)
        stored, known, allowed = table.decode(content), known.cpu(), allowed.cpu()
        low, high = self._ranges()
        quantiles = self.scores.quantiles.detach().cpu().double()
        values = torch.cat([stored, stored[:, self.optional].isnan().double()], dim=1)
        firsts = torch.tensor([0, *[column.width for column in table.columns]]).cumsum(0)[:-1]
        there = ~stored.isnan()
        told = [known[:, firsts] & there]
        for column, first in ((table.columns[place], int(firsts[place])) for place in self.optional):
            absent = first + (column.absent or 0)
            told.append((known[:, absent] | ~allowed[:, absent]).unsqueeze(1))
        places = torch.cat(told, dim=1)
        for number, place in enumerate(self.optional, len(table.columns)):  # what may not be missing is there
            values[:, number].masked_fill_(~known[:, firsts[place]], 0.0)
        relative = ((values - low) / (high - low)).nan_to_num(0.0).T.contiguous()
        num, near = quantiles.shape[1], 1e-6
        floor = torch.searchsorted(quantiles, relative - near).T / num
        ceiling = torch.searchsorted(quantiles, relative + near, right=True).T / num
        least = 0.5 / num
        outer = (floor == ceiling) & ((floor == 0) | (floor == 1))  # beyond all training rows
        floor, ceiling = (torch.where(outer, each.clamp(least, 1 - least), each) for each in (floor, ceiling))
        return floor.double().masked_fill(~places, 0.0), ceiling.double().masked_fill(~places, 1.0)


def _at(
    levels: Float64[Tensor, " batch"], quantiles: Float64[Tensor, " knots"], *, steps: bool
) -> Float64[Tensor, " batch"]:
    """Return quantiles at levels; between two knots those of the nearer one, or linear."""
    place = (levels * len(quantiles) - 0.5).clamp(0, len(quantiles) - 1)
    below = place.floor().long().clamp_max(max(0, len(quantiles) - 2))
    share = (place - below).round() if steps else place - below
    return torch.lerp(quantiles[below], quantiles[(below + 1).clamp_max(len(quantiles) - 1)], share)


def _scores(values: Float64[Tensor, " rows"]) -> Float64[Tensor, " rows"]:
    """Return of each row the mean of a normal number within the levels that its value has; NaN where it is missing."""
    known = ~values.isnan()
    if not known.any():
        return values
    places: Int64[Tensor, " known"]
    _, places, counts = values[known].unique(return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double() / counts.sum()
    density = torch.cat([ends.new_zeros(1), _density(ends)])
    means = (density[:-1] - density[1:]) / (counts / counts.sum())
    return values.masked_scatter(known, means[places])


def _density(levels: Float64[Tensor, " levels"]) -> Float64[Tensor, " levels"]:
    """Return the normal density at the quantile of each level; 0 at 1."""
    density = torch.exp(-0.5 * torch.special.ndtri(levels).square()) / (2 * torch.pi) ** 0.5
    return density.masked_fill(levels >= 1, 0.0)


def _factor(scores: Float64[Tensor, "rows variables"]) -> Float64[Tensor, "variables variables"]:
    """Return L, L Lᵀ being the nearest correlations without a negative eigenvalue."""
    known = (~scores.isnan()).double()
    filled = scores.nan_to_num(0.0)
    covariance = (filled.T @ filled) / (known.T @ known).clamp_min(1)
    variance = covariance.diagonal().clamp_min(1e-12)  # of a column with one value: nothing goes along with it
    correlation = (covariance / variance.outer(variance)).clamp(-0.999, 0.999).fill_diagonal_(1.0)
    eigenvalues, vectors = torch.linalg.eigh(correlation)
    root = vectors * eigenvalues.clamp_min(1e-6).sqrt()
    return root / root.norm(dim=1, keepdim=True)
