from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genloom.errors import ConfigError
from genloom.families.vae import VAE
from genloom.metrics.candidate import candidates_of
from genloom.metrics.judge import Judge
from genloom.metrics.likelihood import Likelihood


def test_the_limit_of_draws_is_named() -> None:
    with pytest.raises(ConfigError, match="num_importance: -1 is below the limit of 0"):
        Likelihood(num_importance=-1)


def test_a_check_during_training_draws_no_importance_samples(
    tiny_data: Any, tiny_vae: Callable[[], VAE], tmp_path: Path
) -> None:
    model = tiny_vae()
    judge = Judge({}, {"likelihood": Likelihood(num_importance=50)}, cache_dir=tmp_path)
    candidates = candidates_of(model, model.weight_sets, seed=0)
    parts = {"negative_elbo", "reconstruction_nats", "kl_nats"}
    quick = judge.judge(tiny_data, candidates, reference_split="val", heldout_split=None)
    assert {row.metric for row in quick.rows} == parts
    full = judge.judge(tiny_data, candidates)
    assert {row.metric for row in full.rows} == parts | {"nll_bound"}  # a density has no bits per dimension
    assert full["nll_bound"].scores["raw"].details["importance_samples"] == 50
    assert full["nll_bound"].scores["raw"].value < full["negative_elbo"].scores["raw"].value
