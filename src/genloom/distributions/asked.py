"""What a generator is asked for in training that the data does not say."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genloom.batch import Batch, Given
from genloom.contents.base import Values
from genloom.errors import ConfigError
from genloom.spec import Spec


class OneLevel(nn.Module):
    """Training by sampling: each example is asked for one level of one of its choices, rare ones nearly as often as
    frequent ones; both players are told it as the condition ``level``.

    Xu et al., Modeling Tabular Data using Conditional GAN, 2019, section 4.3, https://arxiv.org/abs/1907.00503: the
    choice is uniform, the level by the logarithm of its count, and the real example is one that has it. Here levels and
    real examples are those of the batch, drawn with replacement, so that no order of the data is needed but its own.

    Args:
        spec: the data's.

    Raises:
        ConfigError: the content has no choices.
    """

    name = "level"
    kind = Values
    places: Int[Tensor, " levels"]
    groups: Int[Tensor, " levels"]
    weights: Float[Tensor, " levels"]  # of an example that has the level

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        spec.check(self, "model.asking")
        levels = Values.of(spec.content).levels
        if levels is None:
            raise ConfigError(
                f"model.asking: {spec.content.called} of data.name={spec.name} have no choices to ask for, as "
                "columns of categories are; set asking@model.asking=null"
            )
        self.levels = levels
        counts = torch.tensor(levels.counts, dtype=torch.float64)
        weights = levels.shares(counts.log1p()) / counts.clamp(min=1)
        self.register_buffer("weights", weights.float(), persistent=False)
        self.register_buffer("places", torch.tensor(levels.places), persistent=False)
        self.register_buffer("groups", torch.tensor(levels.groups), persistent=False)

    def told(self, spec: Spec) -> Spec:
        """Return the spec as the players see it: with the condition."""
        return replace(spec, given={**spec.given, self.name: self.levels})

    def ask(self, batch: Batch, rng: torch.Generator) -> Batch:
        """Return as many examples of the batch, drawn with replacement, each with what it is asked for."""
        has = self._levels_of(batch.content)
        weights = (has * self.weights.to(has)).flatten()
        drawn = torch.multinomial(weights, len(batch), replacement=True, generator=rng)
        rows, level = drawn // has.shape[1], drawn % has.shape[1]
        chosen = batch.map(lambda values: values[rows])
        chosen.given = Given({**chosen.given, self.name: level}, dropped=chosen.given.dropped)
        return chosen

    def _levels_of(self, content: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch levels"]:
        """Return ones where an example has a level, zeros elsewhere; of generated content what is between."""
        return content.flatten(1)[:, self.places]

    def had_by(self, content: Float[Tensor, "batch ..."], given: Given) -> Float[Tensor, " batch"]:
        """Return how much of the level that it is given each example has, 0 to 1."""
        return self._levels_of(content).gather(1, given[self.name].unsqueeze(1)).squeeze(1)

    def held(self, content: Float[Tensor, "batch ..."], given: Given) -> Float[Tensor, "batch ..."]:
        """Return generated content with the level that each was asked for, whatever was drawn."""
        level = given[self.name]
        of_group = self.groups[level].unsqueeze(1) == self.groups
        wanted = torch.arange(len(self.groups), device=content.device) == level.unsqueeze(1)
        flat = content.flatten(1).clone()
        flat[:, self.places] = torch.where(of_group, wanted.to(flat), flat[:, self.places])
        return flat.view_as(content)

    def known_in(self, content: Float[Tensor, "batch ..."], known: Bool[Tensor, "batch ..."]) -> Int[Tensor, " batch"]:
        """Return the one level that is known of each example.

        Raises:
            ConfigError: something else is known, or not of all.
        """
        of_levels = self._levels_of(known.float())
        groups = self.groups.unique()
        asked = torch.stack([of_levels[:, self.groups == group].amax(1) for group in groups], dim=1).sum(1)
        others = known.flatten(1).sum(1) - of_levels.sum(1)
        if not (asked == 1).all() or others.any():
            raise ConfigError(
                "given: this model can be asked for one level of one column at a time, as "
                f"'given.level={self.levels.classes[0]}'; for any columns choose model=table/transformer or "
                "model=table/copula"
            )
        return (self._levels_of(content) * of_levels).argmax(1)
