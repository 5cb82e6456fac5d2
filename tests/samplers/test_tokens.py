"""The choice of the next token, against brute force."""

import pytest
import torch
from torch import Tensor

from genloom.errors import ConfigError
from genloom.samplers.tokens import Tokens

GREEDY = Tokens(temperature=0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
    restricted = Tokens(temperature, top_k, top_p).allowed(logits / temperature)
    expected = torch.stack([by_hand(row, temperature, top_k, top_p) for row in logits])
    torch.testing.assert_close(restricted.softmax(-1).double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("arguments", [{}, {"temperature": 0.7, "top_k": 4, "top_p": 0.9}])
def test_draws_are_as_frequent_as_they_are_probable(arguments):
    sampler = Tokens(**arguments)
    logits = torch.randn(1, 6, generator=rng())
    draws = sampler(logits.expand(40_000, -1), rng(1))
    probabilities = sampler.allowed(logits / sampler.temperature).softmax(-1)[0]
    frequencies = torch.bincount(draws, minlength=6) / len(draws)
    deviation = (probabilities * (1 - probabilities) / len(draws)).sqrt()
    assert ((frequencies - probabilities).abs() <= 4 * deviation).all()


def test_ties_leave_as_many_tokens_as_were_asked_for():
    assert Tokens(top_k=2).allowed(torch.zeros(1, 5)).isfinite().sum() == 2


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
        Tokens(**arguments)
