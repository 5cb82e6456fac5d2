"""Losses of sequences against those of torch and scikit-learn."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import mean_pinball_loss

from genloom.batch import Batch
from genloom.distributions.outputs.categorical import CategoricalPrediction
from genloom.distributions.outputs.real import GaussianPrediction, PointPrediction, QuantilePrediction
from genloom.objectives.sequence import MeanAbsoluteError, MeanSquaredError, NegativeLogLikelihood, Pinball

LEVELS = (0.1, 0.4, 0.6, 0.8)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def batch(content: torch.Tensor, mask: torch.Tensor | None = None) -> Batch:
    return Batch(content=content, index=torch.arange(len(content)), mask=mask)


def test_errors_of_a_point_are_torch_s():
    values, content = torch.randn(2, 4, 5, 3)
    found = MeanSquaredError()(PointPrediction(values), batch(content)).total
    torch.testing.assert_close(found, F.mse_loss(values, content))
    found = MeanAbsoluteError()(PointPrediction(values), batch(content)).total
    torch.testing.assert_close(found, F.l1_loss(values, content))


def test_likelihoods_are_torch_s():
    mean, log_std, content = torch.randn(3, 4, 5, 3)
    found = NegativeLogLikelihood()(GaussianPrediction(mean, log_std), batch(content)).total
    torch.testing.assert_close(found, F.gaussian_nll_loss(mean, content, (2 * log_std).exp(), full=True))
    logits, tokens = torch.randn(4, 5, 7), torch.randint(7, (4, 5))
    found = NegativeLogLikelihood()(CategoricalPrediction(logits), batch(tokens)).total
    torch.testing.assert_close(found, F.cross_entropy(logits.flatten(0, 1), tokens.flatten()))


def test_the_loss_of_quantiles_is_scikit_learn_s_averaged_over_the_levels():
    values, content = torch.randn(4, 5, 3, len(LEVELS)).sort(-1).values, torch.randn(4, 5, 3)
    found = Pinball()(QuantilePrediction(torch.tensor(LEVELS), values), batch(content)).total
    theirs = [
        mean_pinball_loss(content.flatten(), values[..., i].flatten(), alpha=level) for i, level in enumerate(LEVELS)
    ]
    assert found.item() == pytest.approx(np.mean(theirs), rel=1e-5)
    per_value = Pinball().of_values(QuantilePrediction(torch.tensor(LEVELS), values), content)
    assert per_value.shape == content.shape


def test_only_what_was_observed_counts():
    values, content = torch.randn(2, 4, 5, 3)
    mask = torch.rand(4, 5, 3) < 0.3
    found = MeanSquaredError()(PointPrediction(values), batch(content, mask)).total
    torch.testing.assert_close(found, F.mse_loss(values[mask], content[mask]))
    one = torch.zeros_like(mask)
    one[1, 2, 0] = True
    found = MeanSquaredError()(PointPrediction(values), batch(content, one)).total
    torch.testing.assert_close(found, (values - content)[1, 2, 0].square())
    nothing = MeanSquaredError()(PointPrediction(values), batch(content, torch.zeros_like(mask))).total
    assert nothing == 0
