"""Going on after a text: by seed, with a cache and beyond it."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Characters
from genloom.distributions.outputs.categorical import draw
from genloom.networks.sequence.base import TextNetwork
from genloom.networks.sequence.continuation import generate
from genloom.networks.sequence.language import Language
from genloom.networks.sequence.recurrent import LSTM
from genloom.networks.sequence.transformer import Transformer
from genloom.spec import Spec

SPEC = Spec("text", TextContent(6, Characters("abcdefg")))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(context: int = 16) -> Language:
    torch.manual_seed(0)
    language = Language(SPEC, 7, backbone=partial(Transformer, width=8, layers=2, heads=2, context=context))
    for parameter in language.parameters():
        nn.init.normal_(parameter, std=0.5)
    return language.eval()


class Recorded(TextNetwork):
    """Keeps what a network was asked, and what it answered."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.context = inner.context
        self.logits: list[Tensor] = []
        self.starts: list[Tensor] = []

    def start(self, tokens: Tensor, capacity: int) -> Any:
        assert capacity <= (self.context or capacity)
        self.starts.append(tokens.clone())
        logits, state = self.inner.start(tokens, capacity)
        self.logits.append(logits)
        return logits, state

    def step(self, tokens: Tensor, state: Any) -> Any:
        logits, state = self.inner.step(tokens, state)
        self.logits.append(logits)
        return logits, state


def test_tokens_repeat_by_seed():
    tokens = torch.randint(7, (3, 4), generator=rng())
    texts = [torch.stack(list(generate(network(), tokens, 20, draw, rng(seed))), 1) for seed in (0, 0, 1)]
    assert texts[0].shape == (3, 20)
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


@pytest.mark.parametrize("num_tokens, prefix", [(12, 4), (1, 16)])
def test_within_the_context_each_token_is_read_once_and_outputs_are_those_without_a_cache(num_tokens, prefix):
    recorded = Recorded(network(context=16))
    tokens = torch.randint(7, (2, prefix), generator=rng())
    text = torch.stack(list(generate(recorded, tokens, num_tokens, draw, rng())), 1)
    assert len(recorded.starts) == 1
    whole = recorded.inner(tokens, text)
    torch.testing.assert_close(torch.stack(recorded.logits, 1), whole, atol=1e-5, rtol=0)


def test_beyond_the_context_outputs_are_those_of_the_kept_tokens():
    recorded = Recorded(network(context=16))
    tokens = torch.randint(7, (2, 4), generator=rng())
    text = torch.stack(list(generate(recorded, tokens, 40, draw, rng(), kept=0.25)), 1)
    whole = torch.cat([tokens, text], 1)
    # 4 tokens grow to 16; then the last 4 of them are read anew, 13 places further on each time
    assert [part.shape[1] for part in recorded.starts] == [4, 4, 4, 4]
    first = 0
    for place, logits in enumerate(recorded.logits, start=4):
        if place - first > 16:
            first = place - 4
        fresh = recorded.inner(whole[:, first:place], whole[:, place : place + 1])[:, 0]
        torch.testing.assert_close(logits, fresh, atol=1e-5, rtol=0)


def test_a_prompt_above_the_context_is_read_from_its_last_tokens():
    recorded = Recorded(network(context=16))
    tokens = torch.randint(7, (2, 30), generator=rng())
    list(generate(recorded, tokens, 3, draw, rng()))
    assert len(recorded.starts) == 1
    assert torch.equal(recorded.starts[0], tokens[:, -8:])


def test_a_recurrent_network_reads_any_number_of_tokens_once():
    torch.manual_seed(0)
    recorded = Recorded(Language(SPEC, 7, backbone=partial(LSTM, width=8, layers=2)).eval())
    tokens = torch.randint(7, (2, 4), generator=rng())
    text = torch.stack(list(generate(recorded, tokens, 50, draw, rng())), 1)
    assert len(recorded.starts) == 1
    torch.testing.assert_close(torch.stack(recorded.logits, 1), recorded.inner(tokens, text), atol=1e-5, rtol=0)


def test_tokens_come_one_by_one_and_gradients_are_on_between_them():
    stream = generate(network(), torch.zeros(1, 1, dtype=torch.int64), 5, draw, rng())
    next(stream)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert len(list(stream)) == 4
