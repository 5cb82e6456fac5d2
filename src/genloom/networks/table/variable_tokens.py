"""A network of the variables of a row: a token each, which is told or hidden, and a backbone that sees all of them."""

from collections.abc import Callable, Sequence
from math import sqrt

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genloom.contents.columns.variables import Variable
from genloom.contents.table import TableContent
from genloom.errors import ConfigError
from genloom.limits import PartialShare
from genloom.networks.sequence.base import Backbone
from genloom.spec import Spec


class VariableTokens(nn.Module):
    """Each variable is a token: what it is, and a linear map of its values, or that they are hidden. A linear map of
    its own makes the outputs of what the backbone gives for it.

    Gulati and Roysdon, TabMT: Generating Tabular Data with Masked Transformers, 2023, https://arxiv.org/abs/2312.06089.

    Args:
        spec: of a table.
        outputs: numbers per variable.
        backbone: called without arguments; not causal.
        dropout: share of each token that is left out in training.

    Raises:
        ConfigError: the backbone is causal, or sees fewer variables than there are.
    """

    kind = TableContent
    places: Int[Tensor, "variables widest"]
    there: Bool[Tensor, "variables widest"]

    def __init__(
        self, spec: Spec, outputs: int, *, backbone: Callable[[], Backbone], dropout: PartialShare = 0.0
    ) -> None:
        super().__init__()
        spec.check(self, "model.network")
        self.backbone = backbone()
        if self.backbone.causal:
            raise ConfigError("model.network.backbone.causal: true hides columns from those before; set it to false")
        variables = TableContent.of(spec.content).variables
        limit = self.backbone.context
        if limit is not None and len(variables) > limit:
            raise ConfigError(
                f"model.network.backbone.context: {len(variables)} variables of a row are above the limit of {limit}; "
                "raise it"
            )
        places, there = padded(variables)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("there", there, persistent=False)
        width_in, width = self.backbone.width_in, self.backbone.width
        self.values = nn.Parameter(torch.randn(*places.shape, width_in) / sqrt(width_in))
        self.names = nn.Parameter(torch.randn(len(variables), width_in) / sqrt(width_in))
        self.hidden = nn.Parameter(torch.randn(len(variables), width_in) / sqrt(width_in))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Parameter(torch.randn(len(variables), width, outputs) * 0.02)
        self.bias = nn.Parameter(torch.randn(len(variables), outputs) * 0.5)  # so that no two components are the same
        self.scale = sqrt(width_in)

    def forward(
        self, content: Float[Tensor, "batch width"], told: Bool[Tensor, "batch variables"]
    ) -> Float[Tensor, "batch variables outputs"]:
        """Return the outputs of each variable, given the values of those that are told."""
        values = content[:, self.places] * self.there
        tokens = torch.einsum("bvw,vwd->bvd", values, self.values)
        tokens = self.names + torch.where(told.unsqueeze(-1), tokens, self.hidden)
        seen = self.backbone(self.dropout(tokens * self.scale))
        return torch.einsum("bvd,vdo->bvo", seen, self.out) + self.bias


def padded(variables: Sequence[Variable]) -> tuple[Int[Tensor, "variables widest"], Bool[Tensor, "variables widest"]]:
    """Return the place of each variable's values among the encoded ones, and which of these are not mere padding."""
    slots = torch.arange(max(each.width for each in variables))
    widths = torch.tensor([each.width for each in variables])
    there = slots < widths.unsqueeze(1)
    return (torch.tensor([each.first for each in variables]).unsqueeze(1) + slots) * there, there
