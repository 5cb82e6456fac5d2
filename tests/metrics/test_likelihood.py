import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import scipy.stats
import torch

from genloom.bottlenecks.vector_quantised import VectorQuantised
from genloom.distributions.likelihoods.logistic_mixture import DiscretisedLogisticMixture
from genloom.errors import ConfigError
from genloom.extractors.reference_cache import ReferenceCache
from genloom.judging.candidate import candidates_of
from genloom.judging.judge import Judge
from genloom.judging.measuring import Held
from genloom.judging.metric import Score
from genloom.metrics.likelihood import LatentActivity, Likelihood
from genloom.models.vae import VAE


def test_the_limit_of_draws_is_named() -> None:
    with pytest.raises(ConfigError, match="num_importance: -1 is below the limit of 0"):
        Likelihood(num_importance=-1)
    with pytest.raises(ConfigError, match=r"num_draws: -1 is below the limit of 0"):
        Likelihood(num_draws=-1)


def test_a_check_during_training_draws_no_importance_samples(
    tiny_data: Any, tiny_vae: Callable[[], VAE], tmp_path: Path
) -> None:
    model = tiny_vae()
    judge = Judge({}, {"likelihood": Likelihood(num_importance=50)}, cache_dir=tmp_path)
    candidates = candidates_of(model, model.weight_sets, seed=0, examples=lambda: tiny_data.split("test"))
    parts = {"negative_elbo", "reconstruction_nats", "kl_nats"}
    quick = judge.judge(tiny_data, candidates, reference_split="val", heldout_split=None)
    assert {row.metric for row in quick.rows} == parts
    full = judge.judge(tiny_data, candidates)
    assert {row.metric for row in full.rows} == parts | {"nll_bound"}  # a density has no bits per dimension
    assert full["nll_bound"].scores["raw"].details["importance_samples"] == 50
    assert full["nll_bound"].scores["raw"].value < full["negative_elbo"].scores["raw"].value


def test_bits_per_dimension_are_the_bound_per_value_in_bits(
    tiny_data: Any, tiny_vae: Callable[..., VAE], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A distribution over 16 values that gives each of them one of eight levels: three bits."""
    model = tiny_vae(likelihood=partial(DiscretisedLogisticMixture, components=2))
    monkeypatch.setattr(model, "log_prob", lambda batch, **_: torch.full((len(batch),), -16 * math.log(8)))
    held = Held("test", tiny_data.split("test"), lambda: tiny_data.split("train"), ReferenceCache(tmp_path))
    scores = Likelihood(num_importance=1).measure(model, held)
    assert scores["bits_per_dim"].value == pytest.approx(3)
    assert scores["nll_bound"].value == pytest.approx(16 * math.log(8))
    assert scores["nll_bound"].details["measure"] == "probability"


def test_the_interval_of_the_bound_is_that_of_a_mean(
    tiny_data: Any, tiny_vae: Callable[..., VAE], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = tiny_vae()
    bound = torch.randn(100, generator=torch.Generator().manual_seed(0)).double() * 3 - 40
    monkeypatch.setattr(model, "log_prob", lambda batch, **_: bound[batch.index])
    held = Held("test", tiny_data.split("test"), lambda: tiny_data.split("train"), ReferenceCache(tmp_path))
    score = Likelihood(num_importance=1, batch_size=30).measure(model, held)["nll_bound"]
    error = scipy.stats.sem(bound.numpy())
    assert score.value == pytest.approx(-bound.mean().item())
    assert score.interval == pytest.approx((score.value - 1.96 * error, score.value + 1.96 * error))
    assert score.details["examples"] == 100


def test_a_unit_is_active_by_the_variance_of_its_mean(
    tiny_data: Any, tiny_vae: Callable[..., VAE], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Burda et al., 2016: above 0.01; standard deviations of 0.09 and 0.11 are on its two sides."""
    model = tiny_vae()
    noise = torch.randn(100, 1, generator=torch.Generator().manual_seed(0))
    noise = (noise - noise.mean()) / noise.std()
    means = noise * torch.tensor([0.0, 0.09, 0.11, 2.0]) + 5
    monkeypatch.setattr(model, "encode", lambda batch: {"z": means[batch.index]})
    held = Held("test", tiny_data.split("test"), lambda: tiny_data.split("train"), ReferenceCache(tmp_path))
    score = LatentActivity(batch_size=30).measure(model, held)["active_units"]
    assert score.value == 2
    assert score.details["variances"] == pytest.approx([0, 0.0081, 0.0121, 4.0], rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(("active", "said"), [(0, "collapsed"), (1, "only 1 of 11 units"), (2, None)])
def test_a_latent_that_says_nothing_is_warned_of(active: int, said: str | None) -> None:
    warnings = LatentActivity().warnings({"active_units": Score(active, details={"of": 11})})
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]


def test_activity_is_of_latents_that_vary(tiny_vae, tiny_gan, tiny_data) -> None:
    examples, metric = tiny_data.split("test"), LatentActivity()
    assert metric.why_not(tiny_vae(), examples) is None
    assert metric.why_not(tiny_vae(bottleneck=VectorQuantised), examples) == "codes have no variance"
    assert metric.why_not(tiny_gan(), examples) == "the model has no latent"
