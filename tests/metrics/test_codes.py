"""How much of the codebooks is in use."""

from functools import partial

import pytest
import torch

from conftest import adam
from genloom.bottlenecks.vector_quantised import VectorQuantised
from genloom.extractors.reference_cache import ReferenceCache
from genloom.judging.measuring import Held
from genloom.judging.metric import Score
from genloom.metrics.codes import CodebookUse


def test_perplexity_is_that_of_each_place_and_not_of_all_places_together(tiny_vae, tiny_data, monkeypatch, tmp_path):
    """Two places that each use one code only know nothing of the example, however unlike the codes are."""
    bottleneck = partial(VectorQuantised, stages=2, num_codes=4, code_dim=2)
    model = tiny_vae(bottleneck=bottleneck, optimizer={"autoencoder": adam, "prior": adam})
    held = Held("test", tiny_data.split("test"), lambda: tiny_data.split("train"), ReferenceCache(tmp_path))

    def measured(*places: torch.Tensor) -> dict[str, Score]:
        codes = torch.stack(places, 1)
        monkeypatch.setattr(model, "encode", lambda batch: {"codes": codes[batch.index]})
        return CodebookUse(batch_size=30).measure(model, held)

    constant, uniform = torch.zeros(100, dtype=torch.long), torch.arange(100) % 4
    assert measured(constant, constant + 1)["codebook_perplexity"].value == pytest.approx(1)
    assert measured(uniform, uniform)["codebook_use"].value == pytest.approx(1)
    assert measured(uniform, constant)["codebook_perplexity"].value == pytest.approx(2)  # √(4 · 1)
    assert measured(uniform, constant)["codebook_perplexity"].details == {"of": 4, "unused": 3}


def test_it_is_of_models_that_encode_to_codes(tiny_vae, tiny_gan, tiny_data):
    examples, metric = tiny_data.split("test"), CodebookUse()
    assert metric.why_not(tiny_vae(), examples) == "the model has no codebook"
    assert metric.why_not(tiny_vae(bottleneck=VectorQuantised), examples) is None
    assert metric.why_not(tiny_gan(), examples) not in (None, "the model has no codebook")
