"""What predictions of tokens say, against torch's and scipy's."""

import numpy as np
import pytest
import scipy.stats
import torch

from genloom.contents.series import SeriesContent
from genloom.contents.text import TextContent
from genloom.contents.vocabulary import Characters
from genloom.distributions.outputs.categorical import Categorical, CategoricalPrediction
from genloom.errors import ConfigError
from genloom.spec import Spec


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_likelihoods_are_torch_s():
    logits, tokens = torch.randn(4, 5, 7, generator=rng()), torch.randint(7, (4, 5), generator=rng())
    expected = torch.distributions.Categorical(logits=logits).log_prob(tokens)
    torch.testing.assert_close(CategoricalPrediction(logits).log_prob(tokens), expected)


def test_draws_follow_the_softmax_and_the_generator():
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf], [3.0, 0.0, 0.5, 1.0]])
    drawn = CategoricalPrediction(logits).sample(20_000, rng())
    assert drawn.shape == (20_000, 2)
    for place in range(2):
        counts, expected = np.bincount(drawn[:, place], minlength=4), 20_000 * logits[place].softmax(0).double().numpy()
        possible = expected > 0
        assert not counts[~possible].any()
        wanted = expected[possible] / expected[possible].sum() * 20_000
        assert scipy.stats.chisquare(counts[possible], wanted).pvalue > 0.01
    assert torch.equal(drawn, CategoricalPrediction(logits).sample(20_000, rng()))
    assert not torch.equal(drawn, CategoricalPrediction(logits).sample(20_000, rng(1)))


def test_it_takes_a_number_per_token_and_texts_only():
    output = Categorical(Spec("text", TextContent(6, Characters("abc"))))
    assert output.num_outputs == 3
    assert output(torch.zeros(2, 6, 3)).logits.shape == (2, 6, 3)
    with pytest.raises(ConfigError, match=r"Categorical is made for texts, and data\.name=sea holds series"):
        Categorical(Spec("sea", SeriesContent(3, ("height",))))
