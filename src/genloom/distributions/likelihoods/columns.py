"""The likelihood of rows of a table: each column has its own, as its cells are numbers or one of several levels."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genloom.contents.table import TableContent
from genloom.distributions.likelihoods.base import Likelihood, Parameters
from genloom.distributions.normal import log_density
from genloom.spec import Spec


class Columns(Likelihood):
    """Numbers are N(output, σ²), with a σ of each that is trained with the network; of a choice, the outputs' softmax
    gives the probabilities. Numbers of a missing cell count nothing.

    With ``transform@data.transform=mode_specific`` it is that of TVAE, but for a tanh; Xu et al., Modeling Tabular Data
    using Conditional GAN, 2019, section 4.4, https://arxiv.org/abs/1907.00503.

    Args:
        spec: the data's.
    """

    kind = TableContent
    measure = "density of encoded numbers, probability of categories"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        columns = TableContent.of(spec.content).columns
        self.blocks = [block for column in columns for block in column.blocks]
        self.widths = [block.width for block in self.blocks]
        self.log_sigma = nn.Parameter(torch.zeros(sum(self.widths)))  # those of choices are not used
        flags: list[int] = []  # of each value, the place of the one that says whether the cell is missing
        hidden: list[bool] = []  # whether it means nothing where the cell is
        first = 0
        for column in columns:
            last = first + column.width - 1
            told = column.width - column.blocks[-1].width if column.flagged else 0
            flags += [last] * column.width
            hidden += [place < told for place in range(column.width)]
            first = last + 1
        self.flags: Tensor
        self.hidden: Tensor
        self.register_buffer("flags", torch.tensor(flags), persistent=False)
        self.register_buffer("hidden", torch.tensor(hidden), persistent=False)

    def log_prob_of_values(self, parameters: Parameters, content: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the log-density of each number; of a choice, the log-probability at the value that is 1; nats."""
        outputs = self._only(parameters)
        numbers = log_density((content - outputs).square(), 2 * self.log_sigma)
        parts = zip(
            self.blocks,
            *(each.split(self.widths, dim=-1) for each in (outputs, content.expand_as(outputs), numbers)),
            strict=True,
        )
        values = [real * own.log_softmax(-1) if block.chosen else density for block, own, real, density in parts]
        absent = self.hidden & (content[..., self.flags] > 0.5)
        return torch.cat(values, dim=-1).masked_fill(absent, 0.0)

    def mean(self, parameters: Parameters) -> Float[Tensor, "..."]:
        """Return the expected numbers, and the probabilities of what is chosen."""
        split = self._only(parameters).split(self.widths, dim=-1)
        parts = zip(self.blocks, split, strict=True)
        return torch.cat([part.softmax(-1) if block.chosen else part for block, part in parts], dim=-1)

    def sample(self, parameters: Parameters, rng: torch.Generator) -> Float[Tensor, "..."]:
        """Return drawn numbers, and for each choice ones and zeros."""
        mean = self.mean(parameters)
        numbers = mean + self.log_sigma.exp() * torch.randn(mean.shape, generator=rng).to(mean)
        drawn = []
        split = (each.split(self.widths, dim=-1) for each in (mean, numbers))
        for block, probabilities, number in zip(self.blocks, *split, strict=True):
            if block.chosen:
                flat = probabilities.detach().cpu().double().flatten(0, -2)  # there, so that all devices draw alike
                places = torch.multinomial(flat, 1, generator=rng).view(mean.shape[:-1])
                number = F.one_hot(places, block.width).to(mean)
            drawn.append(number)
        return torch.cat(drawn, dim=-1)
