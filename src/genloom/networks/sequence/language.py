"""A network of text: an embedding of tokens, a causal backbone, a map to the outputs."""

from collections.abc import Callable
from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genloom.contents.text import TextContent
from genloom.errors import ConfigError
from genloom.limits import PartialShare
from genloom.networks.sequence.base import Backbone, State, TextNetwork
from genloom.spec import Spec


class Language(TextNetwork):
    """Tokens to vectors of unit variance, a backbone, a linear map.

    Args:
        spec: of a text.
        outputs: numbers per token.
        backbone: called without arguments; causal.
        tied: whether the last map is the embedding's transpose. Press and Wolf, Using the Output Embedding to Improve
            Language Models, 2017.
        dropout: share of each vector that is left out in training.

    Raises:
        ConfigError: parts that do not fit; the message names both.
    """

    def __init__(
        self,
        spec: Spec,
        outputs: int,
        *,
        backbone: Callable[[], Backbone],
        tied: bool = False,
        dropout: PartialShare = 0.0,
    ) -> None:
        super().__init__()
        spec.check(self, "model.network")
        content = TextContent.of(spec.content)
        self.backbone = backbone()
        self.context, self.attends = self.backbone.context, self.backbone.attends
        if not self.backbone.causal:
            raise ConfigError(
                "model.network.backbone.causal: a text is predicted from what came before; set it to true"
            )
        if self.context is not None and content.length > self.context:
            raise ConfigError(
                f"model.network.backbone.context: texts of data.length={content.length} tokens are above the "
                f"limit of {self.context}; raise it"
            )
        width_in, width = self.backbone.width_in, self.backbone.width
        self.embedding = nn.Embedding(content.vocabulary.size, width_in)
        nn.init.normal_(self.embedding.weight, std=1 / sqrt(width_in))
        self.scale = sqrt(width_in)  # so that vectors begin with unit variance, and tied outputs as well
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, outputs, bias=not tied)
        if tied:
            if (width_in, content.vocabulary.size) != (width, outputs):
                raise ConfigError(
                    f"model.network.tied: an embedding of {content.vocabulary.size} tokens by {width_in} is no "
                    f"map of {width} to {outputs} outputs; set it to false, or model.network.backbone.width_in to null"
                )
            self.out.weight = self.embedding.weight

    def embed(self, tokens: Int[Tensor, "batch positions"]) -> Float[Tensor, "batch positions width_in"]:
        """Return the backbone's input."""
        return self.dropout(self.embedding(tokens) * self.scale)

    def forward(
        self, prompt: Int[Tensor, "batch prefix"], content: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length outputs"]:
        """Return the outputs of each token of the content, given the prompt and the tokens before it."""
        hidden = self.backbone(self.embed(_before(prompt, content)))
        return self.out(hidden[:, -content.shape[1] :])

    def attention(
        self, prompt: Int[Tensor, "batch prefix"], content: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "layers batch positions positions"]:
        """Return how much each position looks at each one, in every layer, averaged over heads; rows sum to 1.

        The positions are the prompt and the content without its last token, at which nothing looks.
        """
        return self.backbone.attention(self.embed(_before(prompt, content)))

    def start(self, tokens: Int[Tensor, "batch prefix"], capacity: int) -> tuple[Float[Tensor, "batch outputs"], State]:
        """Return the outputs of the token after ``tokens``, and a state that :meth:`step` goes on from."""
        state = self.backbone.start(len(tokens), capacity)
        hidden, state = self.backbone.step(self.embed(tokens), state)
        return self.out(hidden[:, -1]), state

    def step(self, tokens: Int[Tensor, " batch"], state: State) -> tuple[Float[Tensor, "batch outputs"], State]:
        """Return the outputs of the token after ``tokens``, and the state after it."""
        hidden, state = self.backbone.step(self.embed(tokens.unsqueeze(1)), state)
        return self.out(hidden[:, 0]), state


def _before(prompt: Int[Tensor, "batch prefix"], content: Tensor) -> Int[Tensor, "batch positions"]:
    return torch.cat([prompt, content[:, :-1]], dim=1)
