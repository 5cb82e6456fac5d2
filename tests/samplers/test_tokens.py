"""Drawing tokens: against brute force, by seed, with a cache and beyond it."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Characters
from genloom.errors import ConfigError
from genloom.networks.sequence.base import TextNetwork
from genloom.networks.sequence.language import Language
from genloom.networks.sequence.recurrent import LSTM
from genloom.networks.sequence.transformer import Transformer
from genloom.samplers.tokens import TokenSampler, generate
from genloom.spec import Spec

SPEC = Spec("text", TextContent(6, Characters("abcdefg")))
GREEDY = TokenSampler(temperature=0)


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


# The sampler


def by_hand(logits: Tensor, temperature: float, top_k: int | None, top_p: float | None) -> Tensor:
    """Return the probabilities, token by token."""
    weights = (logits.double() / temperature).exp()
    order = sorted(range(len(weights)), key=lambda token: -weights[token])
    kept = order[: top_k or len(order)]
    if top_p is not None:
        mass, total, fewest = 0.0, sum(float(weights[token]) for token in kept), []
        for token in kept:
            if mass >= top_p * total:
                break
            fewest.append(token)
            mass += float(weights[token])
        kept = fewest
    probabilities = torch.zeros(len(weights), dtype=torch.float64)
    probabilities[kept] = weights[kept]
    return probabilities / probabilities.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 1, 3, 100])
@pytest.mark.parametrize("top_p", [None, 1e-9, 0.3, 0.8, 1.0])
def test_the_probabilities_are_those_by_hand(temperature, top_k, top_p):
    logits = 2 * torch.randn(20, 9, generator=rng())
    restricted = TokenSampler(temperature, top_k, top_p).allowed(logits / temperature)
    expected = torch.stack([by_hand(row, temperature, top_k, top_p) for row in logits])
    torch.testing.assert_close(restricted.softmax(-1).double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("arguments", [{}, {"temperature": 0.7, "top_k": 4, "top_p": 0.9}])
def test_draws_are_as_frequent_as_they_are_probable(arguments):
    sampler = TokenSampler(**arguments)
    logits = torch.randn(1, 6, generator=rng())
    draws = sampler(logits.expand(40_000, -1), rng(1))
    probabilities = sampler.allowed(logits / sampler.temperature).softmax(-1)[0]
    frequencies = torch.bincount(draws, minlength=6) / len(draws)
    deviation = (probabilities * (1 - probabilities) / len(draws)).sqrt()
    assert ((frequencies - probabilities).abs() <= 4 * deviation).all()


def test_ties_leave_as_many_tokens_as_were_asked_for():
    assert TokenSampler(top_k=2).allowed(torch.zeros(1, 5)).isfinite().sum() == 2


def test_a_temperature_of_zero_takes_the_most_probable():
    logits = torch.randn(50, 9, generator=rng())
    assert torch.equal(GREEDY(logits, rng()), logits.argmax(-1))


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"temperature": -1.0}, "temperature: -1.0"),
        ({"temperature": float("nan")}, "temperature: nan"),
        ({"top_k": 0}, "top_k: 0"),
        ({"top_p": 0.0}, "top_p: 0.0"),
        ({"top_p": 1.1}, "top_p: 1.1"),
    ],
)
def test_a_sampler_names_what_is_out_of_its_limits(arguments, named):
    with pytest.raises(ConfigError, match=f"sampler.{named}"):
        TokenSampler(**arguments)


# Generation


def test_tokens_repeat_by_seed():
    tokens = torch.randint(7, (3, 4), generator=rng())
    texts = [torch.stack(list(generate(network(), tokens, 20, TokenSampler(), rng(seed))), 1) for seed in (0, 0, 1)]
    assert texts[0].shape == (3, 20)
    assert torch.equal(texts[0], texts[1])
    assert not torch.equal(texts[0], texts[2])


@pytest.mark.parametrize("num_tokens, prefix", [(12, 4), (1, 16)])
def test_within_the_context_each_token_is_read_once_and_outputs_are_those_without_a_cache(num_tokens, prefix):
    recorded = Recorded(network(context=16))
    tokens = torch.randint(7, (2, prefix), generator=rng())
    text = torch.stack(list(generate(recorded, tokens, num_tokens, TokenSampler(), rng())), 1)
    assert len(recorded.starts) == 1
    whole = recorded.inner(tokens, text)
    torch.testing.assert_close(torch.stack(recorded.logits, 1), whole, atol=1e-5, rtol=0)


def test_beyond_the_context_outputs_are_those_of_the_kept_tokens():
    recorded = Recorded(network(context=16))
    tokens = torch.randint(7, (2, 4), generator=rng())
    text = torch.stack(list(generate(recorded, tokens, 40, TokenSampler(), rng(), kept=0.25)), 1)
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
    list(generate(recorded, tokens, 3, GREEDY, rng()))
    assert len(recorded.starts) == 1
    assert torch.equal(recorded.starts[0], tokens[:, -8:])


def test_a_recurrent_network_reads_any_number_of_tokens_once():
    torch.manual_seed(0)
    recorded = Recorded(Language(SPEC, 7, backbone=partial(LSTM, width=8, layers=2)).eval())
    tokens = torch.randint(7, (2, 4), generator=rng())
    text = torch.stack(list(generate(recorded, tokens, 50, TokenSampler(), rng())), 1)
    assert len(recorded.starts) == 1
    torch.testing.assert_close(torch.stack(recorded.logits, 1), recorded.inner(tokens, text), atol=1e-5, rtol=0)


def test_tokens_come_one_by_one_and_gradients_are_on_between_them():
    stream = generate(network(), torch.zeros(1, 1, dtype=torch.int64), 5, TokenSampler(), rng())
    next(stream)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert len(list(stream)) == 4
